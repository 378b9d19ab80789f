"""
What stores do differently, as data.  A Behaviour is a set of named values; the defaults are what
AWS documents; PROFILES are others.  `--behaviour rgw,list_lag_s=2` or POST /.fake/options set them.
"""

import json

NO_TRAILERS = ("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match")
NO_CHUNKED = ("NotImplemented", "Transferring payloads in multiple chunks using aws-chunked is not supported.")

DEFAULTS = {
    # What is verified of a payload.
    "signatures": True,              # False: any signature will do
    "checksums": True,               # False: x-amz-checksum-* is ignored, nothing is echoed
    "md5_checked": True,
    "sha256_checked": True,
    "chunks_checked": True,          # signatures of chunks
    "trailers": True,                # False: trailers_error
    "trailers_error": NO_TRAILERS,
    "aws_chunked": True,             # False: aws_chunked_error
    "aws_chunked_error": NO_CHUNKED,
    "stores_framing": False,         # as a bad mock: the framing becomes part of the object
    "unsigned_needs_tls": False,     # UNSIGNED-PAYLOAD over plain HTTP is refused
    # Conditional writes: honour | ignore | 501
    "if_none_match": "honour",
    "if_none_match_complete": "honour",
    "conflict_on_race": False,       # 409 ConditionalRequestConflict while another PUT is under way
    # Multipart.
    "min_part_size": 5 << 20,
    "equal_parts": False,            # all but the last of one size (R2)
    "repeated_complete": "200",      # 200 | 404 | rgw (by the object's ETag, else 500)
    "complete_etag": True,           # False: empty <ETag> in the first answer
    "copy_etag_quoted": True,
    "copy_if_match": True,           # x-amz-copy-source-if-match is honoured
    "checksums_in_complete": True,   # False: MalformedXML where parts carry some
    "parts_truncated": True,         # False: ListParts says neither IsTruncated nor a next marker
    "parts_missing_code": "NoSuchUpload",
    "uploads_by_exact_key": False,   # ListMultipartUploads finds only prefix == key
    "abort_days": 0,                 # x-amz-abort-date
    # Listing.
    "list_encodes": True,            # False: encoding-type=url is ignored
    "list_space_plus": False,
    "list_lag_s": 0.0,               # objects younger than that are not listed
    "max_keys": 1000,
    # Keys and metadata.
    "folds_slashes": False,
    "meta_underscore": True,         # False: _ becomes - in x-amz-meta-*
    # Errors and places.
    "messages": True,                # False: <Message> is empty
    "wrong_region": "malformed",     # malformed | ignore: the signature's region against the server's
    "redirect": "301",               # bucket of another region: 301 | 307 | malformed
    "server": "AmazonS3",
    "read_only_buckets": [],         # writes: AccessDenied
    "denied_buckets": [],            # everything: AccessDenied
    "public_buckets": [],            # reads need no credentials
    "requester_pays_buckets": [],    # who is not the owner says x-amz-request-payer: requester, and signs
    "quota_bytes": 0,                # of a bucket: 403 QuotaExceeded
    "external_id": "",               # AssumeRole wants it
    "web_identity": "",              # the only token that AssumeRoleWithWebIdentity takes
    "role_life_s": 0.0,              # assumed roles live so long, whatever was asked for (0: as asked)
    "role_grace_s": 0.0,             # and in truth so much longer
    "role_inherits": True,           # False: a role may do what whoever assumes it may not
    # Limits that hold all the time (faults in fault.py come once).
    "slow_down_above": 0,            # requests at once
    "slow_down_status": 503,
    "retry_after_s": 0,              # with SlowDown
    "requests_per_s": 0.0,           # above: SlowDown
    "bytes_per_s": 0.0,              # of all connections together, each way
    "latency_s": 0.0,                # before an answer
    "latency_by_op": {},
    "body_timeout_s": 60.0,          # silence within a body: 400 RequestTimeout
    "keep_alive_s": 65.0,
    "clock_offset_s": 0.0,
    "expire_after": 0,               # requests that a temporary key lives
    "etag": "md5",                   # md5 | random
}

RGW = {"checksums": False, "trailers": False, "if_none_match_complete": "ignore", "repeated_complete": "rgw",
       "complete_etag": False, "copy_etag_quoted": False, "copy_if_match": False, "messages": False,
       "parts_missing_code": "NoSuchKey", "meta_underscore": False, "server": "Ceph"}
PROFILES = {
    "aws": {},
    "rgw": RGW,
    "minio": {"repeated_complete": "404", "uploads_by_exact_key": True, "folds_slashes": True,
              "server": "MinIO"},
    "minio2019": {"checksums": False, "trailers": False, "if_none_match": "ignore",
                  "if_none_match_complete": "ignore", "repeated_complete": "404", "list_space_plus": True,
                  "uploads_by_exact_key": True, "folds_slashes": True, "server": "MinIO"},
    "r2": {"equal_parts": True, "abort_days": 7, "redirect": "malformed", "server": "cloudflare"},
    "swift": {"checksums": False, "trailers": False, "trailers_error": NO_CHUNKED, "aws_chunked": False,
              "if_none_match": "501", "if_none_match_complete": "501", "checksums_in_complete": False,
              "server": "swift"},
    "nochunked": {"checksums": False, "aws_chunked": False, "if_none_match": "ignore",
                  "if_none_match_complete": "ignore"},
    "storj": {"min_part_size": 64 << 20, "if_none_match": "ignore", "if_none_match_complete": "ignore"},
    "moto": {"signatures": False, "sha256_checked": False, "chunks_checked": False, "md5_checked": False,
             "checksums": False, "parts_truncated": False, "if_none_match": "ignore",
             "if_none_match_complete": "ignore"},
    "mock": {"signatures": False, "sha256_checked": False, "chunks_checked": False, "md5_checked": False,
             "checksums": False, "stores_framing": True, "if_none_match": "ignore",
             "if_none_match_complete": "ignore"},
}


class Behaviour:
    def __init__(self, text=""):
        self.__dict__.update(DEFAULTS)
        for word in text.split(",") if text else []:
            name, equals, value = word.partition("=")
            self.set(PROFILES[name] if not equals else {name: parse(value)})

    def set(self, values):
        for name, value in values.items():
            if name not in DEFAULTS:
                raise KeyError(f"no behaviour {name!r}")
            default = DEFAULTS[name]
            if isinstance(default, float):
                value = float(value)
            elif isinstance(default, str):
                value = str(value)
            setattr(self, name, value)


def parse(value):
    try:
        return json.loads(value)
    except ValueError:
        return value

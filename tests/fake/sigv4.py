"""
Verification of AWS Signature Version 4, as its documents describe it for S3.

verify(request, keys, ...) checks the Authorization header or the query of a presigned URL and
returns an Identity, which also verifies the signatures of a body's chunks and of its trailer.
It is strict: host and every x-amz-* header must be signed, times may differ by 900 s at most,
and the scope's region and service must be the server's.
"""

import calendar
import functools
import hashlib
import hmac
import re
import time
from urllib.parse import quote

from s3error import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY = hashlib.sha256(b"").hexdigest()
MAX_SKEW_S = 900
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})")


def encode(data, safe="-_.~"):
    return quote(data, safe=safe)


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


@functools.lru_cache(1024)
def signing_key(secret, date, region, service):
    return mac(mac(mac(mac(b"AWS4" + secret.encode(), date), region), service), "aws4_request")


def canonical_query(pairs, without=()):
    coded = sorted((encode(k.encode("latin-1")), encode(v.encode("latin-1")))
                   for k, v in pairs if k not in without)
    return "&".join(f"{k}={v}" for k, v in coded)


def canonical_request(request, signed, payload_hash, without=()):
    headers = "".join(f"{name}:{' '.join(request.header(name, '').split())}\n" for name in signed)
    return "\n".join([request.method, encode(request.path, "-_.~/") or "/",
                      canonical_query(request.query, without), headers, ";".join(signed), payload_hash])


class Identity:
    """Who asks.  key, scope, date and seed go on to the signatures of chunks."""

    def __init__(self, user, region=None):
        self.user, self.region = user, region
        self.payload_hash = "UNSIGNED-PAYLOAD"
        self.key = self.scope = self.date = self.previous = None

    def check_chunk(self, digest_hex, signature):
        text = "\n".join([ALGORITHM + "-PAYLOAD", self.date, self.scope, self.previous, EMPTY, digest_hex])
        self.advance(text, signature)

    def check_trailer(self, text, signature):
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.advance("\n".join([ALGORITHM + "-TRAILER", self.date, self.scope, self.previous, digest]),
                     signature)

    def advance(self, text, signature):
        expected = mac(self.key, text).hex()
        if not hmac.compare_digest(expected, signature):
            raise mismatch(text)
        self.previous = expected


def mismatch(string_to_sign, canonical=""):
    extra = {"StringToSign": string_to_sign}
    if canonical:
        extra["CanonicalRequest"] = canonical
    return S3Error("SignatureDoesNotMatch", "The request signature we calculated does not match the "
                   "signature you provided. Check your key and signing method.", extra=extra)


def parse_date(text):
    try:
        return calendar.timegm(time.strptime(text or "", "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None


def split_credential(credential, error):
    words = credential.split("/")
    if len(words) < 5 or words[-1] != "aws4_request":
        raise S3Error(error, "The authorization header is malformed; the Credential is mal-formed")
    return "/".join(words[:-4]), words[-4], words[-3], words[-2]


class Verifier:
    """
    users: function of an access key id and a session token to a user (has `secret`), raising
    S3Error for an unknown or expired one.  region_of: the region that a request must be signed for.
    """

    def __init__(self, users, region_of, now, checks=True):
        self.users, self.region_of, self.now, self.checks = users, region_of, now, checks

    def verify(self, request):
        """None when the request carries no credentials at all."""
        if "authorization" in request.headers:
            return self.by_header(request)
        names = {name for name, _ in request.query}
        if "X-Amz-Signature" in names or "X-Amz-Algorithm" in names:
            return self.by_query(request)
        if "Signature" in names and "AWSAccessKeyId" in names:
            raise S3Error("InvalidRequest", "The authorization mechanism you have provided is not "
                          "supported. Please use AWS4-HMAC-SHA256.")
        return None

    def by_header(self, request):
        value = request.headers["authorization"]
        found = AUTHORIZATION.fullmatch(value)
        if value.startswith("AWS "):
            raise S3Error("InvalidRequest", "The authorization mechanism you have provided is not "
                          "supported. Please use AWS4-HMAC-SHA256.")
        if not found:
            raise S3Error("AuthorizationHeaderMalformed", "The authorization header is malformed")
        credential, signed, signature = found.groups()
        date = request.header("x-amz-date")
        at = parse_date(date)
        payload_hash = request.header("x-amz-content-sha256")
        access_key, day, region, service = split_credential(credential, "AuthorizationHeaderMalformed")
        if payload_hash is None and service == "s3":
            raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        user = self.users(access_key, request.header("x-amz-security-token"))
        self.check_skew(at)
        self.check_scope(request, day, date, region, service)
        identity = Identity(user, region)
        identity.payload_hash = payload_hash or ""
        self.check(identity, request, (signed, signature, date, day, region, service), ())
        return identity

    def by_query(self, request):
        query = dict(request.query)
        need = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
        if query.get("X-Amz-Algorithm") != ALGORITHM or any(n not in query for n in need):
            raise S3Error("AuthorizationQueryParametersError", "Query-string authentication version 4 requires "
                          "the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, "
                          "X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
        date = query["X-Amz-Date"]
        at = parse_date(date)
        access_key, day, region, service = split_credential(
            query["X-Amz-Credential"], "AuthorizationQueryParametersError")
        user = self.users(access_key, query.get("X-Amz-Security-Token"))
        if not query["X-Amz-Expires"].isdigit() or not 0 < int(query["X-Amz-Expires"]) <= 604800:
            raise S3Error("AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800")
        if self.now() > at + int(query["X-Amz-Expires"]):
            raise S3Error("AccessDenied", "Request has expired")
        if at > self.now() + MAX_SKEW_S:
            raise S3Error("AccessDenied", "Request is not valid yet")
        self.check_scope(request, day, date, region, service)
        identity = Identity(user, region)
        identity.payload_hash = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        self.check(identity, request, (query["X-Amz-SignedHeaders"], query["X-Amz-Signature"], date, day,
                                       region, service), ("X-Amz-Signature",))
        return identity

    def check_skew(self, at):
        if self.checks and abs(self.now() - at) > MAX_SKEW_S:
            raise S3Error("RequestTimeTooSkewed", "The difference between the request time and the current "
                          "time is too large.",
                          extra={"ServerTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now())),
                                 "MaxAllowedSkewMilliseconds": MAX_SKEW_S * 1000})

    def check_scope(self, request, day, date, region, service):
        if day != date[:8]:
            raise S3Error("AuthorizationHeaderMalformed", "The authorization header is malformed; Invalid "
                          f"credential date \"{day}\". This date is not the same as X-Amz-Date.")
        if service not in ("s3", "sts"):
            raise S3Error("AuthorizationHeaderMalformed", "The authorization header is malformed; incorrect "
                          f"service \"{service}\". This endpoint belongs to \"s3\".")
        self.region_of(request, region)

    def check(self, identity, request, parts, without):
        signed_text, signature, date, day, region, service = parts
        signed = signed_text.split(";")
        if self.checks:
            check_signed(request, signed)
        payload_hash = identity.payload_hash
        if service == "sts" and not payload_hash:
            payload_hash = request.payload_digest
        canonical = canonical_request(request, signed, payload_hash, without)
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join([ALGORITHM, date, scope, hashlib.sha256(canonical.encode("latin-1")).hexdigest()])
        identity.key = signing_key(identity.user.secret, day, region, service)
        identity.scope, identity.date, identity.previous = scope, date, signature
        if self.checks and not hmac.compare_digest(mac(identity.key, text).hex(), signature):
            raise mismatch(text, canonical)


def check_signed(request, signed):
    if signed != sorted(signed) or "host" not in signed:
        raise S3Error("AuthorizationHeaderMalformed", "SignedHeaders must be sorted and hold host")
    unsigned = [name for name in request.headers
                if (name.startswith("x-amz-") or name == "content-md5") and name not in signed]
    if unsigned:
        raise S3Error("AccessDenied", "There were headers present in the request which were not signed",
                      extra={"HeadersNotSigned": ", ".join(unsigned)})

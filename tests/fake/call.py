"""
One request to S3 in progress: what it asks for (route), who asks, and what operations need of it.

before_commit() stands in every operation between "all is verified" and "now it changes the
state"; a fault that says nothing shall be carried out leaves there.
"""

import time
from xml.sax.saxutils import escape

from s3error import S3Error

READS = {"GetObject", "HeadObject", "ListObjectsV2", "ListObjects", "HeadBucket", "GetBucketLocation",
         "ListParts", "ListMultipartUploads", "ListBuckets", "GetCallerIdentity", "AssumeRole",
         "AssumeRoleWithWebIdentity",
         "GetBucketVersioning"}
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def document(root, inner):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {NAMESPACE}>{inner}</{root}>'.encode(
        "utf-8", "xmlcharrefreplace")


def text(value):
    """Escaped for XML; control characters as references, as AWS writes them."""
    value = escape(str(value), {'"': "&quot;"})
    if any(c < " " for c in value):
        value = "".join(f"&#x{ord(c):x};" if c < " " else c for c in value)
    return value


def tag(name, value):
    return f"<{name}>{text(value)}</{name}>"


def http_date(at):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))


def iso_date(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def operation(method, bucket, key, names, headers):
    """The name of the operation, as in S3's documents; None when there is no such thing."""
    if bucket is None:
        return {"GET": "ListBuckets", "POST": "STS"}.get(method)
    if not key:
        return of_bucket(method, names)
    copies = "x-amz-copy-source" in headers
    if "uploadId" in names:
        return {"PUT": ("UploadPartCopy" if copies else "UploadPart") if "partNumber" in names else None,
                "GET": "ListParts", "POST": "CompleteMultipartUpload",
                "DELETE": "AbortMultipartUpload"}.get(method)
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in names else None
    if names & {"acl", "tagging", "retention", "legal-hold", "torrent", "attributes", "restore"}:
        return None
    return {"PUT": "CopyObject" if copies else "PutObject", "GET": "GetObject", "HEAD": "HeadObject",
            "DELETE": "DeleteObject"}.get(method)


def of_bucket(method, names):
    known = {"location", "uploads", "versioning", "delete", "list-type"}
    special = names & {"acl", "policy", "lifecycle", "cors", "tagging", "website", "logging", "encryption",
                       "object-lock", "replication", "versions", "notification", "publicAccessBlock"}
    if special:
        return None
    if method == "GET":
        for name, op in (("location", "GetBucketLocation"), ("uploads", "ListMultipartUploads"),
                         ("versioning", "GetBucketVersioning"), ("list-type", "ListObjectsV2")):
            if name in names:
                return op
        return "ListObjects"
    if method == "POST":
        return "DeleteObjects" if "delete" in names else None
    if names & known:
        return None
    return {"PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(method)


class Call:
    def __init__(self, server, request, body, entry):
        self.server, self.request, self.body, self.entry = server, request, body, entry
        self.behaviour = server.behaviour
        self.query = dict(request.query)
        self.bucket_name, self.key = server.place(request)
        self.identity, self.fault, self.bucket = None, None, None
        self.spent = False  # the fault has had its effect
        self.started = False  # the answer's head has been sent already
        self.op = operation(request.method, self.bucket_name, self.key, set(self.query), request.headers)

    def header(self, name, default=None):
        return self.request.headers.get(name, default)

    def now(self):
        return self.server.now()

    def number(self, name, default, most=None):
        value = self.query.get(name)
        if value is None or value == "":
            return default
        if not value.isdigit():
            raise S3Error("InvalidArgument", f"Provided {name} not an integer or within integer range",
                          extra={"ArgumentName": name, "ArgumentValue": value})
        return int(value) if most is None else min(int(value), most)

    def user(self):
        return self.identity.user if self.identity else None

    def find_bucket(self):
        """The bucket, if it exists and this user may do this to it."""
        b = self.behaviour
        bucket = self.server.buckets.get(self.bucket_name)
        if bucket is None:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist",
                          extra={"BucketName": self.bucket_name})
        user = self.user()
        reads = self.op in READS
        if user is None:
            allowed = reads and bucket.name in b.public_buckets
        else:
            allowed = (user.account == bucket.owner or (reads and bucket.name in b.public_buckets)) \
                and self.op not in user.deny and not (user.read_only and not reads)
        if (not allowed or bucket.name in b.denied_buckets
                or (bucket.name in b.read_only_buckets and not reads)):
            raise S3Error("AccessDenied", "Access Denied")
        self.check_payer(bucket)
        expected = self.header("x-amz-expected-bucket-owner")
        if expected is not None and expected != bucket.owner:
            raise S3Error("AccessDenied", "Access Denied")
        self.bucket = bucket
        return bucket

    def check_payer(self, bucket):
        """Of the bucket of the request, or of what is copied."""
        user = self.user()
        pays = user is not None and self.header("x-amz-request-payer") == "requester"
        if (bucket.name in self.behaviour.requester_pays_buckets and not pays
                and (user is None or user.account != bucket.owner)):
            raise S3Error("AccessDenied", "Access Denied")

    def check_quota(self, more):
        quota = self.behaviour.quota_bytes
        if quota and self.bucket.used() + more > quota:
            raise S3Error("QuotaExceeded", "The bucket's quota is exceeded")

    async def before_commit(self):
        await self.server.hold_or_leave(self)
        self.entry["done"], self.entry["committed"] = True, time.time()

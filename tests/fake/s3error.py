"""The errors of S3: code, HTTP status, message; and how they look on the wire."""

from xml.sax.saxutils import escape

STATUS = {
    "AccessDenied": 403, "AccountProblem": 403, "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400, "BadDigest": 400, "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409, "BucketNotEmpty": 409, "ConditionalRequestConflict": 409,
    "EntityTooLarge": 400, "EntityTooSmall": 400, "ExpiredToken": 400,
    "IllegalLocationConstraintException": 400, "IncompleteBody": 400, "InternalError": 500,
    "InvalidAccessKeyId": 403, "InvalidArgument": 400, "InvalidBucketName": 400,
    "InvalidChunkSizeError": 403, "InvalidDigest": 400, "InvalidPart": 400, "InvalidPartOrder": 400,
    "InvalidRange": 416, "InvalidRequest": 400, "InvalidToken": 400, "InvalidURI": 400,
    "KeyTooLongError": 400, "MalformedTrailerError": 400, "MalformedXML": 400,
    "MetadataTooLarge": 400, "MethodNotAllowed": 405, "MissingContentLength": 411,
    "MissingRequestBodyError": 400, "NoSuchBucket": 404, "NoSuchKey": 404, "NoSuchUpload": 404, "NoSuchVersion": 404,
    "NotImplemented": 501, "OperationAborted": 409, "PermanentRedirect": 301,
    "PreconditionFailed": 412, "QuotaExceeded": 403, "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400, "ServiceUnavailable": 503, "SignatureDoesNotMatch": 403,
    "SlowDown": 503, "TemporaryRedirect": 307, "TooManyRequests": 429,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """extra: more elements of the error document; headers: more headers of the answer."""

    def __init__(self, code, message="", status=None, extra=None, headers=None):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message or code
        self.status = status or STATUS.get(code, 400)
        self.extra, self.headers = extra or {}, headers or {}

    def sts_document(self):
        return ('<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
                f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
                "<RequestId>fake</RequestId></ErrorResponse>").encode()

    def document(self, resource, request_id, with_message=True):
        more = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in self.extra.items())
        message = escape(self.message) if with_message else ""
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(self.code)}</Code>'
                f"<Message>{message}</Message>{more}<Resource>{escape(resource)}</Resource>"
                f"<RequestId>{request_id}</RequestId><HostId>fake</HostId></Error>").encode()

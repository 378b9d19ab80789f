"""
Services that hand out keys, for tests, as strict as their documents: the instance metadata service
(version 2), the endpoint beside a container, and the portal of IAM Identity Center.  Each runs in
threads of the test and tells in `log` what it was asked: (method, path, status).

What they give comes from mint(): a dictionary with access_key, secret, token and expires (seconds
since the epoch).
"""

import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


class Refused(Exception):
    def __init__(self, status, body="", headers=()):
        self.status, self.body, self.headers = status, body, dict(headers)


class KeyService(ThreadingHTTPServer):
    """Listens where the thread that makes it is (netns.inside)."""

    daemon_threads, takes_body = True, False

    def __init__(self, mint, address=("127.0.0.1", 0)):
        super().__init__(address, Handler)
        self.mint, self.log, self.trouble = mint, [], []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self):
        return [(method, path) for method, path, _ in self.log]

    def stop(self):
        self.shutdown()
        self.server_close()

    def answer(self, method, path, query, headers):
        raise NotImplementedError


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, reply, kind, more = 200, "", "text/plain", {}
        try:
            if self.server.trouble:  # statuses to answer with first, one a request
                raise Refused(self.server.trouble.pop(0))
            if body and not self.server.takes_body:
                raise Refused(400, "no body is expected")
            self.server.body = body
            reply = self.server.answer(self.command, parts.path, parse_qs(parts.query, keep_blank_values=True),
                                       self.headers)
            if not isinstance(reply, str):
                reply, kind = json.dumps(reply), "application/json"
        except Refused as e:
            status, reply, more = e.status, e.body, e.headers
        self.server.log.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(reply.encode()), **more}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(reply.encode())

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve

    def log_message(self, *_):
        pass


def document(keys, **more):
    return {**more, "AccessKeyId": keys["access_key"], "SecretAccessKey": keys["secret"], "Token": keys["token"],
            "Expiration": iso(keys["expires"])}


class Instance(KeyService):
    """Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata"."""

    TOP = "/latest/meta-data/iam/security-credentials/"

    def __init__(self, mint, role="instance-role", **more):
        self.role, self.tokens, self.code = role, {}, "Success"
        super().__init__(mint, **more)

    def answer(self, method, path, query, headers):
        if path == "/latest/api/token":
            return self.token(method, headers)
        if method != "GET":
            raise Refused(405)
        if self.tokens.get(headers.get("X-aws-ec2-metadata-token", ""), 0) < time.time():
            raise Refused(401)  # also for version 1, which has no token
        if self.role is None or not path.startswith(self.TOP):
            raise Refused(404)
        name = path[len(self.TOP):]
        if name == "":
            return self.role
        if name != self.role:
            raise Refused(404)
        if self.code != "Success":
            return {"Code": self.code, "Message": "of the test", "LastUpdated": iso(time.time())}
        return document(self.mint(), Code="Success", Type="AWS-HMAC", LastUpdated=iso(time.time()))

    def token(self, method, headers):
        if method != "PUT":
            raise Refused(405)
        if "X-Forwarded-For" in headers:
            raise Refused(403)
        life = headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not life.isdigit() or not 1 <= int(life) <= 21600:
            raise Refused(400)
        token = secrets.token_urlsafe(40)
        self.tokens[token] = time.time() + int(life)
        return token


class Container(KeyService):
    """Amazon ECS Developer Guide, "Task IAM role"; AWS SDKs Reference Guide, "Container credential provider"."""

    def __init__(self, mint, path="/v2/credentials/of-the-test", authorization=None, **more):
        self.path, self.authorization = path, authorization
        super().__init__(mint, **more)

    @property
    def full_uri(self):
        return self.url + self.path

    def answer(self, method, path, query, headers):
        if method != "GET":
            raise Refused(405)
        if path != self.path:
            raise Refused(404, json.dumps({"code": "InvalidIdInRequest", "message": "no such task"}))
        if headers.get("Authorization") != self.authorization:
            raise Refused(401, json.dumps({"code": "AccessDenied", "message": "the token is wrong"}))
        return document(self.mint(), RoleArn="arn:aws:iam::000000000001:role/task")


class SsoPortal(KeyService):
    """AWS IAM Identity Center Portal API Reference, GetRoleCredentials."""

    def __init__(self, mint, token="sso-token-of-the-test", account="000000000001", role="sso-role", **more):
        self.token, self.account, self.role = token, account, role
        super().__init__(mint, **more)

    def answer(self, method, path, query, headers):
        if (method, path) != ("GET", "/federation/credentials"):
            raise Refused(404)
        if "Authorization" in headers or set(query) != {"role_name", "account_id"}:
            raise refused(400, "InvalidRequestException")
        if headers.get("x-amz-sso_bearer_token") != self.token:
            raise refused(401, "UnauthorizedException")
        if (query["account_id"], query["role_name"]) != ([self.account], [self.role]):
            raise refused(403, "ForbiddenException")
        keys = self.mint()
        return {"roleCredentials": {"accessKeyId": keys["access_key"], "secretAccessKey": keys["secret"],
                                    "sessionToken": keys["token"], "expiration": int(keys["expires"] * 1000)}}


class SsoOidc(KeyService):
    """IAM Identity Center OIDC API Reference, CreateToken: a refresh token is good once."""

    takes_body = True

    def __init__(self, portal, client_id="client-of-the-test", client_secret="client-secret", **more):
        self.portal, self.client, self.refresh_token, self.n = portal, (client_id, client_secret), "refresh-0", 0
        super().__init__(None, **more)

    def answer(self, method, path, query, headers):
        if (method, path) != ("POST", "/token"):
            raise Refused(404)
        if not headers.get("Content-Type", "").startswith(("application/json", "application/x-amz-json-1.1")):
            raise Refused(415)
        form = json.loads(self.body)
        if form.get("grantType") != "refresh_token":
            raise refused(400, "UnsupportedGrantTypeException")
        if (form["clientId"], form["clientSecret"]) != self.client:
            raise refused(401, "InvalidClientException")
        if form["refreshToken"] != self.refresh_token:
            raise refused(400, "InvalidGrantException")
        self.n += 1
        self.refresh_token, self.portal.token = f"refresh-{self.n}", f"fresh-token-{self.n}"
        return {"accessToken": self.portal.token, "expiresIn": 3600, "refreshToken": self.refresh_token,
                "tokenType": "Bearer"}


def refused(status, kind):
    return Refused(status, json.dumps({"message": "of the test"}),
                   {"x-amzn-ErrorType": kind, "Content-Type": "application/json"})

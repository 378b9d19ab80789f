"""STS on the same port: GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity; and the users that there are."""

import re
import secrets
import time
from urllib.parse import parse_qsl

from call import tag
from s3error import S3Error
from wire import Answer

NAMESPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


class User:
    def __init__(self, access_key, secret, account, token=None, expires=None, deny=(), read_only=False):
        self.access_key, self.secret, self.account = access_key, secret, account
        self.token, self.expires, self.uses = token, expires, 0
        self.deny, self.read_only = set(deny), read_only
        self.arn = f"arn:aws:iam::{account}:user/{access_key}"


class Users:
    def __init__(self, now, behaviour):
        self.now, self.behaviour, self.known = now, behaviour, {}

    def add(self, user):
        self.known[user.access_key] = user

    def find(self, access_key, token):
        user = self.known.get(access_key)
        if user is None or (user.token is not None and token is None):
            raise S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our "
                          "records.", extra={"AWSAccessKeyId": access_key})
        if token != user.token:
            raise S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.")
        user.uses += 1
        worn = user.token is not None and 0 < self.behaviour.expire_after < user.uses
        if worn or (user.expires is not None and self.now() >= user.expires):
            raise S3Error("ExpiredToken", "The provided token has expired.")
        return user


def answer(action, inner):
    text = (f'<{action}Response {NAMESPACE}><{action}Result>{inner}</{action}Result><ResponseMetadata>'
            f"<RequestId>fake</RequestId></ResponseMetadata></{action}Response>")
    return Answer(body=text.encode(), headers={"Content-Type": "text/xml"})


async def sts(call):
    form = dict(parse_qsl(call.form.decode("utf-8", "replace")))
    user = call.user()
    action = form.get("Action")
    if form.get("Version") != "2011-06-15":
        raise S3Error("InvalidAction", f"Could not find operation {action} for version {form.get('Version')}",
                      status=400)
    if action == "AssumeRoleWithWebIdentity":
        call.entry["op"] = action
        return assume_role_with_web_identity(call, form)
    if user is None:
        raise S3Error("MissingAuthenticationToken", "Request is missing Authentication Token", status=403)
    if action == "GetCallerIdentity":
        call.entry["op"] = action
        return answer(action, tag("Arn", user.arn) + tag("UserId", user.access_key) + tag("Account", user.account))
    if action == "AssumeRole":
        call.entry["op"] = action
        return assume_role(call, form, user)
    raise S3Error("InvalidAction", f"Could not find operation {action}", status=400)


PATTERNS = {"RoleArn": r"arn:[\w-]+:iam::\d*:role/[\w+=,.@/-]{1,512}", "RoleSessionName": r"[\w+=,.@-]{2,64}",
            "ExternalId": r"[\w+=,.@:/-]{2,1224}", "WebIdentityToken": r"[\s\S]{4,20000}"}


def check_form(form, *required):
    """As the STS API Reference has the parameters."""
    for name in required:
        if name not in form:
            raise S3Error("ValidationError", f"Value null at '{name}' failed to satisfy constraint: Member must not "
                          "be null", status=400)
    for name, pattern in PATTERNS.items():
        if name in form and not re.fullmatch(pattern, form[name]):
            raise S3Error("ValidationError", f"Value at '{name}' failed to satisfy constraint: Member must satisfy "
                          f"regular expression pattern: {pattern}", status=400)


def assume_role_with_web_identity(call, form):
    if call.header("authorization"):
        raise S3Error("ValidationError", "This operation takes no signature", status=400)
    check_form(form, "RoleArn", "RoleSessionName", "WebIdentityToken")
    if "ExternalId" in form:
        raise S3Error("ValidationError", "ExternalId is no parameter of this operation", status=400)
    if form["WebIdentityToken"] == "expired-token":
        raise S3Error("ExpiredTokenException", "Token expired", status=400)
    if form["WebIdentityToken"] != call.behaviour.web_identity:
        raise S3Error("InvalidIdentityToken", "No OpenIDConnect provider found in your account", status=400)
    account = form["RoleArn"].split(":")[4]
    return give_role(call, form, User("", "", account), 43200)


def assume_role(call, form, user):
    check_form(form, "RoleArn", "RoleSessionName")
    return give_role(call, form, user, 3600 if user.token else 43200)  # a chained role lives for an hour at most


def give_role(call, form, user, most):
    duration = form.get("DurationSeconds", "3600")
    if not duration.isdigit() or not 900 <= int(duration) <= most:
        raise S3Error("ValidationError", f"DurationSeconds must be between 900 and {most}", status=400)
    wanted = call.behaviour.external_id if form["Action"] == "AssumeRole" else ""
    if "AssumeRole" in user.deny or (wanted and form.get("ExternalId") != wanted):
        raise S3Error("AccessDenied", f"User: {user.arn} is not authorized to perform: sts:AssumeRole on "
                      f"resource: {form['RoleArn']}", status=403)
    made = User("ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), user.account,
                token=secrets.token_urlsafe(60), deny=user.deny if call.behaviour.role_inherits else (),
                expires=call.now() + (call.behaviour.role_life_s or int(duration)) + call.behaviour.role_grace_s)
    made.arn = form["RoleArn"].replace(":role/", ":assumed-role/") + "/" + form["RoleSessionName"]
    call.server.users.add(made)
    keys = (tag("AccessKeyId", made.access_key) + tag("SecretAccessKey", made.secret)
            + tag("SessionToken", made.token)
            + tag("Expiration", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made.expires - call.behaviour.role_grace_s))))
    who = tag("AssumedRoleId", made.access_key + ":" + form["RoleSessionName"]) + tag("Arn", made.arn)
    return answer(form["Action"], f"<Credentials>{keys}</Credentials><AssumedRoleUser>{who}</AssumedRoleUser>")

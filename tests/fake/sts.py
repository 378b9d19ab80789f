"""STS on the same port: GetCallerIdentity and AssumeRole; and the users that there are."""

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
    if user is None:
        raise S3Error("AccessDenied", "Request is missing Authentication Token")
    action = form.get("Action")
    if action == "GetCallerIdentity":
        call.entry["op"] = action
        return answer(action, tag("Arn", user.arn) + tag("UserId", user.access_key) + tag("Account", user.account))
    if action == "AssumeRole":
        call.entry["op"] = action
        return assume_role(call, form, user)
    raise S3Error("InvalidAction", f"Could not find operation {action}", status=400)


def assume_role(call, form, user):
    if "RoleArn" not in form or "RoleSessionName" not in form:
        raise S3Error("ValidationError", "RoleArn and RoleSessionName are required", status=400)
    duration = form.get("DurationSeconds", "3600")
    most = 3600 if user.token else 43200  # a chained role lives for an hour at most
    if not duration.isdigit() or not 900 <= int(duration) <= most:
        raise S3Error("ValidationError", f"DurationSeconds must be between 900 and {most}", status=400)
    wanted = call.behaviour.external_id
    if "AssumeRole" in user.deny or (wanted and form.get("ExternalId") != wanted):
        raise S3Error("AccessDenied", f"User: {user.arn} is not authorized to perform: sts:AssumeRole on "
                      f"resource: {form['RoleArn']}", status=403)
    made = User("ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), user.account,
                token=secrets.token_urlsafe(60), expires=call.now() + int(duration), deny=user.deny)
    made.arn = form["RoleArn"].replace(":role/", ":assumed-role/") + "/" + form["RoleSessionName"]
    call.server.users.add(made)
    keys = (tag("AccessKeyId", made.access_key) + tag("SecretAccessKey", made.secret)
            + tag("SessionToken", made.token)
            + tag("Expiration", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made.expires))))
    who = tag("AssumedRoleId", made.access_key + ":" + form["RoleSessionName"]) + tag("Arn", made.arn)
    return answer("AssumeRole", f"<Credentials>{keys}</Credentials><AssumedRoleUser>{who}</AssumedRoleUser>")

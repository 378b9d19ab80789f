"""
Environments in which keys come from somewhere, for tests of the credential chain; and what botocore makes of
the same environment.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from unittest import mock

import boto3
import botocore.credentials
import botocore.session
import botocore.tokens

from gridtest import write

sys.path.append(str(Path(__file__).resolve().parents[1] / "fake"))

from key_services import Container, Instance, SsoOidc, SsoPortal, iso  # noqa: E402

TOKEN, SSO_TOKEN = "web-identity-token-of-the-test", "sso-token-of-the-test"
ACCOUNT = "000000000001"


def boto_key(env, profile=None):
    """The access key id that botocore finds in such an environment, None, or {"error": ...}."""
    cache = os.path.join(env["HOME"], ".aws/sso/cache")
    make = botocore.session.Session.create_client

    def create_client(self, service, **more):  # of this age it knows no AWS_ENDPOINT_URL_...
        return make(self, service, **{"endpoint_url": env.get("AWS_ENDPOINT_URL_" + service.upper().replace("-", "_")), **more})

    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1", **env}, clear=True), \
            mock.patch.object(botocore.session.Session, "create_client", create_client), \
            mock.patch.object(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", cache), \
            mock.patch.object(botocore.tokens.SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", cache):
        try:
            keys = boto3.Session(profile_name=profile).get_credentials()
            return keys and keys.get_frozen_credentials().access_key
        except Exception as e:
            return {"error": f"{type(e).__name__}: {e}"}


class Keys:
    """A grid, a fake server that knows all its keys, and services beside them."""

    def __init__(self, grid, server):
        self.grid, self.server, self.services = grid, server, []
        grid.env.pop("AWS_ACCESS_KEY_ID", None)
        grid.env.pop("AWS_SECRET_ACCESS_KEY", None)
        grid.env["AWS_ENDPOINT_URL_STS"] = server.endpoint
        grid.env["AWS_EC2_METADATA_DISABLED"] = "true"
        server.options(web_identity=TOKEN)
        self.minted, self.config, self.credentials = 0, {}, {}

    def stop(self):
        for service in self.services:
            service.stop()

    # ---- keys that the server knows

    def static(self, access_key):
        return self.server.user(access_key)

    def mint(self, name, life_s=3600, grace_s=0):
        """
        A function that makes temporary keys, always of one id unless their life is short; in truth they live
        grace_s longer than is told.
        """
        def made():
            self.minted += 1
            number = f"{self.minted:04}" if life_s < 900 else "0000"
            key, token = f"ASIA{name.upper():0<12}{number}", f"token-{name}-{number}"
            expires = int(time.time() + life_s)
            self.server.user(key, token=token, expires_in_s=life_s + grace_s)
            return {"access_key": key, "secret": self.server.secret, "token": token, "expires": expires}
        return made

    # ---- the files of the AWS tools

    def section(self, section, **values):
        self.config.setdefault(section, {}).update(values)
        self.save()

    def shared(self, section, **values):
        self.credentials.setdefault(section, {}).update(values)
        self.save()

    def save(self):
        for name, sections in (("config", self.config), ("credentials", self.credentials)):
            lines = [f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) for s, values in sections.items()]
            write(self.grid.home, f".aws/{name}", "\n".join(lines))

    # ---- one provider each; in the default profile

    def environment(self):
        key, secret = self.static("AKIAENVIRONMENT00001")
        self.grid.env.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)

    def role(self, profile="default", source="base", **more):
        key, secret = self.static("AKIABASE000000000001")
        self.shared("base", aws_access_key_id=key, aws_secret_access_key=secret)
        self.section(profile, role_arn=f"arn:aws:iam::{ACCOUNT}:role/of-profile", source_profile=source, **more)

    def web_identity(self):
        write(self.grid.home, "token", TOKEN)
        self.grid.env.update(AWS_WEB_IDENTITY_TOKEN_FILE=str(self.grid.home / "token"),
                             AWS_ROLE_ARN=f"arn:aws:iam::{ACCOUNT}:role/of-web")

    def web_identity_of_profile(self, profile="default"):
        write(self.grid.home, "token", TOKEN)
        self.section(profile, web_identity_token_file=self.grid.home / "token",
                     role_arn=f"arn:aws:iam::{ACCOUNT}:role/of-web-profile")

    def portal(self, **more):
        portal = SsoPortal(self.mint("sso"), token=SSO_TOKEN, **more)
        self.services.append(portal)
        self.grid.env["AWS_ENDPOINT_URL_SSO"] = portal.url
        return portal

    def sso_token(self, name, life_s=3600, **more):
        file = hashlib.sha1(name.encode()).hexdigest()
        write(self.grid.home, f".aws/sso/cache/{file}.json",
              json.dumps({"accessToken": SSO_TOKEN, "expiresAt": iso(time.time() + life_s), "region": "us-east-1", **more}))

    def sso(self, profile="default"):
        self.portal()
        self.sso_token("https://portal.test/start")
        self.section(profile, sso_start_url="https://portal.test/start", sso_region="us-east-1",
                     sso_account_id=ACCOUNT, sso_role_name="sso-role")

    def sso_session(self, profile="default", life_s=3600):
        portal = self.portal()
        self.sso_token("my-session", life_s)
        self.section("sso-session my-session", sso_start_url="https://portal.test/start", sso_region="us-east-1")
        self.section(profile, sso_session="my-session", sso_account_id=ACCOUNT, sso_role_name="sso-role")
        return portal

    def credentials_file(self):
        key, secret = self.static("AKIASHARED0000000001")
        self.shared("default", aws_access_key_id=key, aws_secret_access_key=secret)

    def program(self, name="process", **document):
        """A credential_process that prints this; with the keys of a user that the server knows."""
        key, secret = self.static("AKIAPROCESS000000001")
        document = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret, **document}
        file = write(self.grid.home, f"{name} of the test", f"#!/bin/sh\necho '{json.dumps(document)}'\n", 0o755).decode()
        return f'"{file}" --an "argument of two words"'

    def process(self, profile="default", **document):
        self.section(profile, credential_process=self.program(**document))

    def config_file(self):
        key, secret = self.static("AKIACONFIG0000000001")
        self.section("default", aws_access_key_id=key, aws_secret_access_key=secret)

    def container(self, life_s=3600, grace_s=0, **more):
        service = Container(self.mint("container", life_s, grace_s), **more)
        self.services.append(service)
        self.grid.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = service.full_uri
        return service

    def instance(self, life_s=3600, grace_s=0, **more):
        service = Instance(self.mint("instance", life_s, grace_s), **more)
        self.services.append(service)
        self.grid.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = service.url
        self.grid.env.pop("AWS_EC2_METADATA_DISABLED")
        return service

    def sso_renewable(self, life_s=-5, registered_s=3600, profile="default"):
        """A session whose token can be renewed."""
        portal = self.sso_session(profile)
        oidc = SsoOidc(portal)
        self.services.append(oidc)
        self.grid.env["AWS_ENDPOINT_URL_SSO_OIDC"] = oidc.url
        self.sso_token("my-session", life_s, clientId="client-of-the-test", clientSecret="client-secret",
                       refreshToken="refresh-0", registrationExpiresAt=iso(time.time() + registered_s),
                       startUrl="https://portal.test/start")
        return portal, oidc

    # ---- who won

    def user(self, **more):
        return json.loads(self.grid("user", "--json", code=0, **more).out)

    def whose(self, key):
        """The role's name for an assumed role, else the key itself."""
        arn = json.loads(self.server.control("GET", "users")).get(key, key) if isinstance(key, str) else key
        return arn.split("/")[1] if isinstance(arn, str) and ":assumed-role/" in arn else key

    def boto(self, profile=None):
        return self.whose(boto_key({k: v for k, v in self.grid.env.items() if not k.startswith("ASAN")}, profile))

    def both(self):
        """(what grid found, by which provider), having seen that botocore finds the same."""
        mine = self.user()
        found = self.whose(mine["access_key"])
        assert found == self.boto(), mine
        return found, mine["provider"]

"""
Each of the services that hand out keys: what it is asked, what its refusals and its silence are made of, and
that nothing secret is told.
"""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from gridtest import write
from keys import ACCOUNT, SSO_TOKEN, TOKEN, Container, Instance
from s3servers import fake  # noqa: F401
from test_credential_chain import keys  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

sys.path.append(str(Path(__file__).resolve().parents[1] / "servers"))

import netns  # noqa: E402

pytestmark = [needs_s3, pytest.mark.fast]


def refused(grid, *texts, code=77, **more):
    result = grid("datastore", code=code, **more)
    for text in texts:
        assert text in result.err, result
    return result


# ---- instance metadata

TOKEN_PATH, TOP = "/latest/api/token", "/latest/meta-data/iam/security-credentials/"


def test_what_an_instance_is_asked(keys, grid):  # noqa: F811
    instance = keys.instance(role="a role/of ours")
    keys.user()
    assert instance.log == [("PUT", TOKEN_PATH, 200), ("GET", TOP, 200), ("GET", TOP + "a%20role%2Fof%20ours", 404)]
    instance.log.clear()
    instance.role = "role-of-ours"
    assert keys.user()["provider"] == "instance"
    assert instance.log == [("PUT", TOKEN_PATH, 200), ("GET", TOP, 200), ("GET", TOP + "role-of-ours", 200)]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_what_is_no_instance(keys, grid, status):  # noqa: F811
    """Version 1, which needs no token, is not asked."""
    instance = keys.instance()
    instance.trouble = [status]
    refused(grid, "no credentials", "the instance metadata service")
    assert instance.asked() == [("PUT", TOKEN_PATH)]


def test_an_instance_without_a_role(keys, grid):  # noqa: F811
    keys.instance(role=None)
    refused(grid, "no credentials", "the instance metadata service")


def test_an_instance_whose_role_cannot_be_had(keys, grid):  # noqa: F811
    instance = keys.instance()
    instance.code = "AssumeRoleUnauthorizedAccess"
    refused(grid, "instance metadata: it says AssumeRoleUnauthorizedAccess")


def test_an_instance_in_trouble_is_asked_again(keys, grid):  # noqa: F811
    instance = keys.instance()
    instance.trouble = [503]
    assert keys.user()["provider"] == "instance"
    assert [status for _, _, status in instance.log] == [503, 200, 200, 200]


def test_a_machine_that_is_no_instance_is_not_waited_for(keys, grid):  # noqa: F811
    """Connections are taken and nothing is said: two tries of a second; the limit is generous for slow machines."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        grid.env.pop("AWS_EC2_METADATA_DISABLED")
        grid.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        result = refused(grid, "no credentials")
        silent.setblocking(False)
        made = 0
        while True:
            try:
                silent.accept()[0].close()
                made += 1
            except BlockingIOError:
                break
    assert made == 2 and result.seconds < 10


def test_services_beside_us_are_not_asked_through_a_proxy(keys, grid):  # noqa: F811
    keys.instance()
    grid.env.update(http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1")
    assert keys.user()["provider"] == "instance"
    keys.container()
    assert keys.user()["provider"] == "container"


def test_many_clusters_without_keys_look_for_an_instance_once(keys, grid):  # noqa: F811
    instance = keys.instance(role=None)
    clusters = {f"lab{i}": {"store": f"s3://bucket{i}"} for i in range(4)}
    write(grid.home, "config/grid/config.json", json.dumps({"format": 1, "clusters": clusters}))
    grid("cluster", code=0)
    assert instance.asked() == [("PUT", TOKEN_PATH), ("GET", TOP)]


# ---- the container's endpoint


def test_what_a_container_is_asked(keys, grid):  # noqa: F811
    container = keys.container(authorization="Basic secret-of-the-task")
    assert "status 401" in refused(grid, container.full_uri).err
    grid.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic secret-of-the-task"
    assert keys.user()["provider"] == "container"
    assert container.asked() == [("GET", container.path)] * 2


def test_the_authorization_in_a_file(keys, grid):  # noqa: F811
    """It outranks the variable, and is read anew each time."""
    container = keys.container(authorization="first")
    file = write(grid.home, "authorization", "first\n").decode()
    grid.env.update(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file, AWS_CONTAINER_AUTHORIZATION_TOKEN="other")
    assert keys.user()["provider"] == "container"
    container.authorization = "second"
    write(grid.home, "authorization", "second")
    assert keys.user()["provider"] == "container"
    write(grid.home, "authorization", "two\nlines")
    refused(grid, "more than one line")
    grid.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/no/such/file"
    refused(grid, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: /no/such/file: No such file")


@pytest.fixture
def aws_network():
    """A network namespace that has the addresses of AWS's services on its loopback."""
    try:
        netns.must_be_possible()
    except netns.CannotRun as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    name = f"grid-keys-{os.getpid()}"
    netns.create(name)
    for address in ("169.254.170.2/32", "169.254.169.254/32"):
        netns.ip("addr", "add", address, "dev", "lo", inside=name)
    yield name
    netns.delete(name)


def test_where_aws_has_them(aws_network, grid):
    """The addresses that are meant where no variable says another."""
    def mint():
        return {"access_key": "ASIA1", "secret": "s", "token": "t", "expires": time.time() + 3600}
    with netns.inside(aws_network):
        services = [Container(mint, address=("169.254.170.2", 80)), Instance(mint, address=("169.254.169.254", 80))]
    del grid.env["AWS_EC2_METADATA_DISABLED"]
    grid.env.update(GRID_STORE="s3://bucket", PATH=os.environ["PATH"])
    grid.prefix = ["ip", "netns", "exec", aws_network]
    assert json.loads(grid("user", "--json", code=0).out)["provider"] == "instance"
    grid.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = services[0].path
    grid.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:1/not-this"
    assert json.loads(grid("user", "--json", code=0).out)["provider"] == "container"
    assert services[0].asked() == [("GET", services[0].path)]
    for service in services:
        service.stop()


@pytest.mark.parametrize("uri", ["http://example.com/x", "http://10.0.0.1/x", "http://169.254.169.254/x", "ftp://127.0.0.1/x",
                                 "http://127.0.0.1.example.com/x", "http://localhost@example.com/x", "http://[::2]/x",
                                 "/relative"])
def test_keys_are_not_fetched_from_anywhere(keys, grid, uri):  # noqa: F811
    grid.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri
    refused(grid, "keys are fetched only over https, or from this machine", uri)


@pytest.mark.parametrize("uri", ["http://localhost:1/x", "http://127.0.0.2:1/x", "http://[::1]:1/x", "https://127.0.0.1:1/x"])
def test_where_keys_may_be_fetched_from(keys, grid, uri):  # noqa: F811
    """Nobody is there: which is waited out, and then told."""
    grid.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri
    refused(grid, "the container's endpoint for keys", uri, code=75)


def test_what_is_no_document(keys, grid, monkeypatch):  # noqa: F811
    container = keys.container()
    secret = "secret-that-is-never-told"
    for answer, message in (({"AccessKeyId": "A", "Token": secret}, "no keys in it"), ("<html>" + secret, "is no JSON"),
                            ({"AccessKeyId": "A", "SecretAccessKey": secret, "Expiration": "soon"}, "is no time"),
                            ({"Code": "Nope", "SecretAccessKey": secret}, "it says Nope")):
        monkeypatch.setattr(container, "answer", lambda *_, a=answer: a)
        assert secret not in refused(grid, message).text


# ---- a program


def test_what_a_program_is_given(keys, grid):  # noqa: F811
    """Its words, as a shell would take them apart, but no shell."""
    file = write(grid.home, "program", "#!/bin/sh\nfor word; do printf '<%s>' \"$word\" >&2; done\nexit 1\n", 0o755).decode()
    keys.section("default", credential_process=f"""{file} a "b c" 'd $HOME' e\\ f "g\\"h" '' $HOME;ls""")
    refused(grid, 'failed with exit code 1: <a><b c><d $HOME><e f><g"h><><$HOME;ls>')


@pytest.mark.parametrize("script, message", [
    ("exit 7", "exit code 7"),
    ("echo one >&2; echo 'two: why' >&2; exit 1", "exit code 1: two: why"),
    ("kill -9 $$", "signal 9"),
    ("true", "is no JSON"),
    ("echo '{}'", '"Version" in what it prints is not 1'),
    ("""echo '{"Version": 2, "AccessKeyId": "a", "SecretAccessKey": "never-told"}'""", "is not 1"),
    ("""echo '{"Version": 1, "SecretAccessKey": "never-told"}'""", "no keys in it"),
    ("""echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "never-told", "Expiration": "x"}'""", "is no time"),
    ("head -c 100000 /dev/zero", "more than any keys are long"),
])
def test_a_program_that_gives_none(keys, grid, script, message):  # noqa: F811
    file = write(grid.home, "program", f"#!/bin/sh\n{script}\n", 0o755).decode()
    keys.section("default", credential_process=file)
    assert "never-told" not in refused(grid, "credential_process of profile default: ", message).text


def test_a_program_that_is_not_there(keys, grid):  # noqa: F811
    keys.section("default", credential_process="/no/such/program --x")
    refused(grid, "/no/such/program: no such file or directory")
    keys.section("default", credential_process="program 'of an open quote")
    refused(grid, "its quotes do not match")


def test_a_program_that_hangs_does_not_hold_up_an_interruption(keys, grid, tree):  # noqa: F811
    write(tree, "a", "a")
    begun = grid.home / "begun"
    file = write(grid.home, "program", f"#!/bin/sh\ntouch {begun}\nexec sleep 1000\n", 0o755).decode()
    keys.section("default", credential_process=file)
    running = grid.start("datastore", "create", tree)
    running.until(begun.exists, "the program runs")
    running.send(signal.SIGINT)
    result = running.wait(20)
    assert result.code == 130 and "left at once" not in result.err, result


def test_keys_of_a_program_that_are_temporary(keys, grid, tree):  # noqa: F811
    write(tree, "a", "a")
    key, secret = keys.server.user("ASIAPROGRAM000000001", token="token-of-a-program")
    keys.process(AccessKeyId=key, SessionToken="token-of-a-program", Expiration="2040-01-01T00:00:00+01:00")
    grid.create(tree)
    assert keys.user()["expires_at"] == "2039-12-31T23:00:00.000Z"


# ---- SSO


def test_what_the_portal_is_asked(keys, grid):  # noqa: F811
    portal = keys.sso_session()
    assert keys.both() == ("ASIASSO0000000000000", "sso")
    assert portal.asked()[0] == ("GET", f"/federation/credentials?role_name=sso-role&account_id={ACCOUNT}")


@pytest.mark.parametrize("spoil", ["old", "gone", "damaged", "revoked"])
def test_a_login_that_is_over(keys, grid, spoil):  # noqa: F811
    portal = keys.sso_session("profile work", life_s=-5 if spoil == "old" else 3600)
    grid.env["AWS_PROFILE"] = "work"
    file = next((grid.home / ".aws/sso/cache").iterdir())
    if spoil == "gone":
        file.unlink()
    if spoil == "damaged":
        file.write_text('{"accessToken": ')
    if spoil == "revoked":
        portal.token = "another"
    result = refused(grid, "log in: aws sso login --profile work", code=75)
    assert SSO_TOKEN not in result.text
    assert len(portal.log) == (spoil == "revoked")


def cached(grid):
    file = next((grid.home / ".aws/sso/cache").iterdir())
    assert file.stat().st_mode & 0o077 == 0
    return json.loads(file.read_text())


@pytest.mark.parametrize("life_s", [-5, 300])
def test_a_token_is_renewed(keys, grid, life_s):  # noqa: F811
    """And kept for the tools of AWS, which go on from there; and they for us."""
    portal, oidc = keys.sso_renewable(life_s)
    assert keys.user()["provider"] == "sso"
    assert oidc.asked() == [("POST", "/token")]
    kept = cached(grid)
    assert kept["accessToken"] == "fresh-token-1" and kept["refreshToken"] == "refresh-1"
    assert kept["startUrl"] == "https://portal.test/start" and kept["clientSecret"] == "client-secret"
    assert keys.both() == ("ASIASSO0000000000000", "sso")
    assert len(oidc.log) == 1, "good for an hour"
    keys.sso_token("my-session", -5, **{k: v for k, v in kept.items() if k not in ("expiresAt", "region", "accessToken")})
    assert keys.boto() == "ASIASSO0000000000000" and len(oidc.log) == 2
    assert keys.user()["provider"] == "sso" and len(oidc.log) == 2


def test_a_token_that_is_not_renewed(keys, grid):  # noqa: F811
    """Refused, or nobody there: the old one while it is good."""
    portal, oidc = keys.sso_renewable(300)
    oidc.refresh_token = "another"
    assert keys.user()["provider"] == "sso"
    oidc.trouble = [500] * 10
    assert keys.user()["provider"] == "sso"
    keys.sso_renewable(-5)[1].refresh_token = "another"
    refused(grid, "its SSO login has run out; log in: aws sso login --profile default", code=75)


def test_a_registration_that_is_over(keys, grid):  # noqa: F811
    portal, oidc = keys.sso_renewable(-5, registered_s=-5)
    refused(grid, "log in: aws sso login --profile default", code=75)
    assert oidc.log == [] and portal.log == []


def test_a_role_that_the_portal_does_not_give(keys, grid):  # noqa: F811
    portal = keys.sso_session()
    portal.role = "another-role"
    refused(grid, f"does not give role sso-role of account {ACCOUNT}: status 403")
    portal.role = "sso-role"
    portal.trouble = [500, 429]
    assert keys.user()["provider"] == "sso"


def test_the_time_format_of_older_tools(keys, grid):  # noqa: F811
    keys.sso()
    later = time.strftime("%Y-%m-%dT%H:%M:%SUTC", time.gmtime(time.time() + 600))
    keys.sso_token("https://portal.test/start", expiresAt=later)
    assert keys.user()["provider"] == "sso"


# ---- web identity, and STS


def test_tokens_that_are_not_taken(keys, grid):  # noqa: F811
    keys.web_identity()
    write(grid.home, "token", "a-token-of-somebody-else")
    result = refused(grid, "role/of-web", "AssumeRoleWithWebIdentity", "InvalidIdentityToken", "OpenIDConnect")
    assert "a-token-of" not in result.text
    write(grid.home, "token", "expired-token")
    refused(grid, "ExpiredTokenException", code=75)
    write(grid.home, "token", "")
    refused(grid, "it is empty")
    write(grid.home, "token", f"{TOKEN}\n")
    assert keys.user()["provider"] == "web-identity"
    assert [e["op"] for e in keys.server.log() if e["status"] == 200][-1] == "AssumeRoleWithWebIdentity"


def test_sts_in_trouble_is_asked_again(keys, grid):  # noqa: F811
    keys.role()
    keys.server.faults({"op": "STS", "fault": "error", "code": "InternalError", "status": 500, "times": 2})
    assert keys.user()["provider"] == "role"


def test_what_is_no_sts(keys, grid):  # noqa: F811
    keys.role()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        grid.env["AWS_ENDPOINT_URL_STS"] = f"http://127.0.0.1:{free.getsockname()[1]}"
        refused(grid, "STS", code=75)
    container = keys.container()
    container.trouble = [200]
    grid.env["AWS_ENDPOINT_URL_STS"] = container.url
    refused(grid, "AWS_ENDPOINT_URL_STS", code=1)


def test_a_clock_that_is_off(keys, grid):  # noqa: F811
    keys.role()
    keys.server.options(clock_offset_s=3000)
    assert keys.user()["provider"] == "role"


def test_secrets_are_not_told(keys, grid, tree):  # noqa: F811
    """Not in the output, not in the log, not in what is kept, not in the process list."""
    write(tree, "a", "a")
    keys.role()
    keys.server.options(role_life_s=1000)
    result = grid.create(tree, "--verbose")
    told = result.text + "".join(p.read_text(errors="replace") for p in (grid.home / "state").rglob("*") if p.is_file())
    told += grid("user", "--json").text
    users = json.loads(keys.server.control("GET", "users"))
    assert any(":assumed-role/of-profile" in arn for arn in users.values())
    assert keys.server.secret not in told and TOKEN not in told

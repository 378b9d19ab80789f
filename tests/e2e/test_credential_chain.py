"""
The order of the credential chain, row by row: where keys come from when several places have some, and what
botocore takes in the same environment.
"""

import pytest

from gridtest import write
from keys import ACCOUNT, Keys, boto_key
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

pytestmark = [needs_s3, pytest.mark.fast]

# From the first to the last: (how it is set up, the provider's name, whose keys these are).
ROWS = [
    ("environment", "environment", "AKIAENVIRONMENT00001"),
    ("role", "role", "of-profile"),
    ("web_identity", "web-identity", "of-web"),
    ("sso", "sso", "ASIASSO0000000000000"),
    ("credentials_file", "profile", "AKIASHARED0000000001"),
    ("process", "process", "AKIAPROCESS000000001"),
    ("config_file", "profile", "AKIACONFIG0000000001"),
    ("container", "container", "ASIACONTAINER0000000"),
    ("instance", "instance", "ASIAINSTANCE00000000"),
]


@pytest.fixture
def keys(on_fake, grid):  # noqa: F811
    place = on_fake()
    k = Keys(grid, place.s3)
    k.place = place
    yield k
    k.stop()


@pytest.mark.parametrize("at", range(len(ROWS)), ids=[row[0] for row in ROWS])
def test_the_order(keys, at):
    """All rows from this one on are there: this one counts."""
    for setup, _, _ in reversed(ROWS[at:]):
        getattr(keys, setup)()
    _, provider, whose = ROWS[at]
    assert keys.both() == (whose, provider)


@pytest.mark.parametrize("at", range(len(ROWS)), ids=[row[0] for row in ROWS])
def test_each_alone_opens_the_store(keys, grid, tree, at):
    """And what the last two rows cost is asked only where nothing else has keys."""
    write(tree, "a.txt", "a\n")
    getattr(keys, ROWS[at][0])()
    grid.create(tree)
    keys.place.check("tree", tree)
    shown = grid("user", code=0).out
    assert "keys:     A" in shown and keys.user()["keys_from"] in shown and keys.user()["provider"] == ROWS[at][1]
    assert keys.server.secret not in shown and "token-" not in shown


def test_nothing_is_asked_where_there_are_keys(keys):
    instance, container = keys.instance(), keys.container()
    keys.environment()
    assert keys.user()["provider"] == "environment"
    assert instance.log == [] and container.log == []


def test_a_local_store_asks_nobody(keys, grid, tree):
    instance = keys.instance()
    write(tree, "a.txt", "a\n")
    grid.env.pop("GRID_STORE")
    grid.create(tree)
    grid("datastore", code=0)
    grid("user", code=0)
    assert instance.log == []


def test_a_profile_that_is_named_outranks_the_environment(keys, grid):
    """--profile; a profile of the environment does not."""
    keys.environment()
    keys.web_identity()
    keys.process("profile work")
    grid("login", "--cluster", "lab", "--store", "s3://test/p", "--profile", "work", code=0)
    mine = keys.user(env={"GRID_CLUSTER": "lab", "GRID_STORE": ""})
    assert mine["access_key"] == keys.boto("work") == "AKIAPROCESS000000001"
    grid.env["AWS_PROFILE"] = "work"
    assert keys.both() == ("AKIAENVIRONMENT00001", "environment")


def test_which_profile_the_environment_means(keys, grid):
    keys.process("profile work")
    keys.credentials_file()
    grid.env["AWS_PROFILE"] = "work"
    assert keys.both()[1] == "process"
    grid.env["AWS_DEFAULT_PROFILE"] = "default"
    assert keys.both()[1] == "profile"


def test_a_role_of_roles(keys, grid):
    keys.role("profile first")
    keys.section("profile second", role_arn=f"arn:aws:iam::{ACCOUNT}:role/second", source_profile="first")
    keys.section("profile third", role_arn=f"arn:aws:iam::{ACCOUNT}:role/third", source_profile="second")
    grid.env["AWS_PROFILE"] = "third"
    assert keys.both() == ("third", "role")


def test_a_role_that_is_its_own_source(keys, grid):
    key, secret = keys.static("AKIASELF000000000001")
    keys.shared("self", aws_access_key_id=key, aws_secret_access_key=secret)
    keys.section("profile self", role_arn=f"arn:aws:iam::{ACCOUNT}:role/own", source_profile="self")
    grid.env["AWS_PROFILE"] = "self"
    assert keys.both() == ("own", "role")


@pytest.mark.parametrize("source", ["process", "web_identity_of_profile", "sso", "sso_session"])
def test_what_a_role_may_be_sourced_from(keys, grid, source):
    """What the environment says of web identities is not the source profile's."""
    keys.web_identity()
    getattr(keys, source)("profile base")
    keys.section("profile work", role_arn=f"arn:aws:iam::{ACCOUNT}:role/upon-it", source_profile="base")
    grid.env["AWS_PROFILE"] = grid.env["AWS_DEFAULT_PROFILE"] = "work"
    if source == "sso_session":  # botocore looks for the session in the profile asked for, which is a bug of its own
        assert keys.whose(keys.user()["access_key"]) == "upon-it"
    else:
        assert keys.both() == ("upon-it", "role")


@pytest.mark.parametrize("service, setup", [("Environment", "environment"), ("EcsContainer", "container"),
                                            ("Ec2InstanceMetadata", "instance")])
def test_a_role_of_a_service(keys, grid, service, setup):
    getattr(keys, setup)()
    keys.section("profile work", role_arn=f"arn:aws:iam::{ACCOUNT}:role/by-service", credential_source=service)
    grid.env["AWS_PROFILE"] = "work"
    if service != "Environment":
        assert keys.both() == ("by-service", "role")
    else:  # there the keys themselves come first, unless the profile is named
        assert keys.both() == ("AKIAENVIRONMENT00001", "environment")
        grid("login", "--cluster", "lab", "--store", "s3://test/p", "--profile", "work", code=0)
        mine = keys.user(env={"GRID_CLUSTER": "lab", "GRID_STORE": ""})
        assert keys.whose(mine["access_key"]) == keys.boto("work") == "by-service"


def test_what_a_role_is_asked_for_with(keys, grid):
    keys.server.options(external_id="the-id-of-the-owner")
    keys.role("profile work", external_id="the-id-of-the-owner", role_session_name="me@lab", duration_seconds="900")
    grid.env["AWS_PROFILE"] = "work"
    assert keys.both() == ("of-profile", "role")
    mine = keys.user()
    users = keys.server.control("GET", "users").decode()
    assert "assumed-role/of-profile/me@lab" in users and "expires_at" in mine
    keys.section("profile work", external_id="another")
    mine = keys.user()
    assert mine["access_key"] is None and mine["logged_in"] is False
    assert "AccessDenied" in grid("user").out


WEB_PROFILE = """
[profile "with blanks"]
Role_ARN: arn:aws:iam::{account}:role/of-blanks
source_profile: base
; a remark
[profile work]
s3 =
  aws_access_key_id = nested
aws_access_key_id = AKIAWORK0000000000X1
aws_secret_access_key = {secret}
"""


@pytest.mark.parametrize("profile, whose", [("with blanks", "of-blanks"), ("work", "AKIAWORK0000000000X1")])
def test_how_the_files_are_read(keys, grid, profile, whose):
    keys.role()
    keys.static("AKIAWORK0000000000X1")
    write(grid.home, "other", WEB_PROFILE.format(account=ACCOUNT, secret=keys.server.secret))
    grid.env.update(AWS_CONFIG_FILE=str(grid.home / "other"), AWS_PROFILE=profile)
    assert keys.both()[0] == whose


# ---- what is configured and cannot be: told, not passed over

BROKEN = {
    "loop": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "source_profile": "two"},
              "profile two": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "source_profile": "work"}}, "leads back"),
    "itself": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "source_profile": "work"}}, "leads back"),
    "no source": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa"}}, "neither source_profile nor"),
    "two sources": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "source_profile": "two",
                                      "credential_source": "Environment"}}, "keep one of them"),
    "no such source": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "source_profile": "two"}},
                       "source_profile two does not exist"),
    "no such service": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "credential_source": "Fog"}},
                        "credential_source cannot be"),
    "nothing in it": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "source_profile": "two"},
                       "profile two": {"region": "eu-west-1"}}, "source_profile two has no keys"),
    "no container": ({"profile work": {"role_arn": "arn:aws:iam::1:role/aaaaaa", "credential_source": "EcsContainer"}},
                     "EcsContainer has no keys"),
    "half": ({"profile work": {"aws_access_key_id": "AKIA0000000000000001"}}, "half of a key pair"),
    "no role": ({"profile work": {"web_identity_token_file": "/dev/null"}}, "no role for it"),
    "no token": ({"profile work": {"web_identity_token_file": "/no/such/file",
                                   "role_arn": "arn:aws:iam::1:role/aaaaaa"}}, "/no/such/file: No such file"),
    "sso": ({"profile work": {"sso_account_id": "1", "sso_role_name": "r", "sso_region": "us-east-1"}},
            "has no sso_start_url"),
    "no session": ({"profile work": {"sso_account_id": "1", "sso_role_name": "r", "sso_session": "s"}},
                   "no [sso-session s]"),
    "no profile": ({}, "there is no profile work in"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be(keys, grid, tree, name):
    sections, message = BROKEN[name]
    write(tree, "a", "a")
    for section, values in sections.items():
        keys.section(section, **values)
    instance = keys.instance()  # would give keys
    grid.env["AWS_PROFILE"] = "work"
    result = grid.create(tree, code=77)
    assert message in result.err.replace("\n", " "), result
    assert instance.log == []
    env = {k: v for k, v in grid.env.items() if not k.startswith("ASAN")}
    assert isinstance(boto_key(env), dict), "botocore refuses it, too"


def test_a_code_of_a_device_cannot_be_asked_for(keys, grid):
    keys.role("profile work", mfa_serial="arn:aws:iam::1:mfa/me")
    grid.env["AWS_PROFILE"] = "work"
    result = grid("datastore", code=77)
    assert "mfa_serial" in result.err and "export-credentials --profile work" in result.err, result


def test_nothing_at_all(keys, grid):
    """Where they were looked for is said; a machine that is no instance is told apart quickly."""
    assert keys.both() == (None, None)
    result = grid("datastore", code=77)
    assert "AWS_ACCESS_KEY_ID" in result.err and "profile default" in result.err and "metadata" not in result.err
    grid.env.pop("AWS_EC2_METADATA_DISABLED")
    grid.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1"
    assert "metadata" in grid("datastore", code=77).err

"""url --presign: links that need no keys, for a while."""

import datetime
import ssl
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from gridtest import write
from s3servers import fake, rgw, rgw_tls, s3  # noqa: F401
from test_names import ODD, PLAIN
from test_s3 import needs_s3, on_fake, store  # noqa: F401

pytestmark = [pytest.mark.fast, needs_s3]


def follow(place, url):
    """As anybody would: no keys, no headers."""
    context = ssl.create_default_context(cafile=str(place.s3.ca_file)) if place.s3.ca_file else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=20) as answer:
        return answer.read()


def refused(place, url):
    with pytest.raises(urllib.error.HTTPError) as error:
        follow(place, url)
    return error.value.code


def test_links(store, grid, tree):  # noqa: F811
    """Of every kind of name, on every server."""
    contents = {}
    for i, name in enumerate([*ODD, *PLAIN, b"a b/c+d%e?f&g=h#i", "ünï/日本".encode()]):
        contents[name] = b"content %d" % i
        write(tree, name, contents[name])
    grid.create(tree)
    rows = grid("datastore", "url", "tree", "--presign", "10m", "--json", code=0).events
    assert len(rows) == len(contents)
    for row in rows:
        import base64
        path = base64.b64decode(row["path_b64"]) if "path_b64" in row else row["path"].encode()
        assert follow(store, row["url"]) == contents[path], path
    assert refused(store, rows[0]["url"].partition("?")[0]) == 403, "the object itself is not public"
    assert refused(store, rows[0]["url"][:-1] + ("0" if rows[0]["url"][-1] != "0" else "1")) == 403


def test_one_file_a_folder_or_all(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    for name in ("a/1", "a/2", "a/b/3", "ab", "c"):
        write(tree, name, name)
    (tree / "empty").mkdir()
    grid.create(tree)
    for arguments, expected in (([], ["a/1", "a/2", "a/b/3", "ab", "c"]), (["a"], ["a/1", "a/2", "a/b/3"]),
                                (["a/"], ["a/1", "a/2", "a/b/3"]), (["c"], ["c"])):
        links = grid("datastore", "url", "tree:1", *arguments, "--presign", "1h", code=0).out.split()
        assert [follow(place, link).decode() for link in links] == expected
    assert "there is no nothing in tree" in grid("datastore", "url", "tree", "nothing", "--presign", "1h", code=1).err


def test_how_long(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    write(tree, "a", "x")
    grid.create(tree)
    row = grid("datastore", "url", "tree", "a", "--presign", "90s", "--json", code=0).events[0]
    query = parse_qs(urlsplit(row["url"]).query)
    assert query["X-Amz-Expires"] == ["90"]
    at = datetime.datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    assert abs((datetime.datetime.fromisoformat(row["expires"]) - at).total_seconds() - 90) <= 2
    assert follow(place, row["url"]) == b"x"
    place.s3.options(clock_offset_s=100)
    assert refused(place, row["url"]) == 403
    for wrong in ("8d", "0s", "500ms", "soon"):
        assert "--presign" in grid("datastore", "url", "tree", "--presign", wrong, code=2).err
    grid("datastore", "url", "tree", "--presign", "7d", code=0)


def test_a_clock_that_is_off(on_fake, grid, tree):  # noqa: F811
    """The link is dated by the store's clock."""
    place = on_fake("clock_offset_s=7200")
    write(tree, "a", "x")
    grid.create(tree)
    link = grid("datastore", "url", "tree", "a", "--presign", "10m", code=0).out.strip()
    assert follow(place, link) == b"x"


def test_temporary_keys(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    write(tree, "a", "x")
    grid.create(tree)
    key, secret = place.s3.user("ASIATEMP00000000001", token="token-one")
    env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "token-one"}
    done = grid("datastore", "url", "tree", "a", "--presign", "1h", code=0, env=env)
    assert "temporary" in done.err and "end with them" in done.err
    assert follow(place, done.out.strip()) == b"x"
    assert "temporary" not in grid("datastore", "url", "tree", "a", "--presign", "1h", code=0).err


def test_a_folder_has_no_links(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    done = grid("datastore", "url", "tree", "a", "--presign", "1h", code=2)
    assert done.out == "" and "folder" in done.err

"""Who may talk to the server: asked directly, as another program or a foreign page would."""

import http.client
import re
import socket

import pytest

pytestmark = pytest.mark.without_browser


class Asker:
    """Requests with any header, and the cookie where it is given."""

    def __init__(self, ui):
        self.port = int(ui.base.rpartition(":")[2])
        self.cookie = None

    def __call__(self, path, method="GET", host=None, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        if self.cookie and "Cookie" not in headers:
            connection.putheader("Cookie", self.cookie)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def log_in(self, ui):
        answer = self(f"/?token={ui.token}")
        assert answer.status == 303 and answer.headers["Location"] == "/"
        self.set_cookie = answer.headers["Set-Cookie"]
        self.cookie = self.set_cookie.partition(";")[0]
        return self


@pytest.fixture
def asker(ui):
    return Asker(ui)


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/about", "/api/events", "/nothing", "/?token=", "/?token=0123"])
def test_without_the_token_there_is_nothing(asker, path):
    answer = asker(path)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


def test_the_token_works_once_and_becomes_a_cookie(ui, asker):
    asker.log_in(ui)
    assert re.fullmatch(r"grid_ui_\d+=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict", asker.set_cookie)
    assert ui.token not in asker.set_cookie
    assert asker("/").status == 200
    assert asker("/api/about").status == 200
    again = Asker(ui)(f"/?token={ui.token}")
    assert again.status == 403 and "used already" in again.text


def test_a_wrong_cookie_is_none(ui, asker):
    asker.log_in(ui)
    name = asker.cookie.partition("=")[0]
    assert asker("/", Cookie=f"{name}={'0' * 64}").status == 403
    assert asker("/", Cookie=f"{name}=").status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", "127.0.0.1:{port}.evil"])
def test_a_foreign_host_is_refused(ui, asker, host):
    """DNS rebinding: a name of the attacker's that leads to 127.0.0.1."""
    asker.log_in(ui)
    assert asker("/api/about", host=host.format(port=asker.port)).status == 403


def test_it_may_be_called_localhost(ui, asker):
    asker.log_in(ui)
    assert asker("/api/about", host=f"localhost:{asker.port}").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "http://127.0.0.1"])
def test_a_foreign_origin_is_refused(ui, asker, origin):
    asker.log_in(ui)
    origin = origin.format(port=asker.port)
    assert asker("/api/about", Origin=origin).status == 403
    assert asker("/api/clusters/use", "POST", body=b'{"name":"x"}', Origin=origin).status == 403


def test_what_changes_something_must_say_where_it_comes_from(ui, asker):
    asker.log_in(ui)
    assert asker("/api/clusters/use", "POST", body=b'{"name":"x"}').status == 403
    assert asker("/api/clusters/use", "POST", body=b'{"name":"x"}', Origin=ui.base).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_pages_request_is_refused_by_its_own_word(ui, asker, site):
    asker.log_in(ui)
    assert asker("/api/about", Sec_Fetch_Site=site).status == 403


def test_the_answers_are_locked_down(ui, asker):
    headers = asker.log_in(ui)("/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_only_this_machine_can_connect(ui, asker):
    addresses = {a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if address.startswith("127."):
            continue
        with pytest.raises(OSError):
            socket.create_connection((address, asker.port), timeout=3)
    sockets = [line.split()[1:4] for line in open("/proc/net/tcp").readlines()[1:]]
    listening = [local for local, _, state in sockets if state == "0A" and local.endswith(f":{asker.port:04X}")]
    assert listening == [f"0100007F:{asker.port:04X}"]


def test_values_of_a_page_are_never_options(ui, asker):
    asker.log_in(ui)
    answer = asker("/api/files?name=--help&prefix=--json")
    assert answer.status == 200
    assert 'is no name of a datastore' in answer.text
    assert '"event":"exit","code":2' in answer.text


@pytest.mark.parametrize("method, path, status", [
    ("DELETE", "/api/about", 405), ("GET", "/api/create", 405), ("GET", "/api/none", 404), ("GET", "/../etc/passwd", 404),
    ("POST", "/api/create", 400)])
def test_what_is_not_there(ui, asker, method, path, status):
    asker.log_in(ui)
    assert asker(path, method, Origin=ui.base, body=b"no json" if method == "POST" else None).status == status


def test_a_body_that_is_too_large(ui, asker):
    asker.log_in(ui)
    assert asker("/api/create", "POST", Origin=ui.base, body=b"x" * (300 << 10)).status == 413


def test_a_secret_stands_in_no_process_list_and_no_answer(ui, asker, grid):
    asker.log_in(ui)
    answer = asker("/api/clusters/login", "POST", Origin=ui.base,
                   body=b'{"cluster":"lab","store":"s3://bucket/x","endpoint":"http://127.0.0.1:9","username":"AKIAEXAMPLE","key":"verysecretvalue"}')
    assert "verysecretvalue" not in answer.text and '"event":"exit"' in answer.text
    assert not (grid.home / "config/grid/credentials.json").exists()


def test_the_port_can_be_chosen_and_may_be_taken(start_ui, grid):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = grid("ui", "--no-open", "--port", port)
        assert refused.code == 1 and f"port {port}" in refused.err and "--port" in refused.err
    assert start_ui("--port", port).base == f"http://127.0.0.1:{port}"
    assert grid("ui", "--port", "70000").code == 2


def test_over_ssh_it_says_how_to_get_there(start_ui):
    ui = start_ui(env={"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22", "USER": "someone"})
    port = ui.base.rpartition(":")[2]
    ui.running.until(lambda: "Ctrl-C" in ui.running.err, "the hints are printed")
    assert f"ssh -L {port}:127.0.0.1:{port} someone@" in ui.running.err


def test_it_ends_by_ctrl_c(ui):
    ui.running.send(2)
    assert ui.running.wait(10).code == 0

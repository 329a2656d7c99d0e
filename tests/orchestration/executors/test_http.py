"""Requests to a real server on loopback: what may be reached, and how much may come back."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestration.executors import addresses
from registry.models import Agent
from tests import factories
from tests.orchestration.executors.calling import ANYTHING, call, fault, value

pytestmark = pytest.mark.django_db


class Server(BaseHTTPRequestHandler):
    """Echoes; and misbehaves where its path asks for it."""

    protocol_version = "HTTP/1.1"
    hits: list[str] = []

    def do_GET(self) -> None:
        self.hits.append(self.path)
        path = self.path.split("?")[0]
        if path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        elif path == "/headers":
            for _ in range(100):
                self.wfile.write(b"H")
                self.wfile.flush()
                time.sleep(0.1)
        elif path.startswith("/to/"):
            self.send_response(int(self.headers.get("x-status", "302")))
            self.send_header("Location", self.path[4:].replace("__", "://"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/bomb":
            self.answer(gzip.compress(b"0" * (64 << 20)), {"Content-Encoding": "gzip"})
        elif path == "/gzip":
            self.answer(gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"})
        elif path == "/big":
            self.answer(b"x" * (4 << 20), {})
        elif path == "/missing":
            self.answer(b"no", {}, status=404)
        elif path == "/login":
            self.answer(b"{}", {"Set-Cookie": "session=of-one-call; Path=/"})
        else:
            self.echo()

    do_POST = do_DELETE = do_PUT = do_GET

    def echo(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        told = {
            "method": self.command,
            "path": self.path,
            "body": self.rfile.read(length).decode(),
            "headers": {k.lower(): v for k, v in self.headers.items()},
        }
        self.answer(json.dumps(told).encode(), {"Content-Type": "application/json"})

    def answer(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Server.hits = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    # Answers that are too long are cut off, which is no news here.
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def make(**config: Any) -> None:
    factories.make_tool(
        "call_api",
        executor="http",
        executor_config=config,
        parameters=ANYTHING,
        sandbox_config={"timeout": 2, "output_limit": "1MB"},
    )


@pytest.fixture
def api(port: int) -> str:
    make(hosts=["example.com"], private_hosts=["127.0.0.1"])
    return f"http://127.0.0.1:{port}"


def test_a_request_is_made_and_its_json_comes_back(agent: Agent, api: str) -> None:
    found = value(
        call(
            agent,
            "call_api",
            url=f"{api}/echo?q=1",
            method="POST",
            headers={"X-Trace": "7"},
            body={"a": [1, "é"]},
        )
    )
    assert found["status"] == 200
    told = found["body"]
    assert (told["method"], told["path"]) == ("POST", "/echo?q=1")
    assert json.loads(told["body"]) == {"a": [1, "é"]}
    assert told["headers"]["x-trace"] == "7"
    assert told["headers"]["content-type"] == "application/json"


def test_a_tool_of_one_address_fills_it_from_its_arguments(agent: Agent, port: int) -> None:
    make(url=f"http://127.0.0.1:{port}/items/{{id}}", private_hosts=["127.0.0.1"])
    told = value(call(agent, "call_api", id="a/b?c", q="x y"))["body"]
    assert told["path"] == "/items/a%2Fb%3Fc?q=x%20y"


def test_a_tool_of_one_address_posts_the_rest_as_json(agent: Agent, port: int) -> None:
    make(url=f"http://127.0.0.1:{port}/echo", method="POST", private_hosts=["127.0.0.1"])
    told = value(call(agent, "call_api", text="hello"))["body"]
    assert json.loads(told["body"]) == {"text": "hello"}


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "http://127.0.0.1.nip.io/",
        "http://example.com.evil.test/",
        "http://localhost/",
    ],
)
def test_a_host_off_the_list_is_refused(agent: Agent, api: str, url: str) -> None:
    assert fault(call(agent, "call_api", url=url)) == "host_refused"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com/",
        "http:///x",
        "//x",
        "http://a:b@example.com/",
        "",
    ],
)
def test_what_is_no_web_address_is_refused(agent: Agent, api: str, url: str) -> None:
    assert fault(call(agent, "call_api", url=url)) == "invalid_request"


def test_a_listed_name_with_a_private_address_is_refused_when_connecting(
    agent: Agent, port: int
) -> None:
    make(hosts=["127.0.0.1", "localhost", "[::1]"])
    for host in ("127.0.0.1", "localhost"):
        found = call(agent, "call_api", url=f"http://{host}:{port}/echo")
        assert fault(found) == "address_refused"
    assert Server.hits == []


def test_a_kept_private_connection_is_not_shared_with_a_tool_that_may_not(
    agent: Agent, api: str, port: int
) -> None:
    value(call(agent, "call_api", url=f"{api}/echo"))
    factories.make_tool(
        "other", executor="http", executor_config={"hosts": ["127.0.0.1"]}, parameters=ANYTHING
    )
    assert fault(call(agent, "other", url=f"{api}/echo")) == "address_refused"
    assert Server.hits == ["/echo"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:0a00:0001::1",
        "::10.0.0.1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_open_internet(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_addresses_of_the_open_internet(address: str) -> None:
    assert addresses.is_public(address)


def test_redirects_are_followed_where_the_tool_may_go_itself(agent: Agent, api: str) -> None:
    found = value(call(agent, "call_api", url=f"{api}/to//echo"))
    assert found["body"]["path"] == "/echo"
    assert found["url"].endswith("/echo")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http__other.example/", "host_refused"),
        ("file__etc/passwd", "invalid_request"),
        ("http__169.254.169.254/latest/meta-data", "host_refused"),
    ],
)
def test_redirects_elsewhere_are_not_followed(
    agent: Agent, api: str, target: str, reason: str
) -> None:
    assert fault(call(agent, "call_api", url=f"{api}/to/{target}")) == reason


def test_redirects_end_somewhere(agent: Agent, api: str) -> None:
    found = call(agent, "call_api", url=f"{api}/to//to//to//to//to//to//to//echo")
    assert fault(found) in {"too_many_redirects"}
    assert len(Server.hits) == 6


def test_a_secret_does_not_travel_to_another_host(agent: Agent, port: int) -> None:
    make(private_hosts=["127.0.0.1", "localhost"], headers={"Authorization": "Bearer s3cr3t"})
    start = f"http://127.0.0.1:{port}/to/http__localhost:{port}/echo"
    told = value(call(agent, "call_api", url=start))["body"]
    assert "authorization" not in told["headers"]
    told = value(call(agent, "call_api", url=f"http://127.0.0.1:{port}/to//echo"))["body"]
    assert told["headers"]["authorization"] == "Bearer s3cr3t"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil"}, {"Content-Length": "1"}, {"X": "a\r\nY: b"}, {"X Y": "1"}, {"X": "é"}],
)
def test_headers_that_steer_the_connection_are_refused(
    agent: Agent, api: str, headers: dict[str, str]
) -> None:
    assert fault(call(agent, "call_api", url=f"{api}/echo", headers=headers)) == "invalid_request"
    assert Server.hits == []


@pytest.mark.parametrize("path", ["/drip", "/headers"])
def test_a_server_that_drips_is_given_up(agent: Agent, api: str, path: str) -> None:
    begun = time.monotonic()
    assert call(agent, "call_api", url=api + path).status == "timed_out"
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize("path", ["/big", "/bomb"])
def test_more_than_the_limit_is_not_taken(agent: Agent, api: str, path: str) -> None:
    assert fault(call(agent, "call_api", url=api + path)) == "output_exceeded"


def test_a_compressed_answer_is_unpacked(agent: Agent, api: str) -> None:
    assert value(call(agent, "call_api", url=f"{api}/gzip"))["body"] == '{"a": 1}'


def test_an_answer_of_four_hundred_and_above_is_a_failure_with_its_body(
    agent: Agent, api: str
) -> None:
    found = call(agent, "call_api", url=f"{api}/missing")
    assert fault(found) == "http_status"
    assert found.payload.result["status"] == 404


def test_nobody_there_is_a_failure(agent: Agent, port: int) -> None:
    make(private_hosts=["127.0.0.1"])
    assert fault(call(agent, "call_api", url="http://127.0.0.1:1/")) == "request_failed"


def test_a_cookie_of_one_call_is_sent_by_no_other(agent: Agent, api: str) -> None:
    assert "set-cookie" not in value(call(agent, "call_api", url=f"{api}/login"))["headers"]
    found = value(call(agent, "call_api", url=f"{api}/echo"))
    assert "cookie" not in found["body"]["headers"]

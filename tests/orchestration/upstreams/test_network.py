"""A service is reached where it may be, and takes no more than it may."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import IntegrityError
from kernel import catalogue, outbox
from kernel.actor import SYSTEM
from kernel.catalogue import CatalogueError
from kernel.models import Outbox

from orchestration import upstreams
from orchestration.calls.outcomes import Refused
from registry import upstreams as definitions
from registry.models import Agent, Team, UpstreamServer
from tests.orchestration.executors.calling import call, fault
from tests.orchestration.upstreams.conftest import MakeServer, free_port, offer

pytestmark = pytest.mark.django_db(transaction=True)


class Service(BaseHTTPRequestHandler):
    """Speaks the older protocol, and then misbehaves as its path says."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]] = []

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.seen.append((self.path, self.headers.get("authorization", "")))
        how, message = self.path.strip("/"), json.loads(raw or b"{}")
        if how.startswith("to_"):
            self.answer(b"", {"Location": how[3:].replace("__", "://")}, status=307)
        elif how == "denied":
            self.answer(b"no", {}, status=401)
        elif "id" not in message:
            self.answer(b"", {}, status=202)
        elif message["method"] == "initialize":
            version = message["params"]["protocolVersion"]
            info = {"name": how, "version": "0"}
            found = {"protocolVersion": version, "capabilities": {}, "serverInfo": info}
            self.result(message, found)
        elif message["method"] == "tools/list":
            tool = {"name": "act", "inputSchema": {"type": "object"}}
            self.result(message, {"tools": [tool]})
        elif message["method"] == "tools/call":
            self.call(how, message)
        else:
            self.error(message)

    def call(self, how: str, message: dict[str, Any]) -> None:
        if how == "bomb":
            self.answer(b"x", {"Content-Encoding": "gzip", "Content-Type": "application/json"})
        elif how == "huge":
            text = [{"type": "text", "text": "x" * (17 << 20)}]
            self.result(message, {"content": text})
        elif how == "wrong":
            self.result({"id": 4_711}, {"content": []})
        elif how == "broken":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"jsonrpc"')
            self.close_connection = True
        else:
            self.answer(b"{]", {"Content-Type": "application/json"})

    def result(self, message: dict[str, Any], found: Any) -> None:
        document = {"jsonrpc": "2.0", "id": message["id"], "result": found}
        self.answer(json.dumps(document).encode(), {"Content-Type": "application/json"})

    def error(self, message: dict[str, Any]) -> None:
        fault = {"code": -32601, "message": "no such method"}
        document = {"jsonrpc": "2.0", "id": message["id"], "error": fault}
        self.answer(json.dumps(document).encode(), {"Content-Type": "application/json"})

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
    Service.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def at(serve: MakeServer, port: int) -> Callable[[str], UpstreamServer]:
    def make(how: str) -> UpstreamServer:
        return serve(url=f"http://127.0.0.1:{port}/{how}", private_hosts=["127.0.0.1"])

    return make


def test_a_name_that_leads_inside_is_refused_when_connecting(serve: MakeServer, port: int) -> None:
    """https, because http is for `private_hosts` alone: it is refused before anything is said."""
    report = upstreams.test(serve(url=f"https://localhost:{port}/x"), by=SYSTEM)
    assert "no public address" in report.error
    assert Service.seen == []


def test_a_redirect_elsewhere_is_not_followed(at: Any, port: int) -> None:
    report = upstreams.test(at(f"to_http__localhost:{port}"), by=SYSTEM)
    assert "not followed" in report.error or "redirect" in report.error.lower()
    assert {path for path, _ in Service.seen} == {f"/to_http__localhost:{port}"}


def test_a_refusal_of_http_is_told(at: Any) -> None:
    assert "answered 401" in upstreams.test(at("denied"), by=SYSTEM).error


def test_nobody_there_is_told(serve: MakeServer) -> None:
    server = serve(url=f"http://127.0.0.1:{free_port()}/", private_hosts=["127.0.0.1"])
    assert "ConnectError" in upstreams.test(server, by=SYSTEM).error


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("bomb", "upstream_malformed"),
        ("huge", "upstream_malformed"),
        ("broken", "upstream_malformed"),
        ("nonsense", "upstream_malformed"),
    ],
)
def test_a_bad_response_is_a_failure(agent: Agent, at: Any, how: str, reason: str) -> None:
    offer(at(how), "act")
    assert fault(call(agent, "act")) == reason


def test_an_answer_to_something_else_is_no_answer(agent: Agent, at: Any) -> None:
    offer(at("wrong"), "act", sandbox_config={"timeout": 1})
    assert call(agent, "act").status == "timed_out"


def test_a_catalogue_keeps_servers(serve: MakeServer, team: Team) -> None:
    serve(url="https://mcp.example/mcp", headers={"Authorization": "Bearer ${secret:token}"})
    kind = next(each for each in catalogue.kinds() if each.kind == "upstream")
    entries = kind.export()
    assert kind.apply(entries[0]).act == "unchanged"
    UpstreamServer.objects.all().delete()
    assert kind.apply(entries[0]).act == "create"
    assert kind.export() == entries
    with pytest.raises(CatalogueError, match="use https"):
        kind.apply(entries[0] | {"url": "http://mcp.example/"})
    with pytest.raises(CatalogueError, match="name a secret"):
        kind.apply(entries[0] | {"headers": {"Authorization": "Bearer literal"}})
    assert definitions.faults(UpstreamServer.objects.get()) == ()


def test_what_is_due_is_asked_for_once_and_waits_for_nobody(at: Any) -> None:
    server = at("well")
    assert upstreams.queue_due() == 1
    assert upstreams.queue_due() == 0
    assert list(Outbox.objects.values_list("topic", "subject_id")) == [("upstream.sync", server.id)]
    outbox.wiring.receivers["upstream.sync"] = upstreams.deliver
    outbox.drain()
    server.refresh_from_db()
    assert server.sync_error == ""
    assert server.tools.get().name == "act"


def test_a_tool_of_another_team_needs_a_shared_server(
    agent: Agent, at: Any, other_team: Team
) -> None:
    offer(at("nonsense"), "act", team=other_team)
    with pytest.raises(Refused) as caught:
        call(agent, "act")
    assert "isn't shared" in caught.value.detail
    assert Service.seen == []


def test_two_rows_of_one_tool_are_none(at: Any) -> None:
    server = at("well")
    upstreams.list_tools(server)
    row = server.tools.get()
    row.pk = None
    with pytest.raises(IntegrityError):
        server.tools.create(name="act", seen_fingerprint="")

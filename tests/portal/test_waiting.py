"""Callers who wait hold neither a thread nor more than their own body."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from portal import asgi
from portal.asgi import LONGEST_WAIT, THREADS, Shell, wish

LIMIT = 1000
Start = Callable[[str, list[tuple[str, str]]], Any]


class Door:
    """A WSGI application that has something to tell from the given moment on."""

    def __init__(self, ready_after: float = 0.0) -> None:
        self.ready_at = time.monotonic() + ready_after
        self.calls: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        with self.lock:
            self.calls.append(environ)
            self.bodies.append(environ["wsgi.input"].read())
        ready = time.monotonic() >= self.ready_at
        headers = [("Content-Type", "text/plain")]
        start("200 OK", headers if ready else [*headers, ("X-Gatehouse-Wait", "pending")])
        return [b"done" if ready else b"not yet"]


class Client:
    """One ASGI client: sends its body in pieces and may hang up after a while."""

    def __init__(self, *pieces: bytes, hangs_up_after: float | None = None) -> None:
        self.pieces = list(pieces) or [b""]
        self.hangs_up_after = hangs_up_after
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self.pieces:
            body = self.pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(self.pieces)}
        await asyncio.sleep(3600 if self.hangs_up_after is None else self.hangs_up_after)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def request(
    method: str = "GET", path: str = "/", query: str = "", **headers: str
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "http_version": "1.1",
        "scheme": "http",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1234),
    }


def ask(door: Door, scope: dict[str, Any], client: Client) -> float:
    """Returns how long it took, in seconds."""

    async def serve() -> None:
        await Shell(door, body_limit=LIMIT)(scope, client.receive, client.send)

    began = time.monotonic()
    asyncio.run(serve())
    return time.monotonic() - began


def test_who_waits_is_answered_when_there_is_something_to_tell() -> None:
    door, client = Door(ready_after=0.4), Client()
    took = ask(door, request(query="wait=5"), client)
    assert client.body == b"done"
    assert 0.3 < took < 2


def test_who_does_not_wait_is_answered_at_once() -> None:
    door, client = Door(ready_after=5), Client()
    assert ask(door, request(), client) < 1
    assert client.body == b"not yet"
    assert len(door.calls) == 1


def test_when_the_time_is_over_the_last_answer_goes_out_without_the_mark() -> None:
    door, client = Door(ready_after=5), Client()
    assert 0.4 < ask(door, request(query="wait=0.5"), client) < 2
    assert client.body == b"not yet"
    assert b"x-gatehouse-wait" not in client.headers


def test_nobody_asks_for_a_client_that_went_away() -> None:
    door, client = Door(ready_after=30), Client(hangs_up_after=0.3)
    assert ask(door, request(query="wait=30"), client) < 2
    assert client.sent == []
    assert len(door.calls) < 6


def test_more_callers_wait_than_there_are_threads() -> None:
    door = Door(ready_after=0.8)
    clients = [Client() for _ in range(THREADS * 4)]

    async def everybody() -> None:
        shell = Shell(door, body_limit=LIMIT)
        calls = [shell(request(query="wait=10"), each.receive, each.send) for each in clients]
        quick = Client()
        waiting = asyncio.gather(*calls)
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await shell(request(path="/quick"), quick.receive, quick.send)
        assert time.monotonic() - began < 0.3
        await waiting

    asyncio.run(everybody())
    assert all(client.body == b"done" for client in clients)


def test_a_claim_waits_by_its_body_which_is_replayed_each_time() -> None:
    door = Door(ready_after=0.3)
    body = json.dumps({"wait": 5}).encode()
    client = Client(body[:4], body[4:])
    ask(door, request("POST", "/api/v1/tasks/claim/"), client)
    assert client.body == b"done"
    assert len(door.bodies) > 1
    assert set(door.bodies) == {body}


@pytest.mark.parametrize("pieces", [(b"x" * (LIMIT + 1),), (b"x" * 600, b"x" * 600)])
def test_of_a_body_over_the_limit_the_application_sees_the_length_alone(
    pieces: tuple[bytes, ...],
) -> None:
    door, client = Door(), Client(*pieces)
    ask(door, request("POST"), client)
    assert door.bodies == [b""]
    assert int(door.calls[0]["CONTENT_LENGTH"]) == sum(map(len, pieces))


def test_the_platform_refuses_such_a_body_whether_its_length_was_announced_or_not() -> None:
    for headers in ({"content-length": "20000000"}, {"transfer-encoding": "chunked"}):
        client = Client(*[b"x" * 1_000_000] * 20)
        asyncio.run(asgi.application(request("POST", **headers), client.receive, client.send))
        assert client.status == 413
        assert json.loads(client.body)["reason"] == "too_large"


def test_the_application_sees_the_length_that_was_read() -> None:
    door, client = Door(), Client(b"a" * 10, b"b" * 5)
    ask(door, request("POST", **{"transfer-encoding": "chunked"}), client)
    assert door.calls[0]["CONTENT_LENGTH"] == "15"
    assert "HTTP_TRANSFER_ENCODING" not in door.calls[0]


def test_a_client_cannot_pose_as_a_proxy_by_underscores() -> None:
    door, client = Door(), Client()
    ask(door, request(x_forwarded_proto="https"), client)
    assert "HTTP_X_FORWARDED_PROTO" not in door.calls[0]


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("wait=3", 3), ("wait=900", LONGEST_WAIT), ("wait=-1", 0), ("wait=nan", 0), ("wait=x", 0)],
)
def test_what_was_asked_for_is_bounded(query: str, seconds: float) -> None:
    assert wish(request(query=query), b"") == seconds


@pytest.mark.parametrize("body", [b"", b"[]", b'{"wait": [1]}', b'{"wait"', b'{"wait": "never"}'])
def test_a_claim_that_makes_no_sense_does_not_wait(body: bytes) -> None:
    assert wish(request("POST", "/api/v1/tasks/claim/"), body) == 0


def test_a_long_response_is_sent_while_it_is_made() -> None:
    def long(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        yield from (b"x" * 300_000 for _ in range(10))

    client = Client()
    asyncio.run(Shell(long, body_limit=LIMIT)(request(), client.receive, client.send))
    assert len(client.body) == 3_000_000
    assert len(client.sent) > 5
    assert client.sent[-1]["more_body"] is False

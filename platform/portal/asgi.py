"""The ASGI shell around the WSGI application: what computes runs in threads, what waits doesn't.

A door that has nothing to tell yet answers at once with `X-Gatehouse-Wait: pending`. When its
caller asked to wait (`?wait=30`, or `{"wait": 30}` on a claim), the shell keeps the caller, holding
neither a thread nor a database connection, and asks the application again until it has something
to tell, the time is over or the caller has gone.
"""

import asyncio
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from portal.bridge import Bridge, Message, Receive, Scope, Send, Wsgi

THREADS = 24
LONGEST_WAIT = 60.0
FIRST_PAUSE = 0.1
LAST_PAUSE = 0.5
# A claim's body is a few names; a larger one isn't read for a wish to wait.
ASKING_BODY = 16 * 1024
# What is read and thrown away so that a client that sends too much can still read the answer.
DISCARDED = 128 * 1024 * 1024
HEADER = b"x-gatehouse-wait"


class Disconnected(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True)
class Reply:
    """A whole response, kept until it is known whether it is the last one."""

    messages: tuple[Message, ...]

    @property
    def pending(self) -> bool:
        headers: Iterable[tuple[bytes, bytes]] = self.messages[0].get("headers", ())
        return any(name.lower() == HEADER for name, _ in headers)


class Shell:
    """An ASGI application that runs a WSGI application in a bounded pool of threads."""

    def __init__(self, wsgi: Wsgi, *, body_limit: int) -> None:
        self.bridge = Bridge(wsgi, threads=THREADS)
        self.body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        1. read the body, up to the limit, without a thread: a slow sender holds nothing;
        2. find out how long the caller would wait;
        3. answer at once, or ask until there is something to tell.
        """
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        try:
            body, length = await self._body(receive)
        except Disconnected:
            return
        scope["headers"] = _headers(scope["headers"], length)
        seconds = wish(scope, body)
        if seconds > 0:
            await self._waiting(scope, body, receive, send, seconds)
        else:
            await self.bridge(scope, body, send)

    async def _body(self, receive: Receive) -> tuple[bytes, int]:
        """The whole body and its length. Of one over the limit nothing is kept but the length, by
        which the application refuses it (kernel.middleware.BodyLimitMiddleware)."""
        kept, size, more = bytearray(), 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            size, more = size + len(chunk), message.get("more_body", False)
            if size <= self.body_limit:
                kept += chunk
            elif size > DISCARDED:
                break
            else:
                kept.clear()
        return bytes(kept), size

    async def _waiting(
        self, scope: Scope, body: bytes, receive: Receive, send: Send, seconds: float
    ) -> None:
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + seconds, FIRST_PAUSE
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            reply = await self._ask(scope, body)
            while reply.pending and clock() < deadline:
                await asyncio.wait({gone}, timeout=min(pause, deadline - clock()))
                if gone.done():
                    return
                pause = min(pause * 1.5, LAST_PAUSE)
                reply = await self._ask(scope, body)
        finally:
            gone.cancel()
        for message in reply.messages:
            await send(_without_mark(message))

    async def _ask(self, scope: Scope, body: bytes) -> Reply:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.bridge(scope, body, keep)
        return Reply(tuple(messages))


def wish(scope: Scope, body: bytes) -> float:
    """How many seconds the caller would wait: 0 to 60."""
    if scope["method"] == "GET":
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return _seconds(query.get("wait", ["0"])[-1])
    if scope["method"] != "POST" or len(body) > ASKING_BODY or b'"wait"' not in body:
        return 0.0
    if not scope["path"].endswith("/claim/"):
        return 0.0
    try:
        document = json.loads(body)
    except ValueError:
        return 0.0
    return _seconds(document.get("wait", 0)) if isinstance(document, dict) else 0.0


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else 0.0


def _headers(headers: Iterable[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """The headers as WSGI may see them: with the length that was read, and no underscores.

    WSGI can't tell `X_Forwarded_Proto` from `X-Forwarded-Proto`, so a client could pose as a proxy.
    """
    kept = [
        (name, value)
        for name, value in headers
        if b"_" not in name and name.lower() not in (b"content-length", b"transfer-encoding")
    ]
    return [*kept, (b"content-length", str(length).encode())]


async def _live(receive: Receive, send: Send) -> None:
    """The server's own start and end; nothing here has to be begun or ended."""
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _without_mark(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    headers = [(name, value) for name, value in message["headers"] if name.lower() != HEADER]
    return {**message, "headers": headers}


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = Shell(get_wsgi_application(), body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

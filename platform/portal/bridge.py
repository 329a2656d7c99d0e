"""A WSGI application called from ASGI: one trip to a thread and back for a request.

a2wsgi's own middleware goes to and fro for every part of a response; measured on Django's smallest
view that halves what one process answers. So its reading of the scope is used, its middleware not.
"""

import asyncio
import contextvars
import io
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from a2wsgi.wsgi import build_environ

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[..., Iterable[bytes]]

# A longer response is sent while it is made, and its thread keeps pace with the client.
WHOLE_BYTES = 1 << 20


@dataclass
class _Head:
    """What the application said before its body."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """WSGI's `start_response`. Its `write` is for applications of another age."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return None

    def message(self) -> Message:
        return {"type": "http.response.start", "status": self.status, "headers": self.headers}


class Bridge:
    """Calls the application in a bounded pool of threads."""

    def __init__(self, application: Wsgi, *, threads: int) -> None:
        self.application = application
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def __call__(self, scope: Scope, body: bytes, send: Send) -> None:
        """Answer one request, whose body has been read."""
        loop = asyncio.get_running_loop()

        def emit(message: Message) -> None:
            """Called in the thread; returns when the client has room for more."""
            asyncio.run_coroutine_threadsafe(_as_coroutine(send, message), loop).result()

        environ: Any = build_environ(scope, io.BytesIO(body))  # type: ignore[arg-type]
        context = contextvars.copy_context()
        rest = await loop.run_in_executor(self.executor, context.run, self._run, environ, emit)
        for message in rest:
            await send(message)

    def _run(self, environ: Any, emit: Callable[[Message], None]) -> list[Message]:
        """The messages that haven't been sent yet when the application is done."""
        head = _Head()
        chunks = self.application(environ, head.start)
        try:
            return _sent(head, iter(chunks), emit)
        finally:
            getattr(chunks, "close", lambda: None)()


def _sent(head: _Head, chunks: Iterator[bytes], emit: Callable[[Message], None]) -> list[Message]:
    first = bytearray()
    for chunk in chunks:
        first += chunk
        if len(first) > WHOLE_BYTES:
            break
    else:
        return [head.message(), _body(bytes(first), more=False)]
    emit(head.message())
    emit(_body(bytes(first), more=True))
    for chunk in chunks:
        emit(_body(chunk, more=True))
    return [_body(b"", more=False)]


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _as_coroutine(send: Send, message: Message) -> None:
    await send(message)

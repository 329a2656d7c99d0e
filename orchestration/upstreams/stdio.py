"""MCP over the standard streams of a program in the sandbox.

The transport of the SDK starts programs on the host, as the platform's own user; this one never
does. It also bounds what a program may send, which the SDK's doesn't.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
import mcp_types as types
import structlog
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage

from orchestration.sandbox import Job, SandboxConfig, SandboxUnavailable
from orchestration.sandbox.opened import Opened, opened
from orchestration.upstreams import limits
from orchestration.upstreams.faults import Malformed, Unreachable

log = structlog.get_logger(__name__)

CHUNK = 64 << 10


class Program:
    """A program at work, as its messages. `ended_because` tells why it is over."""

    def __init__(self, running: Opened) -> None:
        self.running = running
        self.errors: deque[bytes] = deque(maxlen=16)
        self.malformed = self.unasked = 0
        self.over = False
        self.ended_because = "the program has ended"

    def said(self) -> str:
        """The end of what it wrote on standard error: hostile text, for people to read."""
        return b"".join(self.errors)[-limits.STDERR_BYTES :].decode(errors="replace").strip()

    def message(self, line: bytes) -> SessionMessage | None:
        """The message on a line; None for what is none. Raises Malformed when it is too much."""
        if not line.strip():
            return None
        try:
            found = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self.malformed += 1
            if self.malformed > limits.MALFORMED:
                raise Malformed("It writes lines that are no JSON-RPC.") from None
            return None
        answers = isinstance(found, types.JSONRPCResponse | types.JSONRPCError)
        self.unasked = 0 if answers else self.unasked + 1
        if self.unasked > limits.UNASKED:
            raise Malformed(f"It sent {limits.UNASKED} messages that answer nothing.")
        return SessionMessage(found)


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            raise Malformed(f"It sent a message of over {limits.MESSAGE_BYTES} bytes.") from None
        yield line


@asynccontextmanager
async def connected(
    job: Job, *, config: SandboxConfig, told: list[Program]
) -> AsyncIterator[TransportStreams]:
    """The streams of the program that `job` names; `told` is given the program. Raises Unreachable.

    Starting and clearing away block, so a thread does them.
    """
    context = opened(job, config=config)
    try:
        running = await anyio.to_thread.run_sync(context.__enter__)
    except (SandboxUnavailable, ValueError) as error:
        raise Unreachable(f"Its sandbox couldn't be started: {error}") from error
    program = Program(running)
    told.append(program)
    try:
        async with _streams(program) as streams:
            yield streams
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(context.__exit__, None, None, None)


@asynccontextmanager
async def _streams(program: Program) -> AsyncIterator[TransportStreams]:
    inward, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, outward = anyio.create_memory_object_stream[SessionMessage](0)
    async with _Pipes(program.running) as pipes, anyio.create_task_group() as tasks:
        tasks.start_soon(_receive, program, pipes, inward)
        tasks.start_soon(_send, pipes, outward, inward)
        tasks.start_soon(_overhear, program, pipes)
        try:
            yield read_stream, write_stream
        finally:
            tasks.cancel_scope.cancel()
            for stream in (read_stream, write_stream, inward, outward):
                stream.close()


class _Pipes:
    """The program's pipes on this event loop; the descriptors stay the launcher's."""

    def __init__(self, running: Opened) -> None:
        self.running = running
        self.transports: list[Any] = []

    async def __aenter__(self) -> "_Pipes":
        loop = asyncio.get_running_loop()
        self.out = await self._reader(loop, self.running.stdout, limits.MESSAGE_BYTES)
        self.err = await self._reader(loop, self.running.stderr, CHUNK)
        write = os.fdopen(os.dup(self.running.stdin), "wb", 0)
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop), write
        )
        self.transports.append(transport)
        self.writer = asyncio.StreamWriter(transport, protocol, None, loop)
        return self

    async def _reader(
        self, loop: asyncio.AbstractEventLoop, fd: int, limit: int
    ) -> asyncio.StreamReader:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        pipe = os.fdopen(os.dup(fd), "rb", 0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), pipe
        )
        self.transports.append(transport)
        return reader

    async def __aexit__(self, *raised: object) -> None:
        for transport in self.transports:
            # One that reached its end has let go of its pipe already.
            if not transport.is_closing():
                transport.abort() if hasattr(transport, "abort") else transport.close()


async def _receive(program: Program, pipes: _Pipes, inward: Any) -> None:
    try:
        async with inward:
            async for line in _lines(pipes.out):
                message = program.message(line)
                if message is not None:
                    await inward.send(message)
    except Malformed as error:
        program.ended_because = str(error)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        return
    finally:
        program.over = True


async def _send(pipes: _Pipes, outward: Any, inward: Any) -> None:
    try:
        async with outward:
            async for sent in outward:
                text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                pipes.writer.write(text.encode() + b"\n")
                await pipes.writer.drain()
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        # Nobody reads any more: whoever waits for an answer learns it now.
        await inward.aclose()


async def _overhear(program: Program, pipes: _Pipes) -> None:
    with suppress(OSError):
        while chunk := await pipes.err.read(CHUNK):
            program.errors.append(chunk[-limits.STDERR_BYTES :])

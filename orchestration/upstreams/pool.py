"""The sessions of this process: one per upstream, kept open, bounded, closed when idle.

One thread runs an event loop for all of them. A caller waits for its own answer and its own time,
in its own thread; what another upstream does or doesn't do is never waited for.
"""

import asyncio
import atexit
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from orchestration.upstreams import limits
from orchestration.upstreams.endpoints import Endpoint
from orchestration.upstreams.faults import Late, Unreachable, UpstreamFault
from orchestration.upstreams.sessions import Over, Session

log = structlog.get_logger(__name__)

_T = TypeVar("_T")
SWEEP_SECONDS = 5.0
# What the loop may be late by before a caller stops relying on it.
SPARE_SECONDS = 2.0


@dataclass(frozen=True)
class Answered:
    """A raw `tools/call` result, with the definition that the tool had when it was asked."""

    result: Mapping[str, Any]
    definition: Mapping[str, Any]


class Unlike(UpstreamFault):
    """The server's list shows the tool otherwise than it was approved. Nothing was asked of it."""

    reason = "quarantined"

    def __init__(self, message: str, listing: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.listing = listing


class Missing(UpstreamFault):
    """The server lists no such tool."""

    reason = "unknown_upstream_tool"


Check = Callable[[Mapping[str, Any]], bool]


class Pool:
    """Sessions by server, all on one loop. Only coroutines on that loop touch them."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="upstreams", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.create_task(self._sweep())
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, _T], *, seconds: float) -> _T:
        """The outcome of a coroutine on the loop, for at most `seconds`. Raises Late."""
        future = asyncio.run_coroutine_threadsafe(_bounded(work, seconds), self.loop)
        try:
            return future.result(seconds + SPARE_SECONDS)
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise Late(f"There was no answer within {seconds:g} s.") from error

    async def session(self, endpoint: Endpoint) -> Session:
        """An open session of this endpoint. Raises UpstreamFault where there can't be one."""
        found = self.sessions.get(endpoint.server)
        if found is not None and (found.is_dead or found.endpoint.key != endpoint.key):
            found.retire()
            found = None
        if found is None:
            self._make_room()
            found = self.sessions[endpoint.server] = Session(endpoint)
        # The opening goes on when this caller's time is over: the next one finds it open.
        await asyncio.shield(found.ready)
        return found

    def _make_room(self) -> None:
        self.sessions = {name: each for name, each in self.sessions.items() if not each.is_dead}
        if len(self.sessions) < limits.SESSIONS:
            return
        idle = [each for each in self.sessions.values() if not each.in_use]
        if not idle:
            raise Unreachable(f"All {limits.SESSIONS} sessions of this process are busy.")
        oldest = min(idle, key=lambda each: each.used_at)
        oldest.retire()
        del self.sessions[oldest.endpoint.server]

    async def using(
        self, endpoint: Endpoint, act: Callable[[Session], Coroutine[Any, Any, _T]]
    ) -> _T:
        """What `act` makes of a session. One that ended before it was asked is replaced, once."""
        for _ in range(2):
            session = await self.session(endpoint)
            session.in_use += 1
            try:
                return await act(session)
            except Over:
                continue
            finally:
                session.in_use -= 1
                session.used_at = time.monotonic()
                if session.retired:
                    session.retire()
        raise Unreachable(f"Server {endpoint.server} ends every session that is opened.")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for name, session in list(self.sessions.items()):
                idle = not session.in_use and now - session.used_at > limits.IDLE_SECONDS
                old = now - session.opened_at > limits.LIFE_SECONDS
                if session.is_dead or idle or old:
                    session.retire()
                    del self.sessions[name]

    async def close(self) -> None:
        sessions, self.sessions = list(self.sessions.values()), {}
        await asyncio.gather(*(each.close() for each in sessions))


async def _bounded(work: Coroutine[Any, Any, _T], seconds: float) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise Late(f"There was no answer within {seconds:g} s.") from error


def call(
    endpoint: Endpoint,
    name: str,
    arguments: Mapping[str, Any],
    *,
    seconds: float,
    is_approved: Check,
) -> Answered:
    """Call a tool, if the server's list shows it as it was approved. Raises UpstreamFault."""
    progress: list[str] = []

    async def act(session: Session) -> Answered:
        listing = await session.listed(within=limits.FRESH_SECONDS)
        definition = listing.get(name)
        if definition is None:
            raise Missing(f"Server {endpoint.server} has no tool {name!r} any more.")
        if not is_approved(definition):
            told = f"Tool {name} of server {endpoint.server} isn't as it was approved."
            raise Unlike(told, list(listing.values()))
        raw = await session.call(name, arguments, seconds=seconds, progress=progress)
        return Answered(raw, definition)

    pool = _pool()
    try:
        return pool.run(pool.using(endpoint, act), seconds=seconds)
    except Late as error:
        last = f" Its last word was: {progress[0][:500]}." if progress else ""
        raise Late(f"{error}{last}") from error


def listed(
    endpoint: Endpoint, *, seconds: float = limits.LIST_SECONDS
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A fresh list of the server's tools, and what it says of itself. Raises UpstreamFault."""

    async def act(session: Session) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        return list((await session.listed(within=0.0)).values()), session.info

    pool = _pool()
    return pool.run(pool.using(endpoint, act), seconds=seconds)


_made: dict[int, Pool] = {}
_lock = threading.Lock()


def _pool() -> Pool:
    """This process's pool: a child that was forked makes its own."""
    with _lock:
        found = _made.get(os.getpid())
        if found is None:
            found = _made[os.getpid()] = Pool()
        return found


def opened() -> tuple[str, ...]:
    """The names of the servers that this process has a session with."""
    pool = _made.get(os.getpid())
    return tuple(sorted(pool.sessions)) if pool else ()


def close() -> None:
    """End every session of this process. The next call opens what it needs again."""
    pool = _made.get(os.getpid())
    if pool is not None and pool.thread.is_alive():
        with suppress(Late, RuntimeError):
            pool.run(pool.close(), seconds=limits.CLOSE_SECONDS * 2)


def _forget() -> None:
    global _lock
    _lock = threading.Lock()
    _made.clear()


atexit.register(close)
os.register_at_fork(after_in_child=_forget)

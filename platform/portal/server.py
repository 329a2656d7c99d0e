"""The embedded server: web, worker and timer in one process, for one home."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection, connections
from granian.constants import Interfaces
from granian.server.embed import Server
from kernel import outbox

from orchestration import calls, sandbox, tasks, upstreams
from portal import timer
from portal.worker import Worker
from registry.models.agents import Runtime

log = structlog.get_logger(__name__)

# What is at work when a stop is asked for gets this long; a second signal ends it at once.
GRACE_SECONDS = 5
INTERRUPTED = 130


class ServerError(Exception):
    """The server can't start; the text says why and what to do."""


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def address(host: str, port_text: str) -> Address:
    """The address, once it is known to be free. Port 0 picks a free one.

    Raises ServerError when it is no port, or somebody else listens there.
    """
    if not port_text.isdecimal() or int(port_text) > 65535:
        raise ServerError(f"{port_text!r} is no port. Give a number up to 65535: make up PORT=8001")
    port = int(port_text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServerError(_why_not(host, port, error)) from error
        return Address(host, probe.getsockname()[1])


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken. Choose another one: make up PORT={port + 1}"
    if error.errno == errno.EACCES:
        return f"Port {port} is for root alone. Choose one above 1023: make up PORT=8000"
    return f"Can't listen at {host}:{port}: {error.strerror}."


@contextlib.contextmanager
def home_held(var: Path) -> Iterator[None]:
    """One embedded server for a home: its worker and its timer assume that they are alone.

    Raises ServerError when another one runs.
    """
    var.mkdir(parents=True, exist_ok=True)
    with open(var / "gatehouse.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise ServerError(
                f"Gatehouse already runs on this home ({var}): {file.read().strip() or 'unknown'}. "
                "Stop it first, or choose another home: make up GATEHOUSE_HOME=DIR PORT=8001"
            ) from error
        yield


def note_holder(var: Path, at: Address) -> None:
    """Write into the lock file who holds the home, for the one who finds it held."""
    (var / "gatehouse.lock").write_text(f"process {os.getpid()}, {at.url}\n")


class Embedded:
    """The three parts, started together and stopped together."""

    def __init__(self, at: Address, *, started: Callable[[], None] = lambda: None) -> None:
        """`started` is called in a thread of its own once the server answers."""
        self.at = at
        self.started = started
        self.worker = Worker()
        self.timer = timer.Timer(timer.duties())
        self._stopping = False

    def run(self) -> int:
        """Serve until a signal asks to stop. Returns the exit status.

        1. give up what the process before us had in hand: the home is held, so it is gone, and its
           children died with it;
        2. start worker and timer, then listen;
        3. on a signal stop listening, stop the timer, let work end, end the children.
        """
        if settings.EMBEDDED and connection.vendor == "sqlite":
            take_over()
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
        self.worker.start()
        self.timer.start()
        try:
            asyncio.run(self._serve())
        finally:
            self._end()
        return 0

    async def _serve(self) -> None:
        from portal.asgi import application  # noqa: PLC0415 - it loads every address at import

        server = Server(
            application,
            address=self.at.host,
            port=self.at.port,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        # The embedded server takes the value here only. It's how long open requests may go on.
        server.workers_kill_timeout = GRACE_SECONDS
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop, server)
        announcing = loop.create_task(self._announce())
        with contextlib.suppress(TimeoutError):
            await server.serve()
        announcing.cancel()
        # From here on Python's own handlers: a second signal interrupts whatever still waits.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, lambda *_: _end_at_once())

    def _asked_to_stop(self, server: Server) -> None:
        if self._stopping:
            _end_at_once()
        self._stopping = True
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    async def _announce(self) -> None:
        while not _answers(self.at):
            await asyncio.sleep(0.02)
        threading.Thread(target=self._run_started, name="started", daemon=True).start()

    def _run_started(self) -> None:
        try:
            self.started()
        except Exception:
            log.exception("server.started_failed")
        finally:
            connections.close_all()

    def _end(self) -> None:
        self.timer.stop()
        if not self.worker.stop(GRACE_SECONDS):
            log.warning("server.work_left", hint="what was at work is taken up at the next start")
        upstreams.close()
        sandbox.drain()
        end_children()
        connections.close_all()


def take_over() -> None:
    """What the process before us had in hand is in nobody's: no lease has to run out first."""
    outbox.release_claims()
    calls.recover(all_live=True)
    tasks.release(Runtime.STARTER)


def _answers(at: Address) -> bool:
    host = at.url.removeprefix("http://").rsplit(":", 1)[0].strip("[]")
    try:
        socket.create_connection((host, at.port), timeout=0.2).close()
    except OSError:
        return False
    return True


def children() -> list[int]:
    """The processes that this process started and that still live."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def end_children(grace: float = 2.0) -> None:
    """Ask the children to end, wait a little, and end those that don't."""
    for pid in children():
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while children() and time.monotonic() < deadline:
        _reap()
        time.sleep(0.02)
    for pid in children():
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _end_at_once() -> None:
    for pid in children():
        _signal(pid, signal.SIGKILL)
    os._exit(INTERRUPTED)

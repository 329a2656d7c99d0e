"""Talks with one launcher: feeds the job, keeps its output within bounds, takes the report."""

from __future__ import annotations

import marshal
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from orchestration.sandbox.handover import End
from orchestration.sandbox.job import Job
from orchestration.sandbox.runtime import python_runtime
from orchestration.sandbox.slots import Slot

# What the launcher may take beyond the job's time to set up and to clear away.
GRACE_SECONDS = 20.0
CHUNK = 1 << 16
# What lasts longer has time for a replacement to be made beside it.
MOMENT_SECONDS = 0.02
# The launcher is imported, so that it comes compiled, but past the packages' own __init__, which
# would import the platform's half.
BOOT = """
import sys
for name, folder in (("orchestration", ""), ("orchestration.sandbox", "/sandbox")):
    package = type(sys)(name)
    package.__path__ = [sys.argv[2] + folder]
    sys.modules[name] = package
from orchestration.sandbox.PROGRAM import main
main()
"""
PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


@dataclass
class Conversation:
    """What came through the pipes: both outputs as kept, and the launcher's report."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    launcher_killed: bool = False

    def keep(self, stream: bytearray, chunk: bytes, limit: int) -> None:
        room = limit - len(self.stdout) - len(self.stderr)
        stream += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room


@dataclass(frozen=True)
class Launcher:
    """A running launcher; closing `control`, a socket, ends it and its job."""

    process: subprocess.Popen[bytes]
    control: int
    result: int

    def streams(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self.process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101
        return process.stdin, process.stdout, process.stderr

    def let_go(self) -> None:
        """Closes our ends, once: the launcher ends what is still at work and clears away."""
        for fd in (self.control, self.result):
            os.close(fd)
        for stream in self.streams():
            stream.close()


def converse(job: Job, spec: dict[str, Any], slot: Slot) -> Conversation:
    """Hands `spec` to a launcher and stays with it until the job has ended and all is cleared."""
    # It holds the slot until all is cleared away, even if the platform is killed meanwhile.
    launcher = started(spec, program="launcher", keeping=[slot.fd])
    try:
        talk, answer, overdue = _followed(launcher, job)
    finally:
        launcher.let_go()
        finish(launcher)
    talk.launcher_killed = launcher.process.returncode < 0
    talk.report = _read_report(answer, launcher.process.returncode, overdue=overdue)
    return talk


def follow(launcher: Launcher, job: Job, end: End, *, lasting: Callable[[], None]) -> Conversation:
    """Stays with a launcher that was handed `job` until that has ended; clearing away goes on.

    `lasting` is called if it takes more than a moment.
    """
    try:
        talk, answer, overdue = _followed(launcher, job, end, lasting)
    finally:
        launcher.let_go()
    if end.report is not None and not answer:
        talk.report = end.report
        return talk
    if not answer:
        finish(launcher)
        talk.launcher_killed = True
    talk.report = _read_report(answer, launcher.process.returncode or 0, overdue=overdue)
    talk.report["exit_code"] = end.exit_code
    return talk


def _followed(
    launcher: Launcher, job: Job, end: End | None = None, lasting: Callable[[], None] | None = None
) -> tuple[Conversation, bytearray, bool]:
    """What came of `job`, the launcher's answer, and whether it had to be given up.

    With `end` there may be no answer yet: it is not waited for when all that could write is dead,
    and the pipes hold the rest.
    """
    talk, answer = Conversation(), bytearray()
    deadline = time.monotonic() + job.limits.wall_seconds + GRACE_SECONDS
    _, stdout, stderr = launcher.streams()
    sinks = {stdout.fileno(): talk.stdout, stderr.fileno(): talk.stderr, launcher.result: answer}
    # Without the system calls that epoll takes to be made, filled and closed.
    with selectors.PollSelector() as selector:
        for fd in [*sinks, *([end.fd] if end else [])]:
            selector.register(fd, selectors.EVENT_READ)
        feed = _Feed(launcher, job.stdin, selector)
        while sinks and time.monotonic() < deadline:
            events = selector.select(timeout=MOMENT_SECONDS if lasting else 1.0)
            for key, _ in events:
                if end and key.fd == end.fd:
                    selector.unregister(end.fd)
                    end.look()
                elif key.fd not in sinks:
                    feed.more()
                elif chunk := os.read(key.fd, CHUNK):
                    _take(talk, sinks[key.fd], chunk, answer, job.limits.output_bytes)
                else:
                    selector.unregister(key.fd)
                    del sinks[key.fd]
            if talk.truncated:
                _stop_listening(launcher, selector, sinks)
            if end and end.report and not answer:
                sinks.pop(launcher.result, None)
                _take_rest(talk, sinks, job.limits.output_bytes)
                return talk, answer, False
            if lasting and not events:
                lasting()
                lasting = None
    if end and end.exit_code is None:
        end.look()
    return talk, answer, bool(sinks)


def _take(talk: Conversation, sink: bytearray, chunk: bytes, answer: bytearray, limit: int) -> None:
    if sink is answer:
        answer += chunk
    else:
        talk.keep(sink, chunk, limit)


def _take_rest(talk: Conversation, sinks: dict[int, bytearray], limit: int) -> None:
    for fd, sink in sinks.items():
        os.set_blocking(fd, False)
        with suppress(BlockingIOError):
            while chunk := os.read(fd, CHUNK):
                talk.keep(sink, chunk, limit)


def _stop_listening(
    launcher: Launcher, selector: selectors.BaseSelector, sinks: dict[int, bytearray]
) -> None:
    """More than may be kept has come: the launcher ends the job, only its report is waited for."""
    if len(sinks) > 1 or launcher.result not in sinks:
        with suppress(BrokenPipeError):
            os.write(launcher.control, b"o")
        for fd in [fd for fd in sinks if fd != launcher.result]:
            selector.unregister(fd)
            del sinks[fd]


def _read_report(answer: bytearray, code: int, *, overdue: bool) -> dict[str, Any]:
    if answer:
        # Written by our own launcher, never by a job: the pipe is closed before that begins.
        report: dict[str, Any] = marshal.loads(bytes(answer))  # noqa: S302
        return report
    if code >= 0:
        return {"error": f"the launcher broke and ended with {code}"}
    # Killed, by us if it was overdue, and its job with it: what had run by then isn't known.
    reason = "time" if overdue else "exited"
    return {"reason": reason, "exit_code": None, "status": code, "wall": 0, "cpu": 0, "peak": None}


class _Feed:
    """Writes standard input as fast as the job reads it, and closes it then."""

    def __init__(self, launcher: Launcher, content: bytes, selector: selectors.BaseSelector):
        self.stream, _, _ = launcher.streams()
        self.left = memoryview(content)
        self.selector = selector
        if content:
            os.set_blocking(self.stream.fileno(), False)
            selector.register(self.stream.fileno(), selectors.EVENT_WRITE)
        else:
            self.stream.close()

    def more(self) -> None:
        try:
            self.left = self.left[os.write(self.stream.fileno(), self.left[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.left = self.left[:0]
        if not self.left:
            self.selector.unregister(self.stream.fileno())
            self.stream.close()


def started(spec: dict[str, Any], *, program: str, keeping: Sequence[int]) -> Launcher:
    """A launcher at work on `spec`, which keeps these file descriptors for as long as it lives."""
    with ExitStack() as on_failure:
        with ExitStack() as theirs:
            spec_read, spec_write = _ends(os.pipe(), theirs, on_failure)
            control_read, control = _ends(_socket_pair(), theirs, on_failure)
            result_write, result = _ends(os.pipe()[::-1], theirs, on_failure)
            given = [spec_read, control_read, result_write, *keeping]
            process = _process(program, given)
        on_failure.pop_all()
    ends = {"control": control_read, "result": result_write, "fds": given}
    with suppress(BrokenPipeError), open(spec_write, "wb") as file:
        marshal.dump(spec | ends, file)
    return Launcher(process, control, result)


def _ends(pair: tuple[int, int], theirs: ExitStack, ours: ExitStack) -> tuple[int, int]:
    theirs.callback(os.close, pair[0])
    ours.callback(os.close, pair[1])
    return pair


def _socket_pair() -> tuple[int, int]:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


def _process(program: str, given: list[int]) -> subprocess.Popen[bytes]:
    boot = BOOT.replace("PROGRAM", program)
    return subprocess.Popen(
        [python_runtime().program, "-I", "-S", "-c", boot, str(given[0]), PACKAGE_ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=given,
        env={},
        cwd="/",
        bufsize=0,
        # A Ctrl-C in the terminal is for the platform, which then ends the launcher in order.
        start_new_session=True,
    )


def finish(launcher: Launcher) -> None:
    """Waits until a launcher that was let go of has cleared everything away."""
    try:
        launcher.process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        # Whatever it hangs on: its death ends bubblewrap, and bubblewrap's the job.
        launcher.process.kill()
        launcher.process.wait()

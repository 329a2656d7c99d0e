"""The `starter` runtime: the platform starts the agent's bundled program as a child process.

The child knows the REST API's address, a key that lives as long as its task, and its task's token:
nothing else of the platform. A thread supervises it, so that no worker slot waits.
"""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from kernel import clock, outbox
from kernel.actor import SYSTEM
from kernel.problems import Problem

from orchestration import tasks
from orchestration.models import AgentTask
from orchestration.models.tasks import TaskStatus
from orchestration.runtimes import slots
from orchestration.runtimes.output import Output
from orchestration.tasks import Claimed
from registry import keys

log = structlog.get_logger(__name__)

TOPIC = "task.launch"
LEASE = timedelta(seconds=30)
RENEW_SECONDS = 8.0
TICK_SECONDS = 0.5
WHEN_FULL = timedelta(seconds=2)
LONGEST = timedelta(hours=6)
CHILD = Path(__file__).with_name("child.py")


def launch(task_id: UUID) -> None:
    """Start the task's program: the receiver of `task.launch`. Returns at once.

    When as many children run on this machine as it may have, the message is put off. Delivered
    twice it starts one child: the task is claimed by a conditional update.
    """
    slot = slots.take(settings.VAR / "locks" / "starter", settings.STARTER_PARALLEL)
    if slot is None:
        outbox.put(TOPIC, task_id, due_at=clock.now() + WHEN_FULL)
        return
    claimed = None
    try:
        claimed = tasks.claim_one(task_id, by=SYSTEM, lease=LEASE)
    finally:
        if claimed is None:
            slot.release()
    if claimed is not None:
        stop = threading.Event()
        thread = threading.Thread(
            target=_supervise, args=(claimed, slot, stop), name=f"starter-{task_id}", daemon=True
        )
        _supervisors[thread] = stop
        thread.start()


_supervisors: dict[threading.Thread, threading.Event] = {}


def close(seconds: float = 15.0) -> int:
    """Stop the children of this process, and wait until all that is done for them has been done.

    Their tasks go to somebody else when their leases have run out. Returns how many still go on.
    """
    there = list(_supervisors.items())
    for _, stop in there:
        stop.set()
    until = time.monotonic() + seconds
    for thread, _ in there:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(thread.is_alive() for thread, _ in there)


@dataclass(frozen=True)
class Child:
    """A started program with what has to be cleared away after it."""

    process: "subprocess.Popen[bytes]"
    output: Output
    folder: Path


def _supervise(claimed: Claimed, slot: slots.Slot, stop: threading.Event) -> None:
    """From start to end of one child; whatever happens, slot, key and folder are given back."""
    task = claimed.task
    try:
        _run(claimed, stop)
    except Exception as error:
        log.exception("starter.failed", task=str(task.id))
        _fail(claimed, f"the program couldn't be run: {type(error).__name__}: {error}")
    finally:
        slot.release()
        try:
            keys.revoke_for_task(task.id)
        except DatabaseError as error:
            # The key expires, and recovery ends the keys of tasks that have ended.
            log.warning("starter.key_left", task=str(task.id), error=str(error))
        connection.close()
        _supervisors.pop(threading.current_thread(), None)


def _run(claimed: Claimed, stop: threading.Event) -> None:
    task = claimed.task
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-task-"))
    output = Output(settings.VAR / "logs" / "tasks" / f"{task.id}.log")
    try:
        # Started by this very thread: the kernel ties a child's death signal to the thread that
        # made it, and this one lives as long as the child.
        child = Child(_start(claimed, folder), output, folder)
        ended = _watch(child, claimed, stop)
    finally:
        output.close()
        shutil.rmtree(folder, ignore_errors=True)
    if ended is not None and _is_held(task.id):
        _fail(claimed, f"the program ended with {_told(ended)} and no result: {output.tail}")


def _start(claimed: Claimed, folder: Path) -> "subprocess.Popen[bytes]":
    task = claimed.task
    program = str(task.agent.runtime_config.get("program", ""))
    if not program:
        raise ValueError(f"agent {task.agent_name} has no `program` in its runtime_config")
    key = keys.issue(
        task.agent,
        label=f"task {task.id}",
        expires_at=clock.now() + LONGEST,
        task_id=task.id,
        for_team_id=task.team_id,
    )
    return subprocess.Popen(
        [sys.executable, "-u", str(CHILD), str(os.getpid()), program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=_environment(claimed, key.text, folder),
        start_new_session=True,
    )


def _environment(claimed: Claimed, key: str, folder: Path) -> Mapping[str, str]:
    """All that the child is told; none of the platform's own settings or secrets."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(settings.ROOT / "platform"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GATEHOUSE_URL": settings.BASE_URL,
        "GATEHOUSE_KEY": key,
        "GATEHOUSE_TASK": str(claimed.task.id),
        "GATEHOUSE_TASK_TOKEN": claimed.token,
    }


def _watch(child: Child, claimed: Claimed, stop: threading.Event) -> int | None:
    """Read the child's output and renew its lease until it ends: its exit status, or None when it
    was stopped because nobody wants its result any more, or this process ends."""
    stream = child.process.stdout
    assert stream is not None  # noqa: S101 - a pipe was asked for
    renewed = time.monotonic()
    with selectors.DefaultSelector() as selector, stream:
        os.set_blocking(stream.fileno(), False)
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if selector.select(TICK_SECONDS) and not child.output.take(stream.fileno()):
                selector.unregister(stream)
                child.process.wait()
                return child.process.returncode
            if child.process.poll() is not None:
                child.output.take(stream.fileno())
                return child.process.returncode
            if stop.is_set():
                _stop(child.process)
                return None
            if time.monotonic() - renewed >= RENEW_SECONDS:
                renewed = time.monotonic()
                if not _renew(claimed):
                    _stop(child.process)
                    return None


def _renew(claimed: Claimed) -> bool:
    """Whether the task is still this child's. A database that is away for a moment isn't a no."""
    try:
        close_old_connections()
        beat = tasks.heartbeat(claimed.task.id, claimed.token, lease=LEASE)
    except Problem:
        return False
    except DatabaseError as error:
        log.warning("starter.not_renewed", task=str(claimed.task.id), error=str(error))
        return True
    return not beat.cancelled


def _stop(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    except ProcessLookupError:
        process.wait()


def _is_held(task_id: UUID) -> bool:
    return AgentTask.objects.filter(id=task_id, status=TaskStatus.CLAIMED).exists()


def _fail(claimed: Claimed, message: str) -> None:
    """The attempt failed; whether there is another is the step's question."""
    error = {"reason": "program_failed", "message": message[-4000:]}
    try:
        tasks.fail(claimed.task.id, claimed.token, error, retryable=True)
    except (Problem, DatabaseError) as problem:
        # Somebody else has the task, or the lease runs out and recovery decides.
        log.warning("starter.fail_unheard", task=str(claimed.task.id), error=str(problem))


def _told(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"

"""What came of a job, from what its launcher reported."""

from __future__ import annotations

import signal

from orchestration.sandbox.config import SandboxUnavailable
from orchestration.sandbox.conversation import Conversation
from orchestration.sandbox.job import Ending, Enforcement, Outcome

# What a shell answers for a program that isn't there.
NOT_FOUND = 127
HINT = (
    "Unprivileged user namespaces may be switched off; see `sysctl user.max_user_namespaces "
    "kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`."
)


def outcome(talk: Conversation, enforced: Enforcement) -> Outcome:
    report = talk.report
    if "error" in report:
        said = bytes(talk.stderr[-2000:]).decode(errors="replace")
        raise SandboxUnavailable(f"The sandbox couldn't be set up: {report['error']}. {said}")
    ending, exit_code, number = _ending(talk)
    return Outcome(
        ending=ending,
        exit_code=exit_code,
        signal=number,
        stdout=bytes(talk.stdout),
        stderr=bytes(talk.stderr),
        truncated=talk.truncated,
        wall_seconds=report["wall"],
        cpu_seconds=report["cpu"],
        peak_memory_bytes=report["peak"],
        enforcement=enforced,
    )


def _ending(talk: Conversation) -> tuple[Ending, int | None, int | None]:
    """How it ended, with exit code and signal. Raises SandboxUnavailable if it never began."""
    report = talk.report
    if report["reason"] == "memory":
        return Ending.memory_exceeded, None, signal.SIGKILL
    if talk.truncated:
        return Ending.output_exceeded, None, signal.SIGKILL
    if report["reason"] == "time":
        return Ending.timed_out, None, signal.SIGKILL
    if report["reason"] == "disk":
        return Ending.killed, None, signal.SIGXFSZ
    code = report["exit_code"]
    if code is None:
        return _ended_early(talk)
    if code > 128 and code - 128 < signal.NSIG:
        return Ending.killed, None, code - 128
    return (Ending.succeeded if code == 0 else Ending.failed), code, None


def _ended_early(talk: Conversation) -> tuple[Ending, int | None, int | None]:
    """bubblewrap told no exit code: no such program, killed from outside, or no sandbox here."""
    said = bytes(talk.stderr).decode(errors="replace").strip()
    if said.startswith("bwrap: execvp"):
        return Ending.failed, NOT_FOUND, None
    status = talk.report["status"]
    if status < 0:
        return Ending.killed, None, -status
    raise SandboxUnavailable(f"bubblewrap can't make a sandbox here: {said or status}. {HINT}")

"""What the sandbox is on this machine, told to the person who starts or inspects Gatehouse."""

import os
from dataclasses import replace

from django.conf import settings

from orchestration.executors import sandboxed
from orchestration.sandbox import Report, probe

MARKER = "weak_limits"
WEAK_NOTE = (
    "Sandbox: no cgroup can be written here, so memory, CPU and process limits are held by rlimits "
    "alone, which are weaker. Every call shows it. SANDBOX_WEAK_LIMITS=false refuses such calls."
)


COLD_NOTE = (
    "Sandbox: none can be kept booted for calls, so each starts its own, which takes longer: {}"
)


def told(found: Report) -> str:
    """What is in force, on one line."""
    limits = f"memory by {found.memory}, CPU by {found.cpu}, processes by {found.processes}"
    kept = f"{found.pool.idle} of {found.pool.max_idle} kept booted"
    busy = f"{found.pool.busy} of {found.pool.max_parallel} at work"
    calls = "system calls filtered" if found.seccomp else "system calls not filtered"
    return f"bubblewrap {found.version or 'missing'}; {limits}; {calls}; {kept}, {busy}"


def report(*, weak_limits: bool) -> Report:
    """What is in force; runs one trial job."""
    return probe(replace(sandboxed.config(), weak_limits=weak_limits))


def settle() -> tuple[str, ...]:
    """Allow weak limits for this home where nothing else can be had; what there is to say about it.

    An operator's own SANDBOX_WEAK_LIMITS, either way, stays in force. The permission is kept in the
    home, so that other commands on it see the same.
    """
    found = report(weak_limits=True)
    notes = tuple(f"Sandbox: {problem}" for problem in found.problems)
    marker = settings.VAR / MARKER
    if found.weak and settings.EMBEDDED and "SANDBOX_WEAK_LIMITS" not in os.environ:
        marker.write_text("Allowed by `make up`: no cgroup could be written on this machine.\n")
        settings.SANDBOX_WEAK_LIMITS = True
    elif not found.weak:
        marker.unlink(missing_ok=True)
    return (*notes, WEAK_NOTE) if found.weak and settings.SANDBOX_WEAK_LIMITS else notes

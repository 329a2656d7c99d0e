"""Runs a job: the platform's side of the launcher."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from orchestration.sandbox import (
    bubblewrap,
    cgroups,
    ending,
    filesystem,
    leftovers,
    seccomp,
    shelf,
    slots,
    specs,
)
from orchestration.sandbox.bubblewrap import Bubblewrap
from orchestration.sandbox.cgroups import Hierarchy
from orchestration.sandbox.config import SandboxConfig, SandboxUnavailable
from orchestration.sandbox.conversation import Conversation, converse
from orchestration.sandbox.job import Enforcement, Job, Outcome
from orchestration.sandbox.pool import POOL
from orchestration.sandbox.slots import Slot
from orchestration.sandbox.warm import Place

LOOK_AGAIN_SECONDS = 5.0
LONGEST_TEXT, ALL_TEXTS, MOST_NAMES = 100_000, 1_000_000, 1000

_looked: dict[str | None, tuple[float, tuple[Hierarchy, ...]]] = {}


def run(job: Job, *, config: SandboxConfig, party: str = "") -> Outcome:
    """Runs `job` in a sandbox of its own and waits for its end.

    When every slot is taken, `party` (a team, say) is who waits: parties take turns, and the calls
    of one party keep their order. Raises SandboxUnavailable (nothing ran; the message has the next
    step), SandboxBusy when no slot came free, and ValueError for a job that makes no sense.

    1. look at what there is, and refuse what can't be held; 2. wait for a slot; 3. hand the job to
    a sandbox that is booted for its like, if one is ready; 4. else start one.
    """
    check(job)
    here = place(config)
    leftovers.swept_once(here.hierarchies, config)
    with shelf.held(job.binds, config=config), slots.taken(config, party=party) as slot:
        with POOL.asked(job, here) as warm:
            talk = warm.serve(job, slot) if warm is not None else None
        if warm is not None and talk is not None:
            used = replace(here.enforced, uid=warm.berth.uid, start="warm")
        else:
            talk, used = _cold(job, here, slot), replace(here.enforced, uid=slot.uid)
    if talk.launcher_killed:
        # It could clear nothing away. The slot is free by now, so it can be done for it.
        leftovers.sweep(here.hierarchies, config)
    return ending.outcome(talk, used)


def place(config: SandboxConfig) -> Place:
    """What there is on this machine; raises SandboxUnavailable where that isn't enough."""
    program = bubblewrap.find()
    hierarchies = _hierarchies(config.cgroup_parent)
    enforced = enforcement(hierarchies, config=config, program=program)
    return Place(config, program, hierarchies, enforced)


def _hierarchies(parent: str | None) -> tuple[Hierarchy, ...]:
    """`cgroups.writable`, looked at again after some seconds: a service's cgroups may change."""
    until, known = _looked.get(parent, (0.0, ()))
    if time.monotonic() < until:
        return known
    found = cgroups.writable(parent)
    _looked[parent] = (time.monotonic() + LOOK_AGAIN_SECONDS, found)
    return found


def _cold(job: Job, here: Place, slot: Slot) -> Conversation:
    with tempfile.TemporaryDirectory(prefix="gatehouse-files-") as folder:
        bound = specs.with_files(job, Path(folder)) if job.files else job
        spec = specs.spec(bound, here.program, slot, here.enforced, config=here.config)
        groups = cgroups.plan(here.hierarchies, job.limits, slot.name)
        return converse(job, spec | {"cgroups": [asdict(group) for group in groups]}, slot)


def check(job: Job) -> None:
    """Raises ValueError for a job that makes no sense."""
    if not job.argv:
        raise ValueError("Job.argv is empty; name a program.")
    texts = (*job.argv, *job.env, *job.env.values(), job.cwd)
    if any("\0" in text for text in texts) or any("=" in name or not name for name in job.env):
        raise ValueError("Job.argv, env and cwd may hold no NUL, and names in env no `=`.")
    # The kernel's bounds of an argument (32 pages) and bubblewrap's of options (9,000).
    if any(len(os.fsencode(text)) > LONGEST_TEXT for text in texts):
        raise ValueError(f"A text in Job.argv or env is over {LONGEST_TEXT} bytes; use stdin.")
    if sum(len(os.fsencode(text)) + 9 for text in texts) > ALL_TEXTS or len(job.env) > MOST_NAMES:
        raise ValueError("Job.argv and env are too long together; use stdin or a bind.")
    filesystem.check_targets((*(bind.target for bind in job.binds), *job.files))


def enforcement(
    hierarchies: tuple[Hierarchy, ...], *, config: SandboxConfig, program: Bubblewrap
) -> Enforcement:
    """What holds the limits here; raises SandboxUnavailable where that isn't enough."""
    if not seccomp.supported():
        raise SandboxUnavailable(
            f"There is no system call filter for {os.uname().machine}; use x86_64 or aarch64."
        )
    enforced = Enforcement(
        memory=cgroups.mechanism(hierarchies, "memory"),
        cpu=cgroups.mechanism(hierarchies, "cpu"),
        processes=cgroups.mechanism(hierarchies, "pids"),
        seccomp=True,
        uid=os.geteuid(),
        bubblewrap=program.version,
    )
    weak = [name for name in ("memory", "cpu", "processes") if getattr(enforced, name) == "rlimit"]
    if weak and not config.weak_limits:
        raise SandboxUnavailable(
            f"No cgroup can be written that limits {', '.join(weak)}. Start the platform as root, "
            "or as a systemd service with `Delegate=yes`, or by `systemd-run --user --scope "
            "-p Delegate=yes`; or set SANDBOX_WEAK_LIMITS=1 to make do with rlimits."
        )
    return enforced

"""What the sandbox would be on this machine, for `doctor` and the system check."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.sandbox import bubblewrap, cgroups, launch, locks, seccomp, slots, turns
from orchestration.sandbox.config import SandboxConfig, SandboxUnavailable
from orchestration.sandbox.job import Ending, Job, Limits, Mechanism
from orchestration.sandbox.launch import run
from orchestration.sandbox.runtime import python_runtime
from orchestration.sandbox.warm import BootFailed, NoRoom, Warm, idle_of, profile

TRIAL = Job(
    ("python3", "-I", "-c", "print('ready')"),
    limits=Limits(wall_seconds=10, memory_bytes=1 << 30),
)


@dataclass(frozen=True)
class PoolReport:
    """The sandboxes of all processes of a home, now.

    `starts` is whether one that is booted before its call works here (None if not tried), and
    `fault` why not; calls then start cold. `busy` run, `waiting` calls wait for one to end.
    """

    starts: bool | None
    fault: str
    idle: int
    max_idle: int
    busy: int
    max_parallel: int
    waiting: int


@dataclass(frozen=True)
class Report:
    """What is in force. `problems` are sentences with the next step; none means that it works."""

    bubblewrap: Path | None
    version: str
    memory: Mechanism
    cpu: Mechanism
    processes: Mechanism
    seccomp: bool
    uid: int
    python: str
    pool: PoolReport
    problems: tuple[str, ...]

    @property
    def works(self) -> bool:
        return not self.problems

    @property
    def weak(self) -> bool:
        """Whether rlimits have to do for what only a cgroup really holds."""
        return "rlimit" in (self.memory, self.cpu, self.processes)


def _pool(config: SandboxConfig, *, tried: bool) -> PoolReport:
    starts, fault = _warm_trial(config) if tried and config.max_idle else (None, "")
    return PoolReport(
        starts=starts,
        fault=fault,
        idle=locks.taken(idle_of(config)),
        max_idle=config.max_idle,
        busy=locks.taken(slots.slots_of(config)),
        max_parallel=config.max_parallel,
        waiting=turns.waiting(config),
    )


def _warm_trial(config: SandboxConfig) -> tuple[bool | None, str]:
    """Boots one beside the pool, uses it and ends it."""
    wanted = profile(replace(TRIAL, repeats=True), launch.place(config))
    if wanted is None:
        return False, "This Python has no directory of packages to hold it at its start."
    try:
        warm = Warm(wanted, TRIAL.limits, begun=lambda: None)
    except NoRoom:
        # As many as may wait already do, so they start.
        return None, ""
    except (BootFailed, OSError) as error:
        return False, str(error)
    try:
        with slots.taken(config) as slot:
            talk = warm.serve(TRIAL, slot)
    finally:
        warm.end()
        warm.clear()
    works = talk is not None and talk.stdout == b"ready\n"
    return works, "" if works else f"A trial ended as {talk}."


def probe(config: SandboxConfig) -> Report:
    """Looks at what there is, and runs one trial job."""
    problems, uid = [], os.geteuid()
    try:
        program = bubblewrap.find()
    except SandboxUnavailable:
        program = None
    try:
        outcome = run(TRIAL, config=config)
        uid = outcome.enforcement.uid
        if outcome.ending is not Ending.succeeded:
            said = outcome.stderr.decode(errors="replace").strip()
            problems.append(f"A trial job ended as {outcome.ending}: {said or 'without a word'}.")
    except (SandboxUnavailable, OSError) as error:
        problems.append(str(error))
    hierarchies = cgroups.writable(config.cgroup_parent)
    return Report(
        bubblewrap=program.path if program else None,
        version=program.version if program else "",
        memory=cgroups.mechanism(hierarchies, "memory"),
        cpu=cgroups.mechanism(hierarchies, "cpu"),
        processes=cgroups.mechanism(hierarchies, "pids"),
        seccomp=seccomp.supported(),
        uid=uid,
        python=python_runtime().executable,
        pool=_pool(config, tried=not problems),
        problems=tuple(problems),
    )

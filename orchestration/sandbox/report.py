"""What the sandbox would be on this machine, for `doctor` and the system check."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from orchestration.sandbox import bubblewrap, cgroups, seccomp
from orchestration.sandbox.config import SandboxConfig, SandboxUnavailable
from orchestration.sandbox.job import Ending, Job, Limits, Mechanism
from orchestration.sandbox.launch import run
from orchestration.sandbox.runtime import python_runtime

TRIAL = Job(
    ("python3", "-I", "-c", "print('ready')"),
    limits=Limits(wall_seconds=10, memory_bytes=1 << 30),
)


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
    problems: tuple[str, ...]

    @property
    def works(self) -> bool:
        return not self.problems

    @property
    def weak(self) -> bool:
        """Whether rlimits have to do for what only a cgroup really holds."""
        return "rlimit" in (self.memory, self.cpu, self.processes)


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
        problems=tuple(problems),
    )

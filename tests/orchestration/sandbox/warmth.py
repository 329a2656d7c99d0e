"""Warm sandboxes for the tests: jobs that repeat, and waiting until one is ready for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestration.sandbox import Job, Outcome, SandboxConfig, cgroups, run
from orchestration.sandbox.pool import POOL
from tests.orchestration.sandbox.conftest import ROOMY

CODE = "/code/main.py"


def config_at(home: Path, **more: Any) -> SandboxConfig:
    weak = any(cgroups.mechanism(cgroups.writable(), name) == "rlimit" for name in cgroups.NEEDED)
    return SandboxConfig(home=home, weak_limits=weak, **{"max_idle": 2} | more)


def program(code: str, **more: Any) -> Job:
    """`python3 /code/main.py`, as the python executor runs it."""
    given = {"limits": ROOMY} | more
    return Job(("python3", CODE), files={CODE: code.encode()}, repeats=True, **given)


def until(condition: Callable[[], object], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass(frozen=True)
class Warmth:
    """Runs jobs cold, or warm and nothing else."""

    config: SandboxConfig

    def cold(self, job: Job) -> Outcome:
        outcome = run(replace(job, repeats=False), config=self.config)
        assert outcome.enforcement.start == "cold"
        return outcome

    def warm(self, job: Job, *, party: str = "") -> Outcome:
        self.ready(job)
        outcome = run(job, config=self.config, party=party)
        assert outcome.enforcement.start == "warm", POOL.state(self.config)
        return outcome

    def ready(self, job: Job) -> None:
        """Waits until one is booted; the first of a profile takes a job to be learned from."""
        if not self.idle():
            if not POOL.state(self.config).profiles:
                run(replace(job, files=dict.fromkeys(job.files, b"pass")), config=self.config)
            assert until(self.idle), POOL.state(self.config)

    def idle(self) -> int:
        return POOL.state(self.config).idle


@contextmanager
def warmth(home: Path, **more: Any) -> Iterator[Warmth]:
    try:
        yield Warmth(config_at(home, **more))
    finally:
        POOL.drain()

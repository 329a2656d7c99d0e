from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.sandbox import (
    Job,
    Limits,
    Outcome,
    SandboxConfig,
    SandboxUnavailable,
    bubblewrap,
    cgroups,
    run,
)
from orchestration.sandbox.slots import home_key

ROOT = Path(__file__).resolve().parents[3]
ANOTHER_UID = 64321
ROOMY = Limits(wall_seconds=20, memory_bytes=256 << 20, disk_bytes=32 << 20, file_bytes=16 << 20)


@dataclass(frozen=True)
class Sandbox:
    """`run` in one standing: as the platform's own user, or as another one."""

    standing: str
    execute: Callable[[Job], Outcome]

    def run(self, *argv: str, limits: Limits = ROOMY, **more: Any) -> Outcome:
        return self.execute(Job(argv, limits=limits, **more))

    def python(self, code: str, **more: Any) -> Outcome:
        return self.run("python3", "-I", "-c", code, **more)


@pytest.fixture(scope="session", autouse=True)
def _bubblewrap() -> None:
    try:
        bubblewrap.find()
    except SandboxUnavailable as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def config() -> Iterator[SandboxConfig]:
    """A home of the session below a directory that nobody else may enter."""
    home = Path(tempfile.mkdtemp(prefix="gatehouse-sandbox-"))
    weak = any(cgroups.mechanism(cgroups.writable(), name) == "rlimit" for name in cgroups.NEEDED)
    yield SandboxConfig(home=home / "var", weak_limits=weak, max_parallel=4)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of one test's own. What killed launchers leave in it, nobody else would clear away."""
    yield tmp_path / "home"
    for path in left_cgroups(tmp_path / "home"):
        path.rmdir()


def left_cgroups(home: Path) -> list[Path]:
    pattern = f"gatehouse-{home_key(home):05x}-*"
    return [path for found in cgroups.writable() for path in found.base.glob(pattern)]


def _driven(kind: str) -> Iterator[Sandbox]:
    if os.geteuid() != 0:
        pytest.skip("only root can run jobs as another user; run the tests as root too")
    home = Path(tempfile.mkdtemp(prefix="gatehouse-another-"))
    os.chown(home, ANOTHER_UID, ANOTHER_UID)
    driver = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.driver", str(ANOTHER_UID), str(home), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )

    def execute(job: Job) -> Outcome:
        assert driver.stdin is not None
        assert driver.stdout is not None
        pickle.dump(job, driver.stdin)
        driver.stdin.flush()
        answer = pickle.load(driver.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    yield Sandbox("another user", execute)
    driver.communicate()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def another_user() -> Iterator[Sandbox]:
    yield from _driven("weak")


@pytest.fixture(scope="session")
def another_user_with_cgroups() -> Iterator[Sandbox]:
    if not all(hierarchy.flavour == "cgroup v1" for hierarchy in cgroups.writable()):
        pytest.skip("cgroup v1 isn't what this machine has; v2 is delegated by systemd instead")
    yield from _driven("cgroups")
    for hierarchy in cgroups.writable():
        (hierarchy.base / f"gatehouse-test-{ANOTHER_UID}").rmdir()


@pytest.fixture(scope="session")
def own(config: SandboxConfig) -> Sandbox:
    return Sandbox("own user", lambda job: run(job, config=config))


# Who isn't root is that other user already.
@pytest.fixture(params=["own", "another_user"] if os.geteuid() == 0 else ["own"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Every attempt to break out is made from both standings."""
    return request.getfixturevalue(request.param)

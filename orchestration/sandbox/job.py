"""What goes into the sandbox and what comes out of it: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

Mechanism = Literal["cgroup v2", "cgroup v1", "rlimit"]
Start = Literal["warm", "cold"]


@dataclass(frozen=True)
class Limits:
    """What one job may use.

    `cpus` may be a fraction. `processes` counts threads too. `disk_bytes` is the size of
    /workspace; /tmp has the same size again and /dev/shm at most 64 MiB of its own; all three live
    in memory and so count towards `memory_bytes` where a cgroup holds it. What is bound writable
    may grow by `disk_bytes`, looked at four times a second: such a disk can be overshot.
    `file_bytes` is the largest file a process may write. `output_bytes` is what is kept of standard
    output and error together; a job that writes more is ended.
    """

    wall_seconds: float = 30.0
    cpus: float = 1.0
    memory_bytes: int = 512 << 20
    processes: int = 64
    disk_bytes: int = 256 << 20
    file_bytes: int = 128 << 20
    output_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"Limits.{name} is {value}; give a number above 0.")


@dataclass(frozen=True)
class Bind:
    """A file or directory of the host, seen at `target` inside.

    The job reads it (and, if `writable`, writes it) as the source's owner would. Never name a
    path inside a tree that a job could write: a link in it could lead anywhere.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Job:
    """One program to run. `env` is added to PATH, HOME, LANG and TMPDIR, and wins over them.

    `files` are seen read-only at their targets. A job that `repeats` is one of many that differ in
    standard input, files' contents and limits alone: interpreters may be kept booted for it.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    repeats: bool = False
    cwd: str = "/workspace"
    limits: Limits = field(default_factory=Limits)


class Ending(StrEnum):
    """How a job ended. A writable bind that outgrew `disk_bytes` reads as killed by SIGXFSZ."""

    succeeded = "succeeded"
    failed = "failed"
    timed_out = "timed_out"
    memory_exceeded = "memory_exceeded"
    output_exceeded = "output_exceeded"
    killed = "killed"


@dataclass(frozen=True)
class Enforcement:
    """What held the limits during one call; `uid` is the host's number of the user it ran as.

    `start` is warm when the interpreter was booted before the call came.
    """

    memory: Mechanism
    cpu: Mechanism
    processes: Mechanism
    seccomp: bool
    uid: int
    bubblewrap: str
    start: Start = "cold"


@dataclass(frozen=True)
class Outcome:
    """What came of a job. `stdout` and `stderr` are hostile bytes.

    `exit_code` is None unless the program ended by itself; a program that ends with 128 + n is
    read as ended by signal n, which is how bubblewrap reports one. `peak_memory_bytes` is None
    where no cgroup counts it.
    """

    ending: Ending
    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int | None
    enforcement: Enforcement

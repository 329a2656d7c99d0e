"""What the launcher is told about one job."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.sandbox import bubblewrap, cgroups, filesystem, seccomp
from orchestration.sandbox.bubblewrap import Bubblewrap
from orchestration.sandbox.config import SandboxConfig
from orchestration.sandbox.job import Bind, Enforcement, Job, Limits
from orchestration.sandbox.runtime import PythonRuntime, python_runtime
from orchestration.sandbox.slots import Slot

# Every machine has it, and in the launcher's own mount namespace it may be covered.
STAGE = "/tmp"  # noqa: S108
OPEN_FILES = 1024
# What a tmpfs would be for the gate; it is a directory of the platform's instead.
GATE = "gate"


def with_files(job: Job, folder: Path) -> Job:
    """The job with its `files` written below `folder` and bound from there."""
    binds = []
    for index, (target, content) in enumerate(job.files.items()):
        path = folder / str(index)
        path.write_bytes(content)
        binds.append(Bind(path, target))
    return replace(job, binds=(*job.binds, *binds), files={})


def spec(
    job: Job,
    program: Bubblewrap,
    slot: Slot,
    enforced: Enforcement,
    *,
    config: SandboxConfig,
    gate: Path | None = None,
) -> dict[str, Any]:
    """What the launcher is told, save the cgroups and file descriptors.

    `gate` is a directory that is laid where Python looks for the host's packages.
    """
    runtime = python_runtime()
    binds = [_resolved(bind) for bind in job.binds]
    system = [filesystem.etc(config)]
    if runtime.source is not None:
        system.append(runtime.source)
    as_root = os.geteuid() == 0
    reach = _staged if as_root else _in_place
    etc, placed = _placed(runtime, system, binds, reach=reach)
    gates = [] if gate is None else [_source(GATE, gate, mapped=True)]
    bwrap, carried = _carried(program) if as_root else (str(program.path), [])
    options = [
        *bubblewrap.isolation(job),
        *filesystem.options(
            job, runtime, binds=placed, etc_source=etc, gate=reach(GATE, gate) if gate else None
        ),
    ]
    return {
        "parent": os.getpid(),
        "uid": slot.uid if as_root else None,
        "stage": STAGE,
        "sources": [*_sources(system, binds), *gates, *carried],
        "bwrap": bwrap,
        "options": b"".join(os.fsencode(option) + b"\0" for option in options),
        "command": list(job.argv),
        "filter": seccomp.program(),
        "rlimits": [*constant(), *rlimits(job.limits, enforced, own_user=as_root)],
        "processes": None if as_root else job.limits.processes + cgroups.OVERHEAD,
        "wall": float(job.limits.wall_seconds),
        "watched": [path for path, bind in placed if bind.writable],
        "disk": job.limits.disk_bytes,
    }


def _placed(
    runtime: PythonRuntime,
    system: list[Path],
    binds: list[Bind],
    *,
    reach: Callable[[str, Path], str],
) -> tuple[str, tuple[tuple[str, Bind], ...]]:
    """Where bubblewrap finds /etc, and each bind with Python's first."""
    etc, *python = (reach(f"system/{index}", path) for index, path in enumerate(system))
    placed = [(reach(f"bind/{index}", bind.source), bind) for index, bind in enumerate(binds)]
    if runtime.source is not None:
        placed.insert(0, (python[0], Bind(runtime.source, runtime.target)))
    return etc, tuple(placed)


def _sources(system: list[Path], binds: list[Bind]) -> list[dict[str, Any]]:
    """What the launcher, as root, puts on the stage."""
    return [
        *(_source(f"system/{index}", path) for index, path in enumerate(system)),
        *(
            _source(f"bind/{index}", bind.source, mapped=True, writable=bind.writable)
            for index, bind in enumerate(binds)
        ),
    ]


def _carried(program: Bubblewrap) -> tuple[str, list[dict[str, Any]]]:
    """Where the slot's user can run bubblewrap, and what is put on the stage for that."""
    if bubblewrap.readable_by_all(program.path):
        return str(program.path), []
    # Alone, or with the directories of a wheel beside each other as they were.
    needs = program.needs or (program.path,)
    place = f"{STAGE}/bwrap/{program.path.relative_to(needs[0].parent)}"
    return place, [_source(f"bwrap/{path.name}", path) for path in needs]


def _resolved(bind: Bind) -> Bind:
    if bind.source.is_symlink():
        # Whoever could put it there would choose what of the host the job is given.
        raise ValueError(f"Bind source {bind.source} is a symbolic link; name what it leads to.")
    try:
        return Bind(bind.source.resolve(strict=True), bind.target, bind.writable)
    except OSError as error:
        raise ValueError(f"Bind source {bind.source} can't be reached: {error.strerror}.") from None


def _staged(name: str, _path: Path) -> str:
    return f"{STAGE}/{name}"


def _in_place(_name: str, path: Path) -> str:
    return str(path)


def _source(
    name: str, path: Path, *, mapped: bool = False, writable: bool = False
) -> dict[str, Any]:
    return {"name": name, "path": str(path), "mapped": mapped, "writable": writable}


def constant() -> list[tuple[int, int, int]]:
    """The limits that are the same for every job, as `resource` has them."""
    values = {
        # 1 and not 0: only that keeps the kernel from starting the host's core dump program.
        resource.RLIMIT_CORE: 1,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_MEMLOCK: 64 << 10,
    }
    return [(kind, *_lowered(kind, value)) for kind, value in values.items()]


def rlimits(limits: Limits, enforced: Enforcement, *, own_user: bool) -> list[tuple[int, int, int]]:
    """The limits of each process that follow from the job's."""
    values = {
        resource.RLIMIT_CPU: math.ceil(limits.wall_seconds * max(1.0, limits.cpus)) + 1,
        resource.RLIMIT_FSIZE: limits.file_bytes,
    }
    if own_user:
        values[resource.RLIMIT_NPROC] = limits.processes + cgroups.OVERHEAD
    if enforced.memory == "rlimit":
        # Of each process, not of all together, and some programs reserve more than they use.
        values[resource.RLIMIT_AS] = limits.memory_bytes
    return [(kind, *_lowered(kind, value)) for kind, value in values.items()]


def _lowered(kind: int, value: int) -> tuple[int, int]:
    hard = resource.getrlimit(kind)[1]
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return lowest, lowest

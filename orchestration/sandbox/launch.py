"""Runs a job: the platform's side of the launcher."""

from __future__ import annotations

import math
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from orchestration.sandbox import bubblewrap, cgroups, filesystem, seccomp, shelf, slots
from orchestration.sandbox.bubblewrap import Bubblewrap
from orchestration.sandbox.config import SandboxConfig, SandboxUnavailable
from orchestration.sandbox.conversation import Conversation, converse
from orchestration.sandbox.job import Bind, Ending, Enforcement, Job, Limits, Outcome
from orchestration.sandbox.runtime import PythonRuntime, python_runtime
from orchestration.sandbox.slots import Slot

# Every machine has it, and in the launcher's own mount namespace it may be covered.
STAGE = "/tmp"  # noqa: S108
OPEN_FILES = 1024
LONGEST_TEXT, ALL_TEXTS, MOST_NAMES = 100_000, 1_000_000, 1000
# What a shell answers for a program that isn't there.
NOT_FOUND = 127
HINT = (
    "Unprivileged user namespaces may be switched off; see `sysctl user.max_user_namespaces "
    "kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`."
)


def run(job: Job, *, config: SandboxConfig) -> Outcome:
    """Runs `job` in a sandbox of its own and waits for its end.

    Raises SandboxUnavailable (nothing ran; the message has the next step), SandboxBusy when no
    slot came free, and ValueError for a job that makes no sense.
    """
    _check(job)
    program = bubblewrap.find()
    hierarchies = cgroups.writable(config.cgroup_parent)
    enforced = _enforcement(hierarchies, config=config, program=program)
    with shelf.held(job.binds, config=config), slots.taken(config) as slot:
        spec = _spec(job, program, slot, enforced, config=config)
        spec["cgroups"] = [asdict(g) for g in cgroups.plan(hierarchies, job.limits, slot.name)]
        conversation = converse(job, spec, slot)
        enforced = replace(enforced, uid=slot.uid)
    return _outcome(conversation, enforced)


def _check(job: Job) -> None:
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
    filesystem.check_binds(job.binds)


def _enforcement(
    hierarchies: tuple[cgroups.Hierarchy, ...], *, config: SandboxConfig, program: Bubblewrap
) -> Enforcement:
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


def _spec(
    job: Job, program: Bubblewrap, slot: Slot, enforced: Enforcement, *, config: SandboxConfig
) -> dict[str, Any]:
    """What the launcher is told, save the cgroups and file descriptors."""
    runtime = python_runtime()
    binds = [_resolved(bind) for bind in job.binds]
    system = [filesystem.etc(config)]
    if runtime.source is not None:
        system.append(runtime.source)
    as_root = os.geteuid() == 0
    etc, placed = _placed(runtime, system, binds, reach=_staged if as_root else _in_place)
    bwrap, carried = _carried(program) if as_root else (str(program.path), [])
    options = [
        *bubblewrap.isolation(job),
        *filesystem.options(job, runtime, binds=placed, etc_source=etc),
    ]
    return {
        "parent": os.getpid(),
        "uid": slot.uid if as_root else None,
        "stage": STAGE,
        "sources": [*_sources(system, binds), *carried],
        "bwrap": bwrap,
        "options": b"".join(os.fsencode(option) + b"\0" for option in options),
        "command": list(job.argv),
        "filter": seccomp.program(),
        "rlimits": _rlimits(job.limits, enforced, own_user=as_root),
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


def _rlimits(
    limits: Limits, enforced: Enforcement, *, own_user: bool
) -> list[tuple[int, int, int]]:
    cpu = math.ceil(limits.wall_seconds * max(1.0, limits.cpus)) + 1
    values = {
        # 1 and not 0: only that keeps the kernel from starting the host's core dump program.
        resource.RLIMIT_CORE: 1,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_MEMLOCK: 64 << 10,
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


def _outcome(talk: Conversation, enforced: Enforcement) -> Outcome:
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

"""Where cgroups can be made on this machine, and what to write into one for a job.

Nothing is made here: the launcher makes what `plan` names, and removes it. A job's cgroup lies
below the platform's own wherever that can be, so that it escapes no limit set on the platform.
Sources: the kernel's cgroup-v2.rst and cgroup-v1/*.rst, systemd.io/CGROUP_DELEGATION.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from orchestration.sandbox.job import Limits, Mechanism

Controller = Literal["memory", "cpu", "pids", "cpuacct"]
NEEDED: tuple[Controller, ...] = ("memory", "cpu", "pids")
PERIOD_US = 100_000
# bubblewrap's monitor and its pid 1 are counted with the job.
OVERHEAD = 2


@dataclass(frozen=True)
class Hierarchy:
    """A directory below which the platform may make cgroups with these controllers."""

    flavour: Mechanism
    controllers: frozenset[str]
    base: Path


@dataclass(frozen=True)
class Group:
    """One cgroup for one job. A setting is file, value, and whether the call fails without it."""

    path: str
    settings: tuple[tuple[str, str, bool], ...]
    oom: str | None = None
    peak: str | None = None
    cpu: tuple[str, float] | None = None


@dataclass(frozen=True)
class Mount:
    flavour: Mechanism
    options: frozenset[str]
    root: str
    point: Path


def writable(parent: str | None = None) -> tuple[Hierarchy, ...]:
    """The hierarchies that this process may use, v1 first; `parent` overrides its own cgroup."""
    own = dict(_memberships())
    found = []
    for mount in _mounts():
        key = "" if mount.flavour == "cgroup v2" else _v1_key(mount, own)
        if key is None or key not in own:
            continue
        path = _below(mount, parent if parent is not None else own[key])
        hierarchy = _v2(mount, path) if key == "" else _v1(mount, path)
        if hierarchy is not None:
            found.append(hierarchy)
    return tuple(sorted(found, key=lambda hierarchy: hierarchy.flavour))


def mechanism(hierarchies: tuple[Hierarchy, ...], controller: Controller) -> Mechanism:
    """What holds a limit of this kind: the first cgroup that can, or else rlimits."""
    for hierarchy in hierarchies:
        if controller in hierarchy.controllers:
            return hierarchy.flavour
    return "rlimit"


def plan(hierarchies: tuple[Hierarchy, ...], limits: Limits, name: str) -> tuple[Group, ...]:
    """The cgroups called `name` that hold `limits`."""
    groups, taken = [], set[str]()
    for hierarchy in hierarchies:
        use = hierarchy.controllers - taken
        taken |= use
        if use:
            make = _group_v2 if hierarchy.flavour == "cgroup v2" else _group_v1
            groups.append(make(str(hierarchy.base / name), use, limits))
    return tuple(groups)


def _group_v2(path: str, use: frozenset[str], limits: Limits) -> Group:
    settings = []
    if "memory" in use:
        settings += [
            ("memory.max", str(limits.memory_bytes), True),
            ("memory.swap.max", "0", False),
            ("memory.oom.group", "1", False),
        ]
    if "cpu" in use:
        settings.append(("cpu.max", f"{_quota(limits)} {PERIOD_US}", True))
    if "pids" in use:
        settings.append(("pids.max", str(limits.processes + OVERHEAD), True))
    memory = "memory" in use
    return Group(
        path,
        tuple(settings),
        oom="memory.events" if memory else None,
        peak="memory.peak" if memory else None,
        cpu=("cpu.stat", 1e-6) if "cpu" in use else None,
    )


def _group_v1(path: str, use: frozenset[str], limits: Limits) -> Group:
    settings = []
    if "memory" in use:
        settings += [
            ("memory.limit_in_bytes", str(limits.memory_bytes), True),
            ("memory.memsw.limit_in_bytes", str(limits.memory_bytes), False),
            ("memory.swappiness", "0", False),
        ]
    if "cpu" in use:
        settings += [
            ("cpu.cfs_period_us", str(PERIOD_US), True),
            ("cpu.cfs_quota_us", str(_quota(limits)), True),
        ]
    if "pids" in use:
        settings.append(("pids.max", str(limits.processes + OVERHEAD), True))
    memory = "memory" in use
    return Group(
        path,
        tuple(settings),
        oom="memory.oom_control" if memory else None,
        peak="memory.max_usage_in_bytes" if memory else None,
        cpu=("cpuacct.usage", 1e-9) if "cpuacct" in use else None,
    )


def _quota(limits: Limits) -> int:
    # The kernel refuses a quota below 1 ms.
    return max(1000, int(limits.cpus * PERIOD_US))


def _memberships() -> Iterator[tuple[str, str]]:
    """The cgroups of this process: controllers (comma-separated, "" for v2) and path."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        yield controllers, path


def _mounts() -> Iterator[Mount]:
    """The cgroup mounts, as proc(5) lays out mountinfo."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, point = before.split(" ")[3:5]
        if kind == "cgroup2":
            yield Mount("cgroup v2", frozenset(), root, Path(point))
        elif kind == "cgroup":
            names = frozenset(options.split(" ")[-1].split(","))
            yield Mount("cgroup v1", names, root, Path(point))


def _v1_key(mount: Mount, own: dict[str, str]) -> str | None:
    for key in own:
        if key and set(key.split(",")) <= mount.options:
            return key
    return None


def _below(mount: Mount, path: str) -> Path:
    inside = PurePosixPath("/", path)
    if not inside.is_relative_to(mount.root):
        # A path of another namespace's; what is mounted here is all there is.
        return mount.point
    return mount.point / inside.relative_to(mount.root)


def _v1(mount: Mount, path: Path) -> Hierarchy | None:
    controllers = mount.options & {*NEEDED, "cpuacct"}
    if not controllers or not _may_make_groups(path):
        return None
    return Hierarchy("cgroup v1", controllers, path)


def _v2(mount: Mount, own: Path) -> Hierarchy | None:
    """The nearest ancestor of the own cgroup that hands on its controllers, or can be made to."""
    candidates = [own, *(path for path in own.parents if path.is_relative_to(mount.point))]
    for path in candidates:
        if _may_make_groups(path) and _hands_on(path):
            return Hierarchy("cgroup v2", frozenset(_words(path / "cgroup.subtree_control")), path)
    if _is_delegated(own) and _move_into_leaf(own) and _hands_on(own):
        return Hierarchy("cgroup v2", frozenset(_words(own / "cgroup.subtree_control")), own)
    return None


def _may_make_groups(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path / "cgroup.procs", os.W_OK)


def _hands_on(path: Path) -> bool:
    missing = set(NEEDED) - _words(path / "cgroup.subtree_control")
    if not missing:
        return True
    if not missing <= _words(path / "cgroup.controllers"):
        return False
    return _write(path / "cgroup.subtree_control", " ".join(f"+{name}" for name in missing))


def _is_delegated(path: Path) -> bool:
    """Whether the own cgroup was handed to us whole: by owner, by systemd's mark, or as a root."""
    try:
        if os.geteuid() != 0:
            return path.stat().st_uid == os.geteuid() and _may_make_groups(path)
        return "user.delegate" in os.listxattr(path) or "trusted.delegate" in os.listxattr(path)
    except OSError:
        return False


def _move_into_leaf(path: Path) -> bool:
    """A cgroup with processes of its own can't hand on controllers: they move one level down."""
    leaf = path / "gatehouse-platform"
    try:
        leaf.mkdir(exist_ok=True)
        for pid in _words(path / "cgroup.procs"):
            (leaf / "cgroup.procs").write_text(pid)
    except OSError:
        return False
    return True


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()


def _write(path: Path, value: str) -> bool:
    try:
        path.write_text(value)
    except OSError:
        return False
    return True

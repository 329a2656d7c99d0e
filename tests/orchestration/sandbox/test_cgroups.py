"""Where cgroups are looked for, and what is written into one, on both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.sandbox import cgroups
from orchestration.sandbox.cgroups import Hierarchy, Mount
from orchestration.sandbox.job import Limits

LIMITS = Limits(cpus=0.5, memory_bytes=100 << 20, processes=10)


def v2(folder: Path, *, available: str = "cpu memory pids", handed_on: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(available)
    (folder / "cgroup.subtree_control").write_text(handed_on)
    (folder / "cgroup.procs").write_text("")
    return folder


def found(top: Path, own: Path) -> Hierarchy | None:
    return cgroups._v2(Mount("cgroup v2", frozenset(), "/", top), own)


def test_the_nearest_cgroup_that_hands_on_its_controllers_is_taken(tmp_path: Path) -> None:
    top = v2(tmp_path / "fs", handed_on="cpu memory pids")
    middle = v2(top / "system.slice", handed_on="cpu memory pids io")
    own = v2(middle / "gatehouse.service", available="")
    hierarchy = found(top, own)
    assert hierarchy is not None
    assert hierarchy.base == middle
    assert hierarchy.controllers >= {"cpu", "memory", "pids"}


def test_a_cgroup_without_the_controllers_is_passed_over(tmp_path: Path) -> None:
    top = v2(tmp_path / "fs", handed_on="memory pids cpu")
    own = v2(top / "own", available="memory pids", handed_on="memory pids")
    hierarchy = found(top, own)
    assert hierarchy is not None
    assert hierarchy.base == top


def test_nothing_above_the_mount_is_looked_at(tmp_path: Path) -> None:
    v2(tmp_path / "outside", handed_on="cpu memory pids")
    top = v2(tmp_path / "outside" / "fs", available="")
    assert found(top, top) is None


def test_settings_of_version_2() -> None:
    hierarchy = Hierarchy("cgroup v2", frozenset({"memory", "cpu", "pids"}), Path("/x"))
    [group] = cgroups.plan((hierarchy,), LIMITS, "job")
    assert group.path == "/x/job"
    assert dict(setting[:2] for setting in group.settings) == {
        "memory.max": str(100 << 20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "50000 100000",
        "pids.max": "12",
    }


def test_each_controller_is_taken_from_one_hierarchy_only() -> None:
    hierarchies = (
        Hierarchy("cgroup v1", frozenset({"memory"}), Path("/one/memory")),
        Hierarchy("cgroup v2", frozenset({"memory", "pids"}), Path("/two")),
    )
    first, second = cgroups.plan(hierarchies, LIMITS, "job")
    assert next(name for name, _, _ in first.settings) == "memory.limit_in_bytes"
    assert [name for name, _, _ in second.settings] == ["pids.max"]
    assert cgroups.mechanism(hierarchies, "memory") == "cgroup v1"
    assert cgroups.mechanism(hierarchies, "pids") == "cgroup v2"
    assert cgroups.mechanism(hierarchies, "cpu") == "rlimit"


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/", "/a/b", "/m/a/b"),
        ("/a", "/a/b", "/m/b"),
        ("/a", "/a", "/m"),
        ("/", "/", "/m"),
        ("/a", "/ab", "/m"),
    ],
)
def test_a_cgroup_is_found_below_its_mount(root: str, path: str, expected: str) -> None:
    mount = Mount("cgroup v2", frozenset(), root, Path("/m"))
    assert cgroups._below(mount, path) == Path(expected)

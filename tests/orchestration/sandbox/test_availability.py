"""Where the sandbox can't be had it says so, and executes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.sandbox import (
    SandboxConfig,
    SandboxUnavailable,
    bubblewrap,
    cgroups,
    launch,
    probe,
    run,
    warm,
)
from orchestration.sandbox.job import Job, Limits
from tests.orchestration.sandbox.conftest import Sandbox


def test_a_probe_tells_what_is_in_force(config: SandboxConfig) -> None:
    report = probe(config)
    assert report.works, report.problems
    assert report.bubblewrap == bubblewrap.find().path
    assert report.version[0].isdigit()
    assert report.seccomp
    assert report.weak == config.weak_limits


def test_a_probe_tells_whether_sandboxes_can_be_kept_booted(
    config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probe(config).pool.starts is None
    pool = probe(replace(config, max_idle=2)).pool
    assert (pool.starts, pool.fault, pool.idle, pool.max_idle) == (True, "", 0, 2)
    assert (pool.busy, pool.max_parallel, pool.waiting) == (0, config.max_parallel, 0)
    monkeypatch.setattr(warm, "BOOT_SECONDS", 0.0)
    report = probe(replace(config, max_idle=2))
    assert report.works, "without them calls start cold"
    assert report.pool.starts is False
    assert "gate" in report.pool.fault


def test_without_bubblewrap_nothing_is_executed(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setattr(bubblewrap, "WHEEL", "no_such_wheel")
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        run(Job(("true",)), config=config)
    report = probe(config)
    assert not report.works
    assert "apt-get install bubblewrap" in report.problems[0]


def test_an_older_bubblewrap_is_refused(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    old.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=r"0\.8 or later is needed"):
        run(Job(("true",)), config=config)


def test_a_bubblewrap_that_fails_is_no_failed_job(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo bubblewrap 0.9.0 && exit 0\n"
        "echo bwrap: No permissions to create new namespace >&2; exit 1\n"
    )
    for path in (broken, tmp_path):
        path.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="user namespaces may be switched off"):
        run(Job(("true",)), config=config)


def test_without_a_cgroup_nothing_is_executed_unless_weak_limits_are_allowed(
    config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "writable", lambda parent: ())
    monkeypatch.setattr(launch, "_looked", {})
    strict = replace(config, weak_limits=False)
    with pytest.raises(SandboxUnavailable, match="SANDBOX_WEAK_LIMITS"):
        run(Job(("true",)), config=strict)
    assert "SANDBOX_WEAK_LIMITS" in probe(strict).problems[0]
    outcome = run(Job(("true",)), config=replace(config, weak_limits=True))
    assert outcome.enforcement.memory == "rlimit"
    assert outcome.enforcement.processes == "rlimit"


def test_weak_limits_are_told_with_every_call(another_user: Sandbox) -> None:
    enforced = another_user.run("true").enforcement
    assert (enforced.memory, enforced.cpu, enforced.processes) == ("rlimit",) * 3


@pytest.mark.parametrize("name", ["wall_seconds", "memory_bytes", "processes", "disk_bytes"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{name}"):
        Limits(**{name: 0})

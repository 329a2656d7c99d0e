"""The way from an invocation to the sandbox and back."""

from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orchestration import sandbox
from orchestration.executors.invocation import (
    ExecutorUnavailable,
    Invocation,
    Result,
    failed,
    timed_out,
)
from orchestration.sandbox import Bind, Ending, Job, Limits, Outcome, SandboxConfig, layers

LAYER = "/packages"
TREE = "/tree"
_LARGEST_FILE = 1 << 30


def config() -> SandboxConfig:
    """The sandbox's configuration from the settings."""
    return SandboxConfig(
        home=Path(settings.VAR) / "sandbox",
        weak_limits=settings.SANDBOX_WEAK_LIMITS,
        max_parallel=settings.SANDBOX_PARALLEL,
        max_idle=settings.SANDBOX_WARM,
        layer_budget_bytes=settings.SANDBOX_PACKAGES_BYTES,
    )


def limits(invocation: Invocation) -> Limits:
    """The sandbox's limits; `timeout` bounds the wall clock."""
    given = invocation.limits
    return Limits(
        wall_seconds=float(given["timeout"]),
        cpus=float(given["cpu"]),
        memory_bytes=int(given["memory"]),
        processes=int(given["processes"]),
        disk_bytes=int(given["disk"]),
        file_bytes=min(int(given["disk"]), _LARGEST_FILE),
        output_bytes=int(given["output"]),
    )


def packages(invocation: Invocation) -> tuple[Bind, ...]:
    """One read-only layer of the tool's own packages and those that the call asks for.

    Raises layers.PackageRefused and layers.PackageUnavailable.
    """
    asked = [*invocation.fixed_packages, *invocation.arguments.get("packages", ())]
    if not asked:
        return ()
    allow = [*_names(invocation.fixed_packages), *invocation.limits.get("packages", ())]
    return (Bind(layers.layer(asked, config=config(), allow=allow), LAYER),)


def _names(requirements: tuple[str, ...]) -> list[str]:
    return [str(canonicalize_name(Requirement(each).name)) for each in requirements]


def run(job: Job, *, team_id: UUID | None = None) -> Outcome:
    """Run the job, in turn with those of other teams when all sandboxes are taken.

    Raises ExecutorUnavailable when there is no sandbox to run it in.
    """
    try:
        return sandbox.run(job, config=config(), party=str(team_id or ""))
    except sandbox.SandboxUnavailable as error:
        raise ExecutorUnavailable(str(error)) from error


def enforcement(outcome: Outcome) -> dict[str, Any]:
    """What held the limits, and what was used, for the call's row."""
    return asdict(outcome.enforcement) | {
        "network": "none",
        "ending": str(outcome.ending),
        "wall_seconds": round(outcome.wall_seconds, 3),
        "cpu_seconds": round(outcome.cpu_seconds, 3),
        "peak_memory_bytes": outcome.peak_memory_bytes,
    }


def text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def ended_badly(outcome: Outcome, allowed: Limits) -> Result | None:
    """The failure that a limit made of the job; None when the program ended by itself."""
    match outcome.ending:
        case Ending.succeeded | Ending.failed:
            return None
        case Ending.timed_out:
            return timed_out(f"The time was up: {allowed.wall_seconds:g} s.")
        case Ending.memory_exceeded:
            return failed(
                "memory_exceeded", f"More memory than {allowed.memory_bytes} bytes was needed."
            )
        case Ending.output_exceeded:
            return failed(
                "output_exceeded", f"More output than {allowed.output_bytes} bytes was written."
            )
        case _:
            return failed("killed", f"The program was ended by signal {outcome.signal}.")

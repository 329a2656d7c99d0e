"""How the sandbox is set up on a machine, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_IDLE = 200


class SandboxUnavailable(Exception):
    """Nothing was executed; the message names what is missing and the next step."""


class SandboxBusy(SandboxUnavailable):
    """Every slot of this machine stayed taken for `slot_wait_seconds`."""


@dataclass(frozen=True)
class SandboxConfig:
    """Where the sandbox keeps its things and what it may do without.

    `home` belongs to the platform's user (layers, slots, the generated /etc) and may lie below a
    directory that others can't enter. `weak_limits` allows rlimits where no cgroup can be written.
    `max_parallel` bounds the sandboxes of all processes that share `home`. `cgroup_parent` is a
    path below the cgroup mount, for machines where the platform's own cgroup isn't the place.
    `layer_budget_bytes` is what installed packages may take before the least recently used go.
    `max_idle` bounds the booted sandboxes that wait for a call, in all processes that share `home`
    (0 for none); one that waited for `idle_seconds` is given up. They take none of `max_parallel`.
    """

    home: Path
    weak_limits: bool = False
    max_parallel: int = 4
    slot_wait_seconds: float = 60.0
    cgroup_parent: str | None = None
    layer_budget_bytes: int = 4 << 30
    max_idle: int = 0
    idle_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_parallel <= 1000:
            raise ValueError(f"max_parallel is {self.max_parallel}; give 1 to 1000.")
        if not 0 <= self.max_idle <= MOST_IDLE:
            raise ValueError(f"max_idle is {self.max_idle}; give 0 to {MOST_IDLE}.")

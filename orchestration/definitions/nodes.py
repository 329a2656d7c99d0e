"""What a workflow definition says, as values: the definition, its steps, retries and loops."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

AGENT, TOOL, GATE = "agent", "tool", "gate"


@dataclass(frozen=True)
class Retry:
    """How often a step is tried, and how long it waits in between (seconds, growing)."""

    attempts: int = 3
    backoff: float = 5.0
    factor: float = 2.0
    longest: float = 300.0

    def delay(self, attempt: int) -> timedelta:
        """The wait after the attempt with this number (from 1)."""
        seconds = self.backoff * self.factor ** max(0, min(attempt - 1, 30))
        return timedelta(seconds=min(seconds, self.longest))


@dataclass(frozen=True, kw_only=True)
class Node:
    """What every step has. `needs` are the steps that must have ended before it."""

    name: str
    position: int
    needs: tuple[str, ...]
    description: str = ""
    when: str | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: timedelta | None = None
    goes_on: bool = False

    kind = ""


@dataclass(frozen=True, kw_only=True)
class AgentNode(Node):
    """Hands `task` with `input` to an agent; `output` is what people call its result."""

    agent: str
    task: str
    input: Mapping[str, Any]
    permissions: tuple[str, ...] = ()
    output: str = ""

    kind = AGENT


@dataclass(frozen=True, kw_only=True)
class ToolNode(Node):
    """Calls a tool as an agent, through the same pipeline as every call."""

    tool: str
    agent: str
    arguments: Mapping[str, Any]
    version: str | None = None
    output: str = ""

    kind = TOOL


KEEP, ROLL_BACK = "keep", "roll_back"


@dataclass(frozen=True, kw_only=True)
class GateNode(Node):
    """Asks people. `back_to` is where requested changes send the work, at most `limit` times.
    `on_reject` says what becomes of the project's changes: `keep` or `roll_back`."""

    question: str
    reviewers: Mapping[str, Any]
    quorum: int
    deadline: timedelta | None
    show: Mapping[str, Any]
    back_to: str | None = None
    limit: int = 0
    on_reject: str = KEEP

    kind = GATE


@dataclass(frozen=True)
class Definition:
    """A workflow definition that was read and found without fault. `document` is its JSON."""

    name: str
    version: str
    description: str
    team: str
    baseline_minutes: Decimal
    input: Mapping[str, Any]
    steps: tuple[Node, ...]
    output: Any
    document: Mapping[str, Any]

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.steps}

    def node(self, name: str) -> Node:
        return self.by_name[name]

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        return ancestors({node.name: node.needs for node in self.steps})

    def ancestors(self, name: str) -> frozenset[str]:
        """Every step that must have ended before this one."""
        return self._ancestors[name]

    def from_on(self, name: str) -> tuple[Node, ...]:
        """The step and everything that rests on it, in order."""
        return tuple(
            node for node in self.steps if node.name == name or name in self._ancestors[node.name]
        )

    def next_after(self, name: str) -> tuple[str, ...]:
        """The steps that wait for this one directly."""
        return tuple(node.name for node in self.steps if name in node.needs)


def ancestors(needs: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """For each step all that it needs, directly or not; for graphs without a cycle."""
    found: dict[str, frozenset[str]] = {}
    waiting = dict(needs)
    while waiting:
        ready = [name for name, of in waiting.items() if all(n in found for n in of)]
        if not ready:
            raise ValueError(f"a cycle among {', '.join(waiting)}")
        for name in ready:
            of = waiting.pop(name)
            found[name] = frozenset(of).union(*(found[n] for n in of))
    return found

"""What is known about one call when it is judged: the variables of policy conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kernel import expressions

from registry.models import Agent

VARIABLES = ("agent", "tool", "arguments", "environment", "run", "now", "approval")

FIELDS: Mapping[str, frozenset[str]] = {
    "agent": frozenset({"id", "name", "team", "environment", "tags", "permissions"}),
    "tool": frozenset(
        {
            "name",
            "version",
            "permissions_required",
            "tags",
            "owner",
            "executor",
            "cost",
            "data_class",
            "idempotent",
        }
    ),
    "run": frozenset({"id", "workflow", "tags"}),
    "approval": frozenset({"id", "approved_by"}),
}
"""The members of each variable. `arguments` are whatever the tool's schema lets in."""

_LISTS = frozenset({"tags", "permissions", "permissions_required", "approved_by"})


def of_agent(agent: Agent, permissions: Sequence[str]) -> dict[str, Any]:
    """The agent as policies see it; `permissions` are those that it holds."""
    return {
        "id": str(agent.id),
        "name": agent.name,
        "team": agent.team.name,
        "environment": agent.environment,
        "tags": agent.tags,
        "permissions": permissions,
    }


_SAID = ("permissions_required", "tags", "owner", "executor", "data_class", "idempotent")


def of_tool(name: str, version: str, contract: Mapping[str, Any], cost: str) -> dict[str, Any]:
    """The tool as policies see it; `cost` is that of one call, in units of the currency."""
    said = {key: contract[key] for key in _SAID}
    return {"name": name, "version": version, "cost": float(cost)} | said


@dataclass(frozen=True)
class Facts:
    """One call, as policies see it.

    `agent` has id, name, team (its name), environment, tags and permissions (those that live
    grants give); `tool` has name, version, permissions_required, tags, owner, executor, cost,
    data_class and idempotent; `run` has id, workflow and tags; `approval` has id and approved_by,
    and what was asked (`governance.approvals.fact`), so that a stricter rule asks again.
    """

    agent: Mapping[str, Any]
    tool: Mapping[str, Any]
    arguments: Mapping[str, Any]
    environment: str
    at: datetime
    run: Mapping[str, Any] | None = None
    approval: Mapping[str, Any] | None = None
    permissions: frozenset[str] = field(init=False)
    required: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "permissions", frozenset(self.agent.get("permissions", ())))
        required = frozenset(self.tool.get("permissions_required", ()))
        object.__setattr__(self, "required", required)

    def variables(self) -> expressions.Variables:
        """The CEL variables. Building them costs more than evaluating: build once per call."""
        return expressions.Variables(
            {
                "agent": _members("agent", self.agent),
                "tool": _members("tool", self.tool),
                "arguments": plain(self.arguments),
                "environment": self.environment,
                "run": self.run and _members("run", self.run),
                "now": self.at.astimezone(UTC),
                "approval": self.approval and _members("approval", self.approval),
            }
        )


def _members(variable: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared member is there, empty where nobody gave it: a condition may read it."""
    empty: dict[str, Any] = {name: [] if name in _LISTS else "" for name in FIELDS[variable]}
    return empty | {str(name): plain(value) for name, value in given.items()}


def plain(value: Any) -> Any:
    """The value in the types that CEL and JSON know; everything else as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    return str(value)

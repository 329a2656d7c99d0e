"""The registry's kinds in a catalogue: permission, team, agent, tool."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from kernel import actor as actors
from kernel import money
from kernel.catalogue import (
    CatalogueError,
    CatalogueKind,
    Change,
    refuse_unknown,
    register,
    write,
)
from kernel.problems import Invalid, Issue, Problem

from registry import contracts, lifecycle, publishing, shorthand, validation
from registry.models import Agent, Permission, Team, Tool

_TOOL_FIELDS = {
    "description": "description",
    "result_schema": "result_schema",
    "executor": "executor",
    "executor_config": "executor_config",
    "sandbox_config": "sandbox_config",
    "audit": "audit",
    "data_class": "data_class",
    "idempotent": "idempotent",
    "compensation": "compensation",
    "examples": "examples",
    "tags": "tags",
    "version": "version",
    "deprecated": "deprecated",
    "deprecation_message": "deprecation_message",
    "sunset_at": "sunset_at",
    "shared": "is_shared",
    "origin": "origin",
    "release_notes": "release_notes",
} | {name: name for name in contracts.OPTIONAL}
_TOOL_KEYS = set(_TOOL_FIELDS) | {
    "kind",
    "name",
    "parameters",
    "permissions_required",
    "cost_per_call",
    "owner",
    "replacement",
    "draft",
}
_AGENT_KEYS = (
    "description",
    "environment",
    "runtime",
    "runtime_config",
    "tags",
    "baseline_minutes",
    "is_active",
)


def apply_permission(entry: Mapping[str, Any]) -> Change:
    refuse_unknown("permission", entry, {"kind", "name", "description"})
    row = Permission.objects.filter(name=entry["name"]).first() or Permission(name=entry["name"])
    return write("permission", row, {"description": entry.get("description", "")})


def apply_team(entry: Mapping[str, Any]) -> Change:
    refuse_unknown("team", entry, {"kind", "name", "description"})
    row = Team.objects.filter(name=entry["name"]).first() or Team(name=entry["name"])
    return write("team", row, {"description": entry.get("description", "")})


def _team(kind: str, entry: Mapping[str, Any], key: str) -> Team:
    team: Team | None = Team.objects.filter(name=entry.get(key)).first()
    if team is None:
        raise CatalogueError(
            kind, entry["name"], [Issue(f"/{key}", f"there is no team {entry.get(key)!r}")]
        )
    return team


def apply_agent(entry: Mapping[str, Any]) -> Change:
    refuse_unknown("agent", entry, {"kind", "name", "team", *_AGENT_KEYS})
    row = Agent.objects.filter(name=entry["name"]).first() or Agent(name=entry["name"])
    values = {key: entry[key] for key in _AGENT_KEYS if key in entry}
    return write("agent", row, values | {"team": _team("agent", entry, "team")})


def apply_tool(entry: Mapping[str, Any]) -> Change:
    """Write the entry and publish it when its contract is new; `draft: true` only writes it."""
    row, change = write_tool(entry)
    if entry.get("draft") is True:
        return change
    try:
        live = row.live_version
        version = publishing.publish(row, by=actors.current().reference)
    except Problem as problem:
        raise _refused(entry, problem) from problem
    if live is None or live.id != version.id:
        return Change("tool", row.name, "publish", version.version)
    return change


def write_tool(entry: Mapping[str, Any]) -> tuple[Tool, Change]:
    """Write the entry into the draft, without publishing it. Raises CatalogueError with every fault
    that would keep it from being published."""
    refuse_unknown("tool", entry, _TOOL_KEYS)
    row = Tool.objects.filter(name=entry["name"]).first() or Tool(name=entry["name"])
    try:
        values = values_of(entry)
    except Problem as problem:
        raise _refused(entry, problem) from problem
    _require_faultless(entry, values)
    standing = lifecycle.standing(row)
    change = write("tool", row, values)
    permissions = Permission.objects.filter(name__in=entry.get("permissions_required", []))
    if set(row.permissions_required.values_list("id", flat=True)) != {p.id for p in permissions}:
        row.permissions_required.set(permissions)
    _settle(entry, row, standing)
    return row, change


def _settle(entry: Mapping[str, Any], row: Tool, standing: tuple[Any, ...]) -> None:
    """What the entry says of the tool's way out has the rules and the record of any other door."""
    try:
        lifecycle.declared(row, standing)
    except Problem as problem:
        raise _refused(entry, problem) from problem


def _require_faultless(entry: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    # A draft that was never saved has no permissions to read; theirs are looked up here.
    document = contracts.document_of(Tool(name=entry["name"], **values), ())
    issues = [*missing_permissions(entry), *validation.faults(document)]
    if issues:
        raise CatalogueError("tool", entry["name"], issues)


def _refused(entry: Mapping[str, Any], problem: Problem) -> CatalogueError:
    issues = problem.errors or (Issue("/version", problem.detail),)
    return CatalogueError("tool", entry["name"], issues)


def values_of(entry: Mapping[str, Any], owner: Team | None = None) -> dict[str, Any]:
    """The entry as the definition's fields; `owner` is its team where that is known already.

    Raises CatalogueError and Invalid."""
    values = {field: entry[key] for key, field in _TOOL_FIELDS.items() if key in entry}
    if "sunset_at" in values:
        values["sunset_at"] = _moment(values["sunset_at"])
    parameters = entry.get("parameters", {"type": "object", "properties": {}})
    if shorthand.is_shorthand(parameters):
        parameters = shorthand.expand(parameters)
    try:
        cost = money.to_micros(entry.get("cost_per_call", 0))
    except money.MoneyError as error:
        raise Invalid(str(error), errors=(Issue("/cost_per_call", str(error)),)) from error
    return values | {
        "parameters": parameters,
        "cost_micros": cost,
        "version": str(entry.get("version", "1.0")),
        "team": owner or _team("tool", entry, "owner"),
        "replacement": _replacement(entry),
    }


def _moment(value: Any) -> datetime | None:
    """The moment as YAML read it, or as text; without an offset it is UTC."""
    found = value
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            found = datetime(value.year, value.month, value.day)
    except ValueError:
        found = value
    if found is None:
        return None
    if not isinstance(found, datetime):
        told = "write a moment, such as 2030-12-31T00:00:00Z"
        raise Invalid(f"There is no moment {value!r}.", errors=(Issue("/sunset_at", told),))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _replacement(entry: Mapping[str, Any]) -> Tool | None:
    name = entry.get("replacement")
    if not name:
        return None
    tool: Tool | None = Tool.objects.filter(name=name).first()
    if tool is None:
        raise Invalid("", errors=(Issue("/replacement", f"there is no tool {name!r}"),))
    return tool


def missing_permissions(entry: Mapping[str, Any]) -> list[Issue]:
    """The permissions that the entry asks for and nobody defined, each with its place."""
    names = entry.get("permissions_required", [])
    if not names:
        return []
    found = set(Permission.objects.filter(name__in=names).values_list("name", flat=True))
    return [
        Issue(f"/permissions_required/{index}", f"there is no permission {name!r}")
        for index, name in enumerate(names)
        if name not in found
    ]


def export_permissions() -> list[dict[str, Any]]:
    return [
        {"kind": "permission", "name": each.name, "description": each.description}
        for each in Permission.objects.all()
    ]


def export_teams() -> list[dict[str, Any]]:
    return [
        {"kind": "team", "name": each.name, "description": each.description}
        for each in Team.objects.all()
    ]


def export_agents() -> list[dict[str, Any]]:
    return [
        {"kind": "agent", "name": each.name, "team": each.team.name}
        | {key: getattr(each, key) for key in _AGENT_KEYS if key != "baseline_minutes"}
        | {"baseline_minutes": float(each.baseline_minutes)}
        for each in Agent.objects.select_related("team")
    ]


def export_tools() -> list[dict[str, Any]]:
    rows = Tool.objects.select_related("team", "replacement", "live_version")
    return [entry_of(each) | ({"draft": True} if _is_draft(each) else {}) for each in rows]


def _is_draft(tool: Tool) -> bool:
    """Whether the entry says something else than the live version, or there is none."""
    live = tool.live_version
    now = contracts.lasting(contracts.document_of(tool))
    return live is None or contracts.lasting(live.contract) != now


def entry_of(tool: Tool) -> dict[str, Any]:
    """The draft as a catalogue entry."""
    return (
        {"kind": "tool"}
        | contracts.document_of(tool)
        # As it was written: the defaults that a publication fills in aren't the author's words.
        | {"sandbox_config": tool.sandbox_config, "shared": tool.is_shared}
        | {name: value for name in _TOLD if (value := getattr(tool, name))}
    )


_TOLD = ("origin", "release_notes")


def register_kinds() -> None:
    register(CatalogueKind("team", 10, apply_team, export_teams))
    register(CatalogueKind("permission", 10, apply_permission, export_permissions))
    register(CatalogueKind("agent", 20, apply_agent, export_agents))
    register(CatalogueKind("tool", 30, apply_tool, export_tools))

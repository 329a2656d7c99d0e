"""Two more kinds of a catalogue: which version an alias means, and what an agent is bound to."""

from collections.abc import Mapping
from typing import Any

from kernel.catalogue import Act, CatalogueError, CatalogueKind, Change, refuse_unknown, register
from kernel.problems import Issue, Problem

from registry import bindings
from registry.models import Agent, Tool, ToolAlias, VersionPin

ALIAS, PIN = "tool_alias", "version_pin"


def apply_alias(entry: Mapping[str, Any]) -> Change:
    """`{kind: tool_alias, tool, name, version}`: let the alias mean that version."""
    refuse_unknown(ALIAS, entry, {"kind", "tool", "name", "version"})
    tool = _tool(ALIAS, entry)
    name, number = str(entry.get("name")), str(entry.get("version"))
    known = ToolAlias.objects.filter(tool=tool, name=name).first()
    try:
        row = bindings.point(tool, name, number)
    except Problem as problem:
        raise _refused(ALIAS, entry, problem) from problem
    same = known is not None and known.version_id == row.version_id
    return Change(ALIAS, f"{tool.name} {name}", _act(known, same), row.version.version)


def apply_pin(entry: Mapping[str, Any]) -> Change:
    """`{kind: version_pin, agent, tool, selector, reason?}`: bind the agent."""
    refuse_unknown(PIN, entry, {"kind", "name", "agent", "tool", "selector", "reason"})
    tool, agent = _tool(PIN, entry), Agent.objects.filter(name=entry.get("agent")).first()
    if agent is None:
        issue = Issue("/agent", f"there is no agent {entry.get('agent')!r}")
        raise CatalogueError(PIN, str(entry.get("agent")), [issue])
    known = VersionPin.objects.filter(tool=tool, agent=agent).first()
    selector, reason = str(entry.get("selector", "")), str(entry.get("reason", ""))
    try:
        row = bindings.pin(agent, tool, selector, reason=reason)
    except Problem as problem:
        raise _refused(PIN, entry, problem) from problem
    same = known is not None and (known.selector, known.reason) == (row.selector, row.reason)
    return Change(PIN, f"{agent.name} {tool.name}", _act(known, same), row.selector)


def _act(known: Any, same: bool) -> Act:
    if known is None:
        return "create"
    return "unchanged" if same else "update"


def _tool(kind: str, entry: Mapping[str, Any]) -> Tool:
    tool: Tool | None = Tool.objects.filter(name=entry.get("tool")).first()
    if tool is None:
        issue = Issue("/tool", f"there is no tool {entry.get('tool')!r}")
        raise CatalogueError(kind, str(entry.get("name") or entry.get("agent")), [issue])
    return tool


def _refused(kind: str, entry: Mapping[str, Any], problem: Problem) -> CatalogueError:
    issues = problem.errors or (Issue("", problem.detail),)
    return CatalogueError(kind, str(entry.get("name") or entry.get("agent")), issues)


def export_aliases() -> list[dict[str, Any]]:
    return [
        {"kind": ALIAS, "name": row.name, "tool": row.tool.name, "version": row.version.version}
        for row in ToolAlias.objects.select_related("tool", "version")
    ]


def export_pins() -> list[dict[str, Any]]:
    return [
        {
            "kind": PIN,
            # A catalogue's entries have names, by which they are filed.
            "name": f"{row.agent.name}_{row.tool.name}",
            "agent": row.agent.name,
            "tool": row.tool.name,
            "selector": row.selector,
            "reason": row.reason,
        }
        for row in VersionPin.objects.select_related("agent", "tool")
    ]


def register_kinds() -> None:
    register(CatalogueKind(ALIAS, 32, apply_alias, export_aliases))
    register(CatalogueKind(PIN, 33, apply_pin, export_pins))

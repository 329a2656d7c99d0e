"""Who is hit when a tool, or some of its versions, goes or changes: asked before anybody clicks.

What was used comes from the days of use, so it costs the same at ten million calls. What only
names the tool (published workflows, pins, aliases, other tools' entries) comes from definitions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernel.actor import Actor
from kernel.visibility import CHANGE

from observability import usage
from observability.usage import Used
from orchestration.models import Workflow
from registry.models import Agent, Team, Tool, ToolAlias, VersionPin

SHOWN = 200


@dataclass(frozen=True)
class Naming:
    """A definition that names the tool: what kind, which one, and how."""

    kind: str
    name: str
    how: str

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, "how": self.how}


@dataclass(frozen=True)
class Impact:
    """Who used a tool in the last days, and what names it. `is_whole` is False for a reader who
    sees the part of their own teams alone."""

    tool: Tool
    days: int
    calls: int
    agents: tuple[Used, ...]
    teams: tuple[Used, ...]
    workflows: tuple[Used, ...]
    versions: tuple[Used, ...]
    naming: tuple[Naming, ...]
    is_whole: bool

    @property
    def is_nobody(self) -> bool:
        return not (self.agents or self.workflows or self.naming)

    def as_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool.name,
            "days": self.days,
            "calls": self.calls,
            "whole": self.is_whole,
            "agents": [each.as_json() for each in self.agents],
            "teams": [each.as_json() for each in self.teams],
            "workflows": [each.as_json() for each in self.workflows],
            "versions": [each.as_json() for each in self.versions],
            "named_by": [each.as_json() for each in self.naming],
        }


def of(tool: Tool, actor: Actor, *, version: str = "", days: int = usage.WINDOW) -> Impact:
    """Who is hit. Those who may change the tool, and auditors, see all; others their teams' part.

    `version` narrows what was used to one published number.
    """
    whole = _sees_all(tool, actor)
    rows = usage.of_tool(tool.name, days)
    if not whole:
        rows = rows.filter(team_id__in=actor.teams)
    if version:
        rows = rows.filter(version=version)
    summed = usage.parts(rows)
    versions = usage.by(summed, "version")
    return Impact(
        tool=tool,
        days=days,
        calls=sum(each.calls for each in versions),
        agents=tuple(usage.by(summed, "agent_name", limit=SHOWN)),
        teams=tuple(_teams(usage.by(summed, "team_id", limit=SHOWN))),
        workflows=tuple(usage.by(summed, "workflow", limit=SHOWN)),
        versions=tuple(versions),
        naming=tuple(_naming(tool, actor, whole=whole)),
        is_whole=whole,
    )


def _sees_all(tool: Tool, actor: Actor) -> bool:
    if actor.is_platform or actor.is_auditor:
        return True
    return actor.kind == "user" and bool(
        Tool.objects.visible_to(actor, CHANGE).filter(pk=tool.pk).exists()
    )


def _teams(found: list[Used]) -> Iterator[Used]:
    names = dict(
        Team.objects.filter(pk__in=[each.team_id for each in found]).values_list("pk", "name")
    )
    for each in found:
        name = names.get(each.team_id, each.name)
        yield Used(name, each.calls, each.refused, each.last_at, each.team_id)


def _naming(tool: Tool, actor: Actor, *, whole: bool) -> Iterator[Naming]:
    yield from _workflows(tool, actor, whole=whole)
    yield from _bound(tool, actor, whole=whole)
    yield from _tools(tool, actor, whole=whole)


def _workflows(tool: Tool, actor: Actor, *, whole: bool) -> Iterator[Naming]:
    """Published definitions with a step that calls the tool."""
    rows = Workflow.objects.all() if whole else Workflow.objects.visible_to(actor)
    # As text first: JSON containment has no common form on SQLite and PostgreSQL.
    named = rows.filter(live_version__document__icontains=f'"{tool.name}"')
    for row in named.select_related("live_version").order_by("name")[:SHOWN]:
        for place, version in _steps(row.live_version.document, tool.name):
            asked = f", version {version}" if version else ""
            number = row.live_version.version
            yield Naming("workflow", f"{row.name} {number}", f"step {place} calls it{asked}")


def _steps(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    steps = document.get("steps")
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, Mapping) and step.get("tool") == name:
            yield str(step.get("name", index + 1)), str(step.get("version") or "")


def _bound(tool: Tool, actor: Actor, *, whole: bool) -> Iterator[Naming]:
    pins = VersionPin.objects.filter(tool=tool).select_related("agent").order_by("agent__name")
    if not whole:
        pins = pins.filter(agent__in=Agent.objects.visible_to(actor))
    for pin in pins[:SHOWN]:
        yield Naming("pin", pin.agent.name, f"is bound to {pin.selector}")
    for alias in ToolAlias.objects.filter(tool=tool).select_related("version").order_by("name"):
        yield Naming("alias", alias.name, f"means {alias.version.version}")


def _tools(tool: Tool, actor: Actor, *, whole: bool) -> Iterator[Naming]:
    rows = Tool.objects.all() if whole else Tool.objects.visible_to(actor)
    for other in rows.filter(replacement=tool).order_by("name")[:SHOWN]:
        yield Naming("tool", other.name, "names it as its replacement")
    undone = rows.filter(live_version__contract__compensation__tool=tool.name)
    for other in undone.order_by("name")[:SHOWN]:
        yield Naming("tool", other.name, "is undone by it")


def panel(tool: Tool, actor: Actor) -> dict[str, Any] | None:
    """What the page of a tool's lifecycle shows."""
    return {"impact": of(tool, actor)}

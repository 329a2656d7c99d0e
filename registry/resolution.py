"""Finding the published version that a caller means. It is on the path of every call."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from kernel import clock, prepared
from kernel.actor import Actor
from kernel.prepared import Slot, slot
from kernel.problems import Problem

from registry import notices, selection
from registry.models import Team, Tool, ToolVersion, VersionPin
from registry.selection import Selector, SelectorError

SHOWN = 10
# What a call reads: of the definition its state, since it is judged by the published contract. That
# one is kept by version (contracts.Contract.of), so that it is read once in a process.
READ = (
    "name team__name is_shared deprecated deprecated_at deprecation_message sunset_at retired "
    "removed_at quarantined_at quarantine_reason replacement__name live_version__tool "
    "live_version__version live_version__sort_key live_version__checksum "
    "live_version__published_at live_version__published_by"
).split()


class UnknownTool(Problem):
    status, reason, title = 404, "unknown_tool", "Unknown tool"


class OutsidePin(Problem):
    """An agent asked for a version that its pin doesn't let it have. `version` is the one that was
    asked for, or the live one where nothing fits, so that a refusal can be recorded under it."""

    status, reason, title = 403, "denied_by_policy", "Not a version for this agent"

    def __init__(self, detail: str, version: ToolVersion) -> None:
        super().__init__(detail)
        self.version = version


def resolve(
    name: str, selector: str | None, actor: Actor, *, agent_id: UUID | None = None
) -> ToolVersion:
    """The version of a visible tool that `selector` means, with its tool, team and replacement.

    1. find the tool, its live version and the agent's pin, in one query;
    2. without selector, what the pin means; without a pin, the live version;
    3. with a selector, what it means within the pin.

    `selected_by` on the version says what was asked for. Raises UnknownTool (whether a tool doesn't
    exist or isn't visible can't be told apart) and OutsidePin.
    """
    tool: Any = _found(name, actor, agent_id)
    if tool is None or tool.live_version is None:
        raise UnknownTool(f"There is no tool {name!r} for you. See GET /api/v1/tools/.")
    if not selector and not tool.pinned:
        return _of(tool, tool.live_version, "")
    asked = _parsed(selector) if selector else None
    pin = _parsed(tool.pinned) if tool.pinned else None
    return _several(tool, asked or pin, pin)


def _found(name: str, actor: Actor, agent_id: UUID | None) -> Tool | None:
    if actor.kind != "agent":
        return _rows(actor, agent_id).filter(name=name).first()
    teams = {f"team_{place}": team for place, team in enumerate(sorted(actor.teams))}
    return _of_agent(len(teams)).first(name=name, agent=agent_id, **teams)


@lru_cache(maxsize=16)
def _of_agent(teams: int) -> prepared.Select[Tool]:
    """What an agent of so many teams asks, with no more of the rows than a call reads."""
    samples = {f"team_{place}": uuid4() for place in range(teams)}
    viewer = Actor("agent", None, "sample", teams=frozenset(samples.values()))
    return prepared.Select(
        lambda: (
            _rows(viewer, slot(VersionPin, "agent")).filter(name=slot(Tool, "name")).only(*READ)
        ),
        {name: (sample, Team._meta.pk) for name, sample in samples.items()},
    )


def _rows(actor: Actor, agent_id: UUID | Slot | None) -> QuerySet[Tool]:
    rows: QuerySet[Tool] = Tool.objects.visible_to(actor).select_related(
        "live_version", "replacement", "team"
    )
    if agent_id is None:
        return rows.annotate(pinned=Value("", output_field=CharField()))
    pins = VersionPin.objects.filter(agent_id=agent_id, tool=OuterRef("pk"))
    return rows.annotate(pinned=Subquery(pins.values("selector")[:1]))


def _parsed(text: str) -> Selector:
    try:
        return selection.parse(text)
    except SelectorError as error:
        raise UnknownTool(str(error)) from error


def _of(tool: Tool, version: ToolVersion, selected_by: str) -> ToolVersion:
    version.tool = tool
    version.selected_by = selected_by
    return version


def _several(tool: Any, meant: Any, pin: Selector | None) -> ToolVersion:
    """Where a selector, a pin or both speak: one query for the versions."""
    live: ToolVersion = tool.live_version
    versions = list(tool.versions.order_by("-sort_key").defer("contract"))
    allowed = _within(tool, pin, versions) if pin else versions
    wanted = _within(tool, meant, versions)
    within = [each for each in wanted if each in allowed]
    if not within and not wanted:
        if pin is not None and meant is pin:
            raise OutsidePin(unmet(tool, pin), _of(tool, live, pin.text))
        raise UnknownTool(_unknown(tool, meant, versions))
    chosen = best(tool, within or wanted)
    found = live if chosen.pk == live.pk else tool.versions.get(pk=chosen.pk)
    version = _of(tool, found, meant.text)
    if not within and pin is not None:
        raise OutsidePin(
            f"This agent is bound to {pin.text} of {tool.name}, and {meant.text} isn't within "
            "that. Ask for no version, or ask its team to move the pin.",
            version,
        )
    return version


def _within(tool: Tool, meant: Selector, versions: list[ToolVersion]) -> list[ToolVersion]:
    if meant.kind != "alias":
        return fitting(tool, meant, versions, ())
    named = tool.aliases.filter(name=meant.text).values_list("version_id", flat=True)
    return fitting(tool, meant, versions, tuple(named))


def fitting(
    tool: Tool, meant: Selector, versions: list[ToolVersion], named: Collection[UUID]
) -> list[ToolVersion]:
    """The versions that the selector may mean, in their order; `named`: the keys of those that have
    the alias that it may be."""
    if meant.kind == "live":
        return [each for each in versions if each.pk == tool.live_version_id]
    if meant.kind == "alias":
        return [each for each in versions if each.pk in named]
    return [each for each in versions if meant.admits(each.sort_key)]


def best(tool: Tool, versions: list[ToolVersion]) -> ToolVersion:
    """The highest that still runs; the highest of all where none does."""
    at = clock.now()
    return next((each for each in versions if not _ended(tool, each, at)), versions[0])


def _ended(tool: Tool, version: ToolVersion, at: datetime) -> bool:
    return bool(tool.retired) and notices.has_ended(_of(tool, version, ""), at)


def unmet(tool: Tool, pin: Selector) -> str:
    """Why a pin lets its agent have nothing."""
    return (
        f"This agent is bound to {pin.text} of {tool.name}, and no published version is that. "
        "Ask its team to move the pin."
    )


def _unknown(tool: Tool, asked: Selector, versions: list[ToolVersion]) -> str:
    known = ", ".join(each.version for each in versions[:SHOWN])
    if asked.kind == "alias":
        names = ", ".join(tool.aliases.values_list("name", flat=True)[:SHOWN]) or "none"
        return (
            f"Tool {tool.name!r} has no alias {asked.text!r}; it has {names}, and the versions "
            f"{known}."
        )
    return f"Tool {tool.name!r} has no version {asked.text}; it has {known}."

"""Aliases of versions, and the pins that bind agents to some: set, moved and taken away."""

from django.core.exceptions import ValidationError
from django.db import transaction
from kernel import acts, clock
from kernel.problems import Conflict, Invalid, Issue, NotFound
from kernel.versions import Version, VersionError

from registry import selection
from registry.models import Agent, Tool, ToolAlias, ToolVersion, VersionPin
from registry.models.versions import ALIAS

MAX_ALIASES = 20


def point(tool: Tool, name: str, number: str) -> ToolAlias:
    """Let the alias mean that version, from now on. Raises Invalid."""
    version = _version(tool, number)
    _check_name(name)
    with transaction.atomic():
        rows = ToolAlias.objects.select_for_update().filter(tool=tool, name=name)
        alias: ToolAlias | None = rows.first()
        if alias is not None and alias.version_id == version.id:
            return alias
        if alias is None and tool.aliases.count() >= MAX_ALIASES:
            raise Invalid(f"Tool {tool.name!r} has {MAX_ALIASES} aliases already. Remove one.")
        was = alias.version.version if alias else None
        found: ToolAlias = alias or ToolAlias(tool=tool, name=name)
        found.version, found.moved_at = version, clock.now()
        found.save()
        _record("tool_alias.moved", tool, alias=name, version=version.version, before=was)
    return found


def unpoint(tool: Tool, name: str) -> None:
    """Take the alias away. Raises NotFound; Conflict where a pin rests on it."""
    alias = ToolAlias.objects.filter(tool=tool, name=name).select_related("version").first()
    if alias is None:
        raise NotFound(f"Tool {tool.name!r} has no alias {name!r}.")
    bound = VersionPin.objects.filter(tool=tool, selector=name)
    pinned = list(bound.values_list("agent__name", flat=True)[:5])
    if pinned:
        raise Conflict(
            f"Agents are bound to {name} of {tool.name}: {', '.join(pinned)}. "
            "Move their pins first."
        )
    with transaction.atomic():
        was = alias.version.version
        alias.delete()
        _record("tool_alias.removed", tool, alias=name, before=was)


def pin(agent: Agent, tool: Tool, selector: str, *, reason: str = "") -> VersionPin:
    """Bind the agent to what the selector means, unasked and at most. Raises Invalid."""
    text = selector.strip()
    _check_selector(tool, text)
    with transaction.atomic():
        rows = VersionPin.objects.select_for_update().filter(agent=agent, tool=tool)
        row: VersionPin | None = rows.first()
        if row is not None and (row.selector, row.reason) == (text, reason):
            return row
        was = row.selector if row else None
        found: VersionPin = row or VersionPin(agent=agent, tool=tool)
        found.selector, found.reason = text, reason[:2_000]
        found.save()
        _record_pin("version_pin.set", found, selector=text, before=was, reason=found.reason)
    return found


def unpin(agent: Agent, tool: Tool) -> None:
    """Let the agent have the live version again. Raises NotFound."""
    row = VersionPin.objects.filter(agent=agent, tool=tool).first()
    if row is None:
        raise NotFound(f"Agent {agent.name!r} isn't bound to a version of {tool.name!r}.")
    with transaction.atomic():
        _record_pin("version_pin.removed", row, before=row.selector)
        row.delete()


def _version(tool: Tool, number: str) -> ToolVersion:
    try:
        key = Version.parse(str(number)).key
    except VersionError as error:
        raise Invalid(str(error), errors=(Issue("/version", str(error)),)) from error
    version: ToolVersion | None = tool.versions.filter(sort_key=key).first()
    if version is None:
        message = f"Tool {tool.name!r} has no published version {number}"
        raise Invalid(f"{message}.", errors=(Issue("/version", message),))
    return version


def _check_name(name: str) -> None:
    try:
        ALIAS(name)
    except ValidationError as error:
        message = " ".join(error.messages)
        raise Invalid(message, errors=(Issue("/name", message),)) from error


def _check_selector(tool: Tool, text: str) -> None:
    problem = ""
    try:
        meant = selection.parse(text)
    except selection.SelectorError as error:
        problem = str(error)
    else:
        if meant.kind == "live":
            problem = "that binds to nothing: take the pin away instead"
        elif meant.kind == "alias":
            if not tool.aliases.filter(name=text).exists():
                problem = f"tool {tool.name!r} has no alias {text!r}"
        elif meant.highest(tool.versions.values_list("sort_key", flat=True)) is None:
            problem = f"no published version of {tool.name!r} is within {text!r}"
    if problem:
        raise Invalid(f"A pin can't be that: {problem}.", errors=(Issue("/selector", problem),))


def _record(event: str, tool: Tool, **data: object) -> None:
    acts.record(
        event,
        target_kind="tool",
        target_id=tool.id,
        target_name=tool.name,
        team_id=tool.team_id,
        **data,
    )


def _record_pin(event: str, row: VersionPin, **data: object) -> None:
    acts.record(
        event,
        target_kind="agent",
        target_id=row.agent_id,
        target_name=row.agent.name,
        team_id=row.agent.team_id,
        tool=row.tool.name,
        **data,
    )

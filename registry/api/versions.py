"""The REST doors of a tool's versions: what differs, aliases, pins, and the tool's way out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from kernel import schemas
from kernel.actor import Actor
from kernel.api import Door
from kernel.problems import Forbidden, Invalid, Issue, NotFound
from kernel.visibility import CHANGE
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from registry import bindings, comparison, lifecycle, publishing, rendering, resolution
from registry.models import Agent, Tool, VersionPin
from registry.models.versions import SELECTOR_LENGTH

_TEXT = {"type": "string", "maxLength": lifecycle.MAX_MESSAGE}
_RANGE = {"type": "string", "minLength": 1, "maxLength": SELECTOR_LENGTH}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_FLAG = {"type": "boolean", "default": False}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    closed = {"type": "object", "properties": properties, "required": list(required)}
    return closed | {"additionalProperties": False}


_ENDING = {
    "message": _TEXT | {"default": ""},
    "sunset_at": _MOMENT | {"default": None},
    "confirmed": _FLAG,
}
_INSTEAD = {"replacement": {"type": ["string", "null"], "default": None, "maxLength": 64}}
DEPRECATE = _closed(_ENDING | _INSTEAD)
SUNSET = _closed({"sunset_at": _MOMENT, "confirmed": _FLAG}, "sunset_at")
RETIRE = _closed(_ENDING | {"versions": _RANGE}, "versions")
REINSTATE = _closed({"versions": _RANGE}, "versions")
NOTHING = _closed({})
ALIAS = _closed({"version": {"type": "string", "maxLength": 20}}, "version")
PIN = _closed({"selector": _RANGE, "reason": _TEXT | {"default": ""}}, "selector")


class ToolVersions(Door):
    """GET tools/{name}/versions/: every published version, with what it changed; the newest first.
    What was removed from discovery is here all the same."""

    def get(self, request: Request, name: str) -> Response:
        tool = find(name, self.actor)
        return Response({"results": [rendering.version(each) for each in _versions(tool)]})


class ToolDiff(Door):
    """GET tools/{name}/diff/?from=1.2&to=1.3: what differs and what it means. `to=draft` is for
    those who may change the tool; left out they are the live version and the draft."""

    def get(self, request: Request, name: str) -> Response:
        asked = request.query_params
        found = comparison.compare(name, asked.get("from"), asked.get("to"), self.actor)
        return Response(found.as_json())


class ToolPublication(Door):
    """GET tools/{name}/publication/: what publishing the draft would do, without doing it."""

    def get(self, request: Request, name: str) -> Response:
        return Response(publishing.check(changeable(name, self.actor)).as_json())


class ToolLifecycle(Door):
    """GET tools/{name}/lifecycle/: where the tool stands, and what callers are told."""

    def get(self, request: Request, name: str) -> Response:
        return Response(rendering.lifecycle(find(name, self.actor)))


class ToolAct(Door):
    """POST tools/{name}/lifecycle/{act}/, with act one of ACTS."""

    def post(self, request: Request, name: str, act: str) -> Response:
        tool = changeable(name, self.actor)
        if act not in ACTS:
            raise NotFound(f"There is no act {act!r}; there are {', '.join(ACTS)}.")
        schema, do = ACTS[act]
        do(tool, body(request, schema), self.actor)
        return Response(rendering.lifecycle(tool))


def _deprecate(tool: Tool, asked: dict[str, Any], actor: Actor) -> None:
    named = asked["replacement"]
    lifecycle.deprecate(
        tool,
        message=asked["message"],
        replacement=replacement_of(named, actor) if named else None,
        sunset_at=_moment(asked["sunset_at"]),
        confirmed=asked["confirmed"],
    )


def _sunset(tool: Tool, asked: dict[str, Any], actor: Actor) -> None:
    lifecycle.set_sunset(tool, _moment(asked["sunset_at"]), confirmed=asked["confirmed"])


def _retire(tool: Tool, asked: dict[str, Any], actor: Actor) -> None:
    lifecycle.retire(
        tool,
        asked["versions"],
        message=asked["message"],
        sunset_at=_moment(asked["sunset_at"]),
        confirmed=asked["confirmed"],
    )


Act = Callable[[Tool, dict[str, Any], Actor], None]
ACTS: dict[str, tuple[dict[str, Any], Act]] = {
    "deprecate": (DEPRECATE, _deprecate),
    "sunset": (SUNSET, _sunset),
    "undo": (NOTHING, lambda tool, asked, actor: lifecycle.undo(tool)),
    "remove": (NOTHING, lambda tool, asked, actor: lifecycle.remove(tool)),
    "restore": (NOTHING, lambda tool, asked, actor: lifecycle.restore(tool)),
    "retire": (RETIRE, _retire),
    "reinstate": (
        REINSTATE,
        lambda tool, asked, actor: lifecycle.reinstate(tool, asked["versions"]),
    ),
}


class ToolAliases(Door):
    """GET tools/{name}/aliases/."""

    def get(self, request: Request, name: str) -> Response:
        rows = find(name, self.actor).aliases.select_related("version", "tool")
        return Response({"results": [rendering.alias(each) for each in rows]})


class ToolAliasDetail(Door):
    """PUT tools/{name}/aliases/{alias}/ {version}: set or move it. DELETE: take it away."""

    def put(self, request: Request, name: str, alias: str) -> Response:
        tool = changeable(name, self.actor)
        row = bindings.point(tool, alias, body(request, ALIAS)["version"])
        return Response(rendering.alias(row))

    def delete(self, request: Request, name: str, alias: str) -> Response:
        bindings.unpoint(changeable(name, self.actor), alias)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AgentPins(Door):
    """GET agents/{name}/pins/: which versions of which tools it is bound to."""

    def get(self, request: Request, name: str) -> Response:
        rows = VersionPin.objects.visible_to(self.actor).filter(agent__name=name)
        if not rows:
            _agent(name, self, "view")
        rows = rows.select_related("agent", "tool")
        return Response({"results": [rendering.pin(each) for each in rows]})


class AgentPin(Door):
    """PUT agents/{name}/pins/{tool}/ {selector, reason?}: bind the agent. DELETE: let it go."""

    def put(self, request: Request, name: str, tool: str) -> Response:
        agent, asked = _agent(name, self, CHANGE), body(request, PIN)
        found = find(tool, self.actor)
        row = bindings.pin(agent, found, asked["selector"], reason=asked["reason"])
        return Response(rendering.pin(row))

    def delete(self, request: Request, name: str, tool: str) -> Response:
        bindings.unpin(_agent(name, self, CHANGE), find(tool, self.actor))
        return Response(status=status.HTTP_204_NO_CONTENT)


def find(name: str, actor: Actor) -> Tool:
    """The visible tool of that name, also a removed one. Raises UnknownTool."""
    rows = Tool.objects.visible_to(actor).select_related("team", "live_version", "replacement")
    tool: Tool | None = rows.filter(name=name).first()
    if tool is None:
        raise resolution.UnknownTool(f"There is no tool {name!r} for you. See GET /api/v1/tools/.")
    return tool


def changeable(name: str, actor: Actor) -> Tool:
    """The tool, for somebody who may change it. Raises UnknownTool, Forbidden."""
    tool = find(name, actor)
    if not Tool.objects.visible_to(actor, CHANGE).filter(pk=tool.pk).exists() or (
        actor.kind == "agent"
    ):
        raise Forbidden(f"People of team {tool.team.name} decide about tool {name!r}. Ask them.")
    return tool


def _agent(name: str, door: Door, action: str) -> Agent:
    agent: Agent | None = Agent.objects.visible_to(door.actor).filter(name=name).first()
    if agent is None:
        raise NotFound(f"There is no agent {name!r} for you. See GET /api/v1/agents/.")
    may = Agent.objects.visible_to(door.actor, action).filter(pk=agent.pk).exists()
    if action == CHANGE and (door.actor.kind == "agent" or not may):
        raise Forbidden(f"People of its team decide what agent {name!r} is bound to. Ask them.")
    return agent


def replacement_of(name: str, actor: Actor) -> Tool:
    """The tool that is named as a replacement. Raises Invalid."""
    try:
        return find(name, actor)
    except resolution.UnknownTool as error:
        raise Invalid(error.detail, errors=(Issue("/replacement", error.detail),)) from error


def _versions(tool: Tool) -> list[Any]:
    rows = list(tool.versions.prefetch_related("aliases")[:200])
    for each in rows:
        each.tool = tool
    return rows


def _moment(text: str | None) -> datetime | None:
    """The moment; the schema has seen that it is one, with its offset."""
    return parse_datetime(text) if text else None


def body(request: Request, schema: dict[str, Any]) -> dict[str, Any]:
    """The request's body with defaults. Raises Invalid with the place of each fault."""
    faults = schemas.faults_of_value(request.data, schema)
    if faults:
        raise Invalid("This body doesn't fit.", errors=faults)
    return schemas.with_defaults(dict(request.data), schema)

"""`/tools/{name}/try/`: a member calls a tool as an agent of a team of theirs, through the one
pipeline: whatever policy, budget or approval says of the agent's own call, it says of this one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from kernel import ids
from kernel.actor import Actor, actor_of
from kernel.problems import Problem

from orchestration import calls, discovery
from orchestration.calls import CallRequest, Parked, Refused, Repeated
from orchestration.discovery import Answer, Asker
from orchestration.models import ToolCall
from registry import publishing
from registry.models import Agent, ToolVersion
from registry.pages import parameters

PREFIX = "argument."
MOST_FIELDS = 30
NUMBERS = {"integer": "1", "number": "any"}


@dataclass(frozen=True)
class Field:
    """One argument in the form. `kind` is text, long, number, truth, choice or json."""

    name: str
    kind: str
    type: str
    required: bool
    help: str
    value: str = ""
    choices: tuple[str, ...] = ()
    step: str = ""
    fault: str = ""

    @property
    def id(self) -> str:
        return f"argument-{self.name}"


@dataclass(frozen=True)
class Trial:
    """What the page shows: the form as it was filled in, and a call that was made by it."""

    version: ToolVersion
    agents: list[Agent]
    agent: str
    fields: list[Field]
    as_json: str
    in_json: bool
    nonce: str
    faults: list[str] = field(default_factory=list)
    call: ToolCall | None = None
    answer: Answer | None = None


@login_required
def page(request: HttpRequest, name: str) -> HttpResponse:
    """GET shows the form, with the outcome of `?call=`; POST makes the call, once for each form."""
    actor = actor_of(request)
    try:
        version = publishing.resolve(name, request.GET.get("version", "")[:64] or None, actor)
    except Problem as problem:
        raise Http404(problem.detail) from problem
    if request.method != "POST":
        return render(request, "orchestration/trial.html", {"trial": _shown(request, version)})
    return _tried(request, version, actor)


def agents_of(actor: Actor) -> QuerySet[Agent]:
    """As whom a person may try a tool: agents that they may change, which are their teams'."""
    if actor.kind != "user":
        return Agent.objects.none()
    rows: QuerySet[Agent] = Agent.objects.visible_to(actor, "change")
    return rows.select_related("team").order_by("name")


def _tried(request: HttpRequest, version: ToolVersion, actor: Actor) -> HttpResponse:
    agent = agents_of(actor).filter(name=request.POST.get("agent", "")).first()
    arguments, faults = _arguments(request.POST, version)
    told = list(faults.values())
    if agent is None:
        told.insert(0, "Choose one of your teams' agents.")
    if agent is None or faults:
        return _again(request, version, told, faults)
    try:
        call = _call(request, version, agent, arguments, actor)
    except Problem as problem:
        return _again(request, version, [problem.detail], {})
    address = reverse("tool-try", args=[version.contract["name"]])
    return redirect(f"{address}?call={call.id}&agent={agent.name}#outcome")


def _call(
    request: HttpRequest,
    version: ToolVersion,
    agent: Agent,
    arguments: dict[str, Any],
    actor: Actor,
) -> ToolCall:
    asked = request.GET.get("version", "")[:64] or None
    order = CallRequest(
        tool=version.contract["name"],
        arguments=arguments,
        actor=replace(agent.actor, on_behalf_of=actor.reference),
        agent=agent,
        version=asked,
        idempotency_key=_key(request, actor),
    )
    try:
        return calls.invoke(order)
    except (Refused, Parked, Repeated) as answer:
        return answer.call


def _key(request: HttpRequest, actor: Actor) -> str:
    """A form that is sent twice asks once. The person is in it: a form is nobody else's."""
    nonce = request.POST.get("nonce", "")
    try:
        return f"try:{actor.id}:{UUID(nonce)}"
    except ValueError:
        return f"try:{actor.id}:{ids.uuid7()}"


def _again(
    request: HttpRequest, version: ToolVersion, told: list[str], faults: Mapping[str, str]
) -> HttpResponse:
    shown = replace(_shown(request, version, faults), faults=told)
    return render(request, "orchestration/trial.html", {"trial": shown}, status=422)


def _shown(
    request: HttpRequest, version: ToolVersion, faults: Mapping[str, str] | None = None
) -> Trial:
    actor = actor_of(request)
    agents = list(agents_of(actor)[:200])
    call = _made(request, actor, version)
    chosen = request.POST.get("agent") or request.GET.get("agent") or ""
    agent = next((each for each in agents if each.name == chosen), agents[0] if agents else None)
    given = call.payload.arguments if call else _example(version)
    fields = _fields(version.contract["parameters"], given, request.POST, faults or {})
    in_json = not fields or "json" in (request.POST.get("form"), request.GET.get("form"))
    return Trial(
        version=version,
        agents=agents,
        agent=agent.name if agent else "",
        fields=[] if in_json else fields,
        as_json=request.POST.get("arguments") or json.dumps(given, indent=2, ensure_ascii=False),
        in_json=in_json,
        nonce=str(ids.uuid7()),
        call=call,
        answer=discovery.answer(Asker.of(agent), version.tool) if agent else None,
    )


def _made(request: HttpRequest, actor: Actor, version: ToolVersion) -> ToolCall | None:
    try:
        wanted = UUID(request.GET.get("call", ""))
    except ValueError:
        return None
    rows = ToolCall.objects.visible_to(actor).select_related("payload", "approval")
    found: ToolCall | None = rows.filter(id=wanted, tool_version__tool=version.tool).first()
    return found


def _example(version: ToolVersion) -> dict[str, Any]:
    examples = version.contract["examples"]
    if examples:
        found: dict[str, Any] = examples[0]["arguments"]
        return found
    return {}


def _fields(
    schema: Mapping[str, Any],
    given: Mapping[str, Any],
    posted: Mapping[str, str],
    faults: Mapping[str, str],
) -> list[Field]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not 0 < len(properties) <= MOST_FIELDS:
        return []
    needed = schema.get("required")
    found = []
    for name, entry in properties.items():
        resolved = parameters.resolved(entry, schema)
        kind, choices = _kind(resolved)
        value = _value(given[name], kind) if name in given else ""
        found.append(
            Field(
                name=str(name),
                kind=kind,
                type=parameters.type_of(resolved, schema),
                required=isinstance(needed, list) and name in needed,
                help=str(resolved.get("description", ""))[:400],
                value=posted.get(f"{PREFIX}{name}", value),
                choices=choices,
                step=NUMBERS.get(str(resolved.get("type")), ""),
                fault=faults.get(str(name), ""),
            )
        )
    return found


def _kind(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    listed = schema.get("enum")
    if isinstance(listed, list) and listed and all(isinstance(each, str) for each in listed):
        return "choice", tuple(listed)
    said = schema.get("type")
    if said == "string":
        long = schema.get("maxLength", 10_000) > 200 and "format" not in schema
        return ("long" if long else "text"), ()
    if said in NUMBERS:
        return "number", ()
    return ("truth" if said == "boolean" else "json"), ()


def _value(value: Any, kind: str) -> str:
    if kind in ("text", "long", "choice") and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _arguments(
    posted: Mapping[str, str], version: ToolVersion
) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments that the form holds, and what can't be read of it by its field's name. Whether
    they fit the contract says the call."""
    if "arguments" in posted:
        try:
            found = json.loads(posted["arguments"] or "{}")
        except ValueError as error:
            return {}, {"arguments": f"The arguments are no JSON: {error}"}
        if not isinstance(found, dict):
            return {}, {"arguments": "The arguments are a JSON object, such as {}."}
        return found, {}
    fields = _fields(version.contract["parameters"], {}, posted, {})
    arguments: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for each in fields:
        # Browsers send line ends as CR LF, which nobody typed.
        text = each.value.replace("\r\n", "\n")
        if not text.strip():
            continue
        try:
            plain = each.kind in ("text", "long", "choice")
            arguments[each.name] = text if plain else json.loads(text)
        except ValueError:
            faults[each.name] = f"{each.name}: {text[:60]!r} is no {each.type} as JSON writes it."
    return arguments, faults

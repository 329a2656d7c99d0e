"""`/tools/{name}/lifecycle/`: who is hit, the tool's way out, its aliases, its bound agents.

Every act here is one of `lifecycle` or `bindings`; what is refused is shown above its form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods
from kernel import console
from kernel.actor import Actor, actor_of
from kernel.console import Shown
from kernel.problems import Conflict, Invalid, Issue, NotFound, Problem
from kernel.visibility import CHANGE

from registry import bindings, lifecycle, publishing
from registry.api import versions
from registry.api.versions import replacement_of
from registry.models import Agent, Tool, ToolAlias, VersionPin
from registry.publishing import Publication

AGENTS = 200
NUMBERS = 200


@dataclass(frozen=True)
class Refusal:
    """What was sent and not done, with the form that it was sent by."""

    act: str
    detail: str
    sent: Mapping[str, str] = field(default_factory=dict)
    asks: bool = False


@dataclass(frozen=True)
class Standing:
    """Everything that the page shows of one tool."""

    tool: Tool
    stage: str
    may_change: bool
    publication: Publication | None
    numbers: list[str]
    aliases: list[ToolAlias]
    pins: list[VersionPin]
    agents: list[Agent]
    panels: list[Shown]
    refusal: Refusal | None = None

    @property
    def refused(self) -> dict[str, Refusal]:
        return {self.refusal.act: self.refusal} if self.refusal else {}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Look, and for those who may: act."""
    actor = actor_of(request)
    tool = versions.find(name, actor)
    if request.method != "POST":
        return _shown(request, tool, actor)
    act = request.POST.get("act", "")
    try:
        told = _do(act, tool, request.POST, actor)
    except (Conflict, Invalid, NotFound) as refused:
        asks = isinstance(refused, lifecycle.Unconfirmed)
        refusal = Refusal(act, _said(refused), request.POST.dict(), asks)
        fresh = versions.find(name, actor)
        return _shown(request, fresh, actor, refusal)
    messages.success(request, told)
    return HttpResponseRedirect(reverse("tool-lifecycle-page", args=[name]))


def _do(act: str, tool: Tool, sent: QueryDict, actor: Actor) -> str:
    if act not in ACTS:
        raise NotFound(f"There is no act {act[:40]!r}.")
    if act not in _OF_AGENTS:
        tool = versions.changeable(tool.name, actor)
    return ACTS[act](tool, sent, actor)


def _deprecate(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    named = sent.get("replacement", "").strip()
    lifecycle.deprecate(
        tool,
        message=sent.get("message", "").strip(),
        replacement=replacement_of(named, actor) if named else None,
        sunset_at=_day(sent),
        confirmed="confirmed" in sent,
    )
    return f"{tool.name} is deprecated: callers are told."


def _undo(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    lifecycle.undo(tool)
    return f"{tool.name} isn't deprecated any more."


def _remove(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    lifecycle.remove(tool)
    return f"{tool.name} is listed nowhere any more. Its history stays."


def _restore(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    lifecycle.restore(tool)
    return f"{tool.name} is listed again."


def _retire(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    meant = sent.get("versions", "").strip()
    told = sent.get("message", "").strip()
    lifecycle.retire(tool, meant, message=told, sunset_at=_day(sent), confirmed="confirmed" in sent)
    return f"{meant} of {tool.name} is deprecated."


def _reinstate(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    lifecycle.reinstate(tool, sent.get("versions", ""))
    return f"{sent.get('versions', '')} of {tool.name} isn't deprecated any more."


def _point(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    alias = bindings.point(tool, sent.get("alias", "").strip(), sent.get("version", ""))
    return f"{alias.name} means {alias.version.version} now."


def _unpoint(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    bindings.unpoint(tool, sent.get("alias", ""))
    return f"{sent.get('alias', '')} is gone."


def _pin(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    agent = _agent(sent.get("agent", ""), actor)
    row = bindings.pin(agent, tool, sent.get("selector", ""), reason=sent.get("reason", "").strip())
    return f"{agent.name} is bound to {row.selector} of {tool.name}."


def _unpin(tool: Tool, sent: QueryDict, actor: Actor) -> str:
    agent = _agent(sent.get("agent", ""), actor)
    bindings.unpin(agent, tool)
    return f"{agent.name} gets the live version again."


_OF_AGENTS = frozenset({"pin", "unpin"})
ACTS: Mapping[str, Callable[[Tool, QueryDict, Actor], str]] = {
    "deprecate": _deprecate,
    "undo": _undo,
    "remove": _remove,
    "restore": _restore,
    "retire": _retire,
    "reinstate": _reinstate,
    "point": _point,
    "unpoint": _unpoint,
    "pin": _pin,
    "unpin": _unpin,
}


def _agent(name: str, actor: Actor) -> Agent:
    found: Agent | None = Agent.objects.visible_to(actor, CHANGE).filter(name=name).first()
    if found is None:
        raise Invalid(f"There is no agent {name[:64]!r} that you may bind.")
    return found


def _day(sent: QueryDict) -> datetime | None:
    """The beginning of the day that was picked, in UTC."""
    text = sent.get("sunset", "").strip()
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Invalid("Write the day as 2030-12-31.", errors=(Issue("/sunset_at", "no day"),))
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _said(problem: Problem) -> str:
    told = [issue.message for issue in problem.errors if issue.message not in problem.detail]
    return " ".join([problem.detail, *told])


def _shown(
    request: HttpRequest, tool: Tool, actor: Actor, refusal: Refusal | None = None
) -> HttpResponse:
    may = Tool.objects.visible_to(actor, CHANGE).filter(pk=tool.pk).exists()
    shown = Standing(
        tool=tool,
        stage=lifecycle.stage(tool),
        may_change=may,
        publication=publishing.check(tool) if may else None,
        numbers=list(tool.versions.values_list("version", flat=True)[:NUMBERS]),
        aliases=list(tool.aliases.select_related("version")),
        pins=list(
            VersionPin.objects.visible_to(actor).filter(tool=tool).select_related("agent")[:AGENTS]
        ),
        agents=list(Agent.objects.visible_to(actor, CHANGE).order_by("name")[:AGENTS]),
        panels=console.panels("tool_lifecycle", tool, actor),
        refusal=refusal,
    )
    status = 409 if refusal else 200
    return render(request, "registry/lifecycle.html", {"shown": shown}, status=status)

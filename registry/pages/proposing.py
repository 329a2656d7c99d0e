"""`/tools/proposals/` and the forms that propose a tool: its whole entry, as YAML."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from kernel import documents
from kernel.actor import Actor, actor_of
from kernel.problems import Conflict, Forbidden, Invalid, Issue

from registry import catalogue, proposals, quotas
from registry.models import Team, Tool
from registry.publishing import UnknownTool

PER_PAGE = 50
_MEMBERS = ("owner", "version", "description", "parameters", "result_schema", "examples")


@dataclass(frozen=True)
class Form:
    """The form as it was sent, or as it begins. `name` is the tool that it changes, "" for a new
    one; `base` the live version that the text was made from."""

    text: str
    name: str = ""
    base: str = ""
    notes: str = ""
    error: str = ""
    errors: tuple[Issue, ...] = ()


@login_required
@require_http_methods(["GET", "HEAD"])
def listing(request: HttpRequest) -> HttpResponse:
    """What the reader and their teams proposed, the newest first."""
    actor = actor_of(request)
    rows = proposals.visible(actor).order_by("-id")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    may = bool(actor.teams) or actor.is_platform
    return render(request, "registry/proposals.html", {"page": page, "may_propose": may})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Propose a tool that there isn't yet."""
    actor = actor_of(request)
    if not (actor.teams or actor.is_platform):
        raise Forbidden("A tool is proposed by its team, and you belong to none.")
    if request.method == "POST":
        return _sent(request, actor, "")
    return _form(request, Form(_beginning(actor)))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, name: str) -> HttpResponse:
    """Propose a change of a tool, beginning with its entry as it is."""
    actor = actor_of(request)
    tools = Tool.objects.select_related("team", "replacement", "live_version")
    tool = tools.visible_to(actor).filter(name=name).first()
    if tool is None:
        raise UnknownTool(f"There is no tool {name!r} for you.")
    if not Tool.objects.visible_to(actor, "change").filter(pk=tool.pk).exists():
        raise Forbidden(f"Team {tool.team.name!r} owns {name!r}. Report a problem to it instead.")
    if request.method == "POST":
        return _sent(request, actor, name)
    base = tool.live_version.version if tool.live_version else ""
    return _form(request, Form(documents.to_text(_read(tool)), name=name, base=base))


def _read(tool: Tool) -> dict[str, Any]:
    """The draft as people read it: what says nothing is left out."""
    entry = catalogue.entry_of(tool)
    first = {key: entry[key] for key in ("kind", "name", *_MEMBERS) if key in entry}
    rest = {key: value for key, value in entry.items() if value not in (None, "", [], {})}
    return first | rest


def _beginning(actor: Actor) -> str:
    team = Team.objects.filter(id__in=actor.teams).values_list("name", flat=True).first()
    return documents.to_text(
        {
            "kind": "tool",
            "name": "",
            "owner": team or "",
            "version": "1.0",
            "description": "",
            "parameters": {"path": "The file to read (string, required)"},
            "executor": "http",
            "executor_config": {},
        }
    )


def _sent(request: HttpRequest, actor: Actor, name: str) -> HttpResponse:
    given = Form(
        text=request.POST.get("document", ""),
        name=name,
        base=request.POST.get("base", ""),
        notes=request.POST.get("notes", ""),
    )
    try:
        row = proposals.submit(
            documents.from_text(given.text),
            by=actor,
            notes=given.notes,
            name=name or None,
            base=given.base if name else None,
        )
    except (Invalid, Conflict, Forbidden, quotas.TooMany) as refused:
        again = Form(
            given.text, name, given.base, given.notes, refused.detail, tuple(refused.errors)
        )
        return _form(request, again, status=refused.status)
    messages.success(request, f"{row} is in review.")
    return HttpResponseRedirect(reverse("proposal", args=[row.id]), status=303)


def _form(request: HttpRequest, form: Form, status: int = 200) -> HttpResponse:
    return render(request, "registry/propose.html", {"form": form}, status=status)

"""`/tools/reports/`: problems with tools, requests for new ones, and the forms that file them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from kernel.actor import Actor, actor_of
from kernel.problems import Conflict, Invalid, Issue

from registry import quotas, reports
from registry.models import Tool, ToolReport
from registry.publishing import UnknownTool

PER_PAGE = 50
WAITING = 100
PROPOSALS = 20


@dataclass(frozen=True)
class Form:
    """A form as it was sent, shown again where it is refused."""

    title: str = ""
    text: str = ""
    name: str = ""
    team: str = ""
    error: str = ""
    errors: tuple[Issue, ...] = ()


@login_required
@require_http_methods(["GET", "HEAD"])
def listing(request: HttpRequest) -> HttpResponse:
    """What waits for an answer of the reader's teams, and everything that they may see."""
    actor = actor_of(request)
    page = Paginator(reports.visible(actor).order_by("-id"), PER_PAGE)
    waiting = list(reports.waiting_for(actor)[: WAITING + 1])
    given = {
        "waiting": waiting[:WAITING],
        "more": len(waiting) > WAITING,
        "page": page.get_page(request.GET.get("page")),
    }
    return render(request, "registry/reports.html", given)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def problem(request: HttpRequest, name: str) -> HttpResponse:
    """Tell a tool's owner of a problem with it."""
    actor = actor_of(request)
    tool = Tool.objects.visible_to(actor).select_related("team").filter(name=name).first()
    if tool is None:
        raise UnknownTool(f"There is no tool {name!r} for you.")
    form = Form()
    if request.method == "POST":
        form = _sent(request)
        try:
            row = reports.report_problem(name, title=form.title, text=form.text, by=actor)
        except (Invalid, quotas.TooMany) as refused:
            return _form(request, _again(form, refused), tool, refused.status)
        return _filed(request, row)
    return _form(request, form, tool)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def wish(request: HttpRequest) -> HttpResponse:
    """Request a tool that there isn't."""
    if request.method == "POST":
        form = _sent(request)
        try:
            row = reports.request_tool(
                title=form.title,
                text=form.text,
                name=form.name,
                team=form.team,
                by=actor_of(request),
            )
        except (Invalid, quotas.TooMany) as refused:
            return _form(request, _again(form, refused), None, refused.status)
        return _filed(request, row)
    return _form(request, Form(name=request.GET.get("name", "")[:64]), None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, report_id: UUID) -> HttpResponse:
    """One report with its answer, and the form to give one."""
    actor = actor_of(request)
    row = reports.find(report_id, actor)
    if request.method != "POST":
        return _shown(request, actor, row, Form())
    given = Form(text=request.POST.get("comment", ""), name=request.POST.get("proposal", ""))
    try:
        reports.answer(
            report_id,
            by=actor,
            status=request.POST.get("status", ""),
            comment=given.text,
            proposal_id=_uuid(given.name),
        )
    except (Invalid, Conflict) as refused:
        again = reports.find(report_id, actor)
        return _shown(request, actor, again, _again(given, refused), refused.status)
    messages.success(request, "Saved; whoever reported it sees the answer here.")
    return HttpResponseRedirect(reverse("report", args=[report_id]), status=303)


def _shown(
    request: HttpRequest, actor: Actor, row: ToolReport, form: Form, status: int = 200
) -> HttpResponse:
    may_answer = reports.may_answer(row, actor) and row.status != "closed"
    given: dict[str, Any] = {
        "report": row,
        "form": form,
        "may_answer": may_answer,
        "may_close": not may_answer and reports.is_reporter(row, actor) and row.status != "closed",
        "proposals": list(reports.proposals_for(row, actor)[:PROPOSALS]) if may_answer else [],
    }
    return render(request, "registry/report.html", given, status=status)


def _sent(request: HttpRequest) -> Form:
    title, text, name, team = (
        request.POST.get(key, "").strip() for key in ("title", "text", "name", "team")
    )
    return Form(title, text, name, team)


def _again(form: Form, refused: Any) -> Form:
    return Form(form.title, form.text, form.name, form.team, refused.detail, tuple(refused.errors))


def _form(request: HttpRequest, form: Form, tool: Tool | None, status: int = 200) -> HttpResponse:
    given = {"form": form, "tool": tool}
    return render(request, "registry/report_form.html", given, status=status)


def _filed(request: HttpRequest, row: ToolReport) -> HttpResponse:
    owner = f"team {row.team.name}" if row.team else "the platform team"
    messages.success(request, f"Sent to {owner}. Its answer will stand here.")
    return HttpResponseRedirect(reverse("report", args=[row.id]), status=303)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        issue = Issue("/proposal", "choose a proposal")
        raise Invalid("This answer doesn't fit.", errors=(issue,)) from error

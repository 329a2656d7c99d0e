"""`/approvals/{id}/`: one question with everything that it rests on, and the form to answer it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from kernel import money
from kernel.actor import Actor, actor_of
from kernel.problems import Conflict, Forbidden, Invalid, NotFound, Problem

from context.models import Decision, Project
from governance import approvals, budgets, curation
from governance.models import Approval
from governance.models.approvals import Decision as Answer
from orchestration.models import Step, ToolCall, WorkflowRun
from orchestration.pages import differences, proposals, publications
from orchestration.pages.differences import Change, Layout
from orchestration.pages.proposals import Proposal
from registry.models import User

MAX_DECISIONS = 100
MAX_STEPS = 200
MAX_PAGE = 10_000


@dataclass(frozen=True)
class Ground:
    """What a gate's question rests on. `project` is None where the run has none that the proposal
    could be about; `change` is None where no file changes, or where `fault` says why not."""

    run: WorkflowRun | None
    steps: list[Step]
    project: Project | None
    proposal: Proposal
    change: Change | None
    fault: str
    decisions: list[Decision]
    cost_micros: int
    calls: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Filled:
    """The form as it was sent, shown again where it is refused."""

    comment: str = ""
    excluded: bool = False
    error: str = ""
    errors: tuple[str, ...] = ()


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Show the question, or take the person's vote and come back with its outcome."""
    actor = actor_of(request)
    approval = approvals.visible(actor).filter(id=approval_id).first()
    if approval is None:
        raise NotFound("There is no such approval, or it isn't visible to you.")
    if request.method == "POST":
        return _voted(request, actor, approval)
    return _shown(request, actor, approval, Filled())


def _voted(request: HttpRequest, actor: Actor, approval: Approval) -> HttpResponse:
    """1. cast the vote; 2. back to the page; a vote that doesn't fit is shown in its form."""
    decision = request.POST.get("decision", "")
    comment = request.POST.get("comment", "")
    exclude = request.POST.getlist("exclude")[:20] if decision == "request_changes" else []
    try:
        approvals.vote(
            approval.id,
            by=cast(User, request.user),
            decision=decision,
            comment=comment,
            fields={"exclude": exclude} if exclude else {},
            seen=request.POST.get("seen"),
        )
    except Forbidden:
        raise
    except (Invalid, Conflict) as error:
        again = Filled(
            comment=comment,
            excluded=bool(request.POST.getlist("exclude")),
            error=error.detail,
            errors=tuple(issue.message for issue in error.errors),
        )
        approval.refresh_from_db()
        return _shown(request, actor, approval, again, status=error.status)
    messages.success(request, Answer(decision).told)
    return HttpResponseRedirect(reverse("approval", args=[approval.id]), status=303)


def _shown(
    request: HttpRequest, actor: Actor, approval: Approval, filled: Filled, status: int = 200
) -> HttpResponse:
    votes = list(approval.votes.order_by("id"))
    given: dict[str, Any] = {
        "approval": approval,
        "votes": votes,
        "may_vote": approvals.may_vote(approval, actor),
        "refusal": approvals.refusal(approval, actor) if approval.status == "open" else None,
        "asked": approvals.told(approval),
        "filled": filled,
        "has_voted": any(vote.user_id == actor.id for vote in votes),
    }
    if approval.kind == "tool_call":
        return _call_shown(request, actor, approval, given, status)
    if approval.kind == curation.KIND:
        return publications.shown(request, actor, approval, given, status)
    layout: Layout = "unified" if request.GET.get("view") == "unified" else "split"
    ground = _ground(request, approval, layout)
    given |= {"ground": ground, "layout": layout, "may_see_run": _may_see(actor, ground.run)}
    return render(request, "orchestration/gate.html", given, status=status)


def _ground(request: HttpRequest, approval: Approval, layout: Layout) -> Ground:
    run, steps = _run_of(approval)
    proposal = proposals.read(approval.shown if isinstance(approval.shown, dict) else {})
    project = _project_of(approval, run, proposal)
    change, fault = _change(request, project, proposal, layout)
    return Ground(
        run=run,
        steps=steps,
        project=project,
        proposal=proposal,
        change=change,
        fault=fault,
        decisions=_decisions(project, proposal),
        cost_micros=budgets.spent_by_run(run.id) if run else 0,
        calls=_calls(run),
    )


def _run_of(approval: Approval) -> tuple[WorkflowRun | None, list[Step]]:
    """The run that asks, by way of its step; whoever may see the question may see these steps."""
    run_id = approval.subject_id
    if approval.subject_kind == "step":
        found = Step.objects.filter(id=approval.subject_id).values_list("run_id", flat=True)
        run_id = found.first() or run_id
    run = WorkflowRun.objects.filter(id=run_id).select_related("project", "workflow_version")
    first = run.first()
    return first, list(first.steps.all()[:MAX_STEPS]) if first else []


def _project_of(approval: Approval, run: WorkflowRun | None, proposal: Proposal) -> Project | None:
    """The run's own project, or one of the same team by the name that was shown: an agent can't
    make this page open another team's files."""
    if run is not None and run.project is not None:
        return run.project
    return Project.objects.filter(name=proposal.project, team_id=approval.team_id).first()


def _change(
    request: HttpRequest, project: Project | None, proposal: Proposal, layout: Layout
) -> tuple[Change | None, str]:
    if project is None or not proposal.changes_files:
        return None, ""
    base_rev, rev = cast(int, proposal.base_rev), cast(int, proposal.rev)
    number = request.GET.get("page", "")
    page = min(max(int(number), 1), MAX_PAGE) if number.isdecimal() and len(number) < 9 else 1
    try:
        only = request.GET.get("file", "")
        change = differences.load(project.id, base_rev, rev, layout=layout, page=page, only=only)
    except Problem as problem:
        return None, problem.detail
    return change, ""


def _decisions(project: Project | None, proposal: Proposal) -> list[Decision]:
    """What was decided on the way from the base to the proposal; the last word on each."""
    if project is None or not proposal.changes_files:
        return []
    rows = Decision.objects.filter(
        project=project, rev__gt=proposal.base_rev, rev__lte=proposal.rev
    ).order_by("-rev", "-id")[:MAX_DECISIONS]
    latest = {row.key: row for row in reversed(rows)}
    return list(latest.values())


def _calls(run: WorkflowRun | None) -> tuple[tuple[str, int], ...]:
    """How many calls the run has made, by how they ended."""
    if run is None:
        return ()
    statuses = ToolCall.objects.filter(run_id=run.id).values_list("status", flat=True)
    return tuple(Counter(statuses).most_common())


def _may_see(actor: Actor, run: WorkflowRun | None) -> bool:
    return run is not None and WorkflowRun.objects.visible_to(actor).filter(id=run.id).exists()


def _call_shown(
    request: HttpRequest, actor: Actor, approval: Approval, given: dict[str, Any], status: int
) -> HttpResponse:
    """A parked call: its exact arguments, the contract it would run under, and why it waits."""
    calls = ToolCall.objects.select_related("payload", "tool_version", "agent__team")
    call = calls.filter(id=approval.subject_id).first()
    payload = getattr(call, "payload", None)
    arguments = payload.arguments if payload else {}
    contract = call.tool_version.contract if call else {}
    run = WorkflowRun.objects.filter(id=call.run_id).first() if call and call.run_id else None
    given |= {
        "call": call,
        "arguments": list(arguments.items())[:100] if isinstance(arguments, dict) else [],
        "contract": contract,
        "explanation": [each for each in call.explanation if isinstance(each, dict)][:100]
        if call
        else [],
        "run": run,
        "may_see_run": _may_see(actor, run),
        "cost": money.text(money.to_micros(contract.get("cost_per_call") or 0)),
    }
    return render(request, "orchestration/call_approval.html", given, status=status)

"""`/runs/` and `/runs/{id}/`: what runs do and did, with live progress and two buttons."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST
from kernel.actor import Actor, actor_of
from kernel.problems import Conflict, Forbidden, NotFound

from governance import budgets
from governance.models import Approval
from orchestration import runs
from orchestration.models import AgentTask, RunEvent, Step, ToolCall, WorkflowRun
from orchestration.models.runs import RUN_ENDED, StepStatus

PER_PAGE = 50
MAX_STEPS = 200
MAX_EVENTS = 100
MAX_CALLS = 100
LIVE = ("queued", "running", "waiting", "paused")


@dataclass(frozen=True)
class Listed:
    """One page of runs, the newest first. `before` is the id that the next page goes on from."""

    rows: list[WorkflowRun]
    live_only: bool
    before: UUID | None


@dataclass(frozen=True)
class Seen:
    """A run with all that its page shows; lists are bounded, the newest first."""

    run: WorkflowRun
    steps: list[Step]
    tasks: list[AgentTask]
    events: list[RunEvent]
    calls: list[ToolCall]
    gates: list[Approval]
    cost_micros: int
    may_change: bool

    @property
    def is_live(self) -> bool:
        return self.run.status not in RUN_ENDED

    @property
    def may_resume(self) -> bool:
        return self.may_change and any(step.status == StepStatus.PAUSED for step in self.steps)


@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """The runs that one may see."""
    rows = WorkflowRun.objects.visible_to(actor_of(request)).select_related("project")
    live_only = request.GET.get("status") == "live"
    before = _uuid(request.GET.get("before", ""))
    listed = _listed(rows, live_only=live_only, before=before)
    return render(request, "orchestration/runs.html", {"listed": listed})


def _listed(rows: QuerySet[WorkflowRun], *, live_only: bool, before: UUID | None) -> Listed:
    if live_only:
        rows = rows.filter(status__in=LIVE)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: PER_PAGE + 1])
    more = len(found) > PER_PAGE
    return Listed(found[:PER_PAGE], live_only, found[PER_PAGE - 1].id if more else None)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@login_required
def page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One run."""
    actor = actor_of(request)
    run = _visible(actor, run_id)
    seen = Seen(
        run=run,
        steps=list(run.steps.order_by("position", "iteration")[:MAX_STEPS]),
        tasks=list(run.tasks.filter(status="claimed").order_by("-id")[:20]),
        events=list(run.events.order_by("-seq")[:MAX_EVENTS]),
        calls=list(ToolCall.objects.filter(run_id=run.id).order_by("-id")[:MAX_CALLS]),
        gates=_gates(run),
        cost_micros=budgets.spent_by_run(run.id),
        may_change=_may_change(actor, run.id),
    )
    return render(request, "orchestration/run.html", {"seen": seen})


def _gates(run: WorkflowRun) -> list[Approval]:
    """Questions about the run's steps and about its calls. Whoever sees the run sees its questions:
    both belong to one team."""
    subjects = [
        *run.steps.filter(kind="gate").values_list("id", flat=True),
        *ToolCall.objects.filter(run_id=run.id, approval__isnull=False).values_list(
            "id", flat=True
        )[:MAX_CALLS],
    ]
    return list(Approval.objects.filter(subject_id__in=subjects).order_by("-id")[:MAX_STEPS])


@login_required
@require_POST
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """End the run now."""
    actor = _allowed(request, run_id)
    try:
        runs.cancel(run_id, by=actor, reason=request.POST.get("reason", "")[:500])
    except Conflict as conflict:
        messages.warning(request, conflict.detail)
    else:
        messages.success(request, "The run was cancelled.")
    return HttpResponseRedirect(reverse("run", args=[run_id]), status=303)


@login_required
@require_POST
def resume(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Let every step that waits for a person begin."""
    actor = _allowed(request, run_id)
    try:
        runs.resume(run_id, by=actor)
    except Conflict as conflict:
        messages.warning(request, conflict.detail)
    else:
        messages.success(request, "The run goes on.")
    return HttpResponseRedirect(reverse("run", args=[run_id]), status=303)


def _visible(actor: Actor, run_id: UUID) -> WorkflowRun:
    rows = WorkflowRun.objects.visible_to(actor).select_related("project", "workflow_version")
    run: WorkflowRun | None = rows.filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no such run, or it isn't visible to you.")
    return run


def _may_change(actor: Actor, run_id: UUID) -> bool:
    rows = WorkflowRun.objects.visible_to(actor, "change")
    return bool(rows.filter(id=run_id).exists())


def _allowed(request: HttpRequest, run_id: UUID) -> Actor:
    actor = actor_of(request)
    _visible(actor, run_id)
    if not _may_change(actor, run_id):
        raise Forbidden("You may read this run, but its team decides what becomes of it.")
    return actor

"""The sweep: whatever a lost message, a dead process or a passed moment left standing.

It never runs work itself: it writes outbox rows, and the work goes through the same doors as ever.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from kernel import clock
from kernel.partial import among

from governance.models import Approval
from governance.models.approvals import ApprovalStatus
from orchestration import calling, gates, journal
from orchestration.journal import ADVANCE
from orchestration.models import Step, WorkflowRun
from orchestration.models.runs import RUN_LIVE, RunStatus, StepStatus

BATCH = 500
IN_HAND = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING)


def recover() -> int:
    """Sweep every state that isn't an end. Returns how many runs and steps were woken.

    1. runs that nobody works for: no step in hand, none that waits for its time;
    2. steps whose moment has passed: retries that are due, deadlines;
    3. gates whose question was closed; 4. tool calls that nobody makes, or that ended.
    """
    runs = {*_standing(), *_due()}
    woken = sum(journal.wake(ADVANCE, run_id) for run_id in sorted(runs))
    woken += sum(journal.wake("approval.closed", approval_id) for approval_id in _answered())
    return woken + calling.recover()


def _live() -> QuerySet[WorkflowRun]:
    """The runs that go on by themselves: a paused one waits for a person."""
    rows: QuerySet[WorkflowRun] = WorkflowRun.objects.filter(among(*RUN_LIVE))
    return rows.exclude(status=RunStatus.PAUSED)


def _standing() -> Iterable[UUID]:
    busy = Step.objects.filter(run=OuterRef("id"))
    later = Q(status=StepStatus.PENDING, due_at__gt=clock.now())
    return _ids(_live().filter(~Exists(busy.filter(Q(status__in=IN_HAND) | later))), "id")


def _due() -> Iterable[UUID]:
    passed = Step.objects.filter(
        run__in=_live().values("id"),
        status__in=(StepStatus.PENDING, StepStatus.RUNNING),
        due_at__lte=clock.now(),
    )
    return _ids(passed, "run_id")


def _answered() -> Iterable[UUID]:
    """The last question of each waiting gate that has no open one."""
    about = Approval.objects.filter(subject_kind=gates.SUBJECT, subject_id=OuterRef("id"))
    waiting = Step.objects.filter(
        kind="gate", status=StepStatus.WAITING, run__in=_live().values("id")
    )
    unasked = waiting.filter(~Exists(about.filter(status=ApprovalStatus.OPEN)))
    last = about.order_by("-created_at").values("id")[:1]
    found = unasked.annotate(approval_id=Subquery(last)).values_list("approval_id", flat=True)
    return [approval_id for approval_id in found[:BATCH] if approval_id is not None]


def _ids(rows: QuerySet[Step] | QuerySet[WorkflowRun], name: str) -> list[UUID]:
    return list(rows.values_list(name, flat=True)[:BATCH])

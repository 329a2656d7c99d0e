"""Steps of a run: each transition is one conditional update, under the run's journal.

`token` is the fencing token: it grows whenever the step begins anew, and a result that bears an
older one changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import F

from orchestration.definitions import Node
from orchestration.journal import Journal
from orchestration.models import Step
from orchestration.models.runs import STEP_ENDED, StepStatus

IN_HAND = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING)


def _move(step: Step, old: tuple[str, ...], fence: int | None = None, **values: Any) -> bool:
    """The conditional update behind every transition. Returns whether it was ours to make."""
    rows = Step.objects.filter(id=step.id, status__in=old)
    if fence is not None:
        rows = rows.filter(token=fence)
    if not rows.update(**values):
        return False
    step.refresh_from_db()
    return True


def begin(journal: Journal, step: Step, status: str, input: Mapping[str, Any]) -> bool:
    """A pending or paused step begins (again): it gets a new token and its input."""
    begun = _move(
        step,
        (StepStatus.PENDING, StepStatus.PAUSED),
        status=status,
        token=F("token") + 1,
        input=dict(input),
        due_at=None,
        lease_until=None,
        started_at=journal.now if status == StepStatus.WAITING else step.started_at,
    )
    if begun:
        project = journal.run.project
        rev = {"project_rev": project.rev} if project else {}
        journal.record("step.started", step, token=step.token, kind=step.kind, **rev)
    return begun


def claim(
    journal: Journal, step: Step, node: Node, token: int, *, lease_until: datetime | None = None
) -> bool:
    """Somebody takes the ready step on; attempts are counted here, so that a step which kills its
    worker every time comes to an end."""
    claimed = _move(
        step,
        (StepStatus.READY,),
        token,
        status=StepStatus.RUNNING,
        attempt=F("attempt") + 1,
        started_at=step.started_at or journal.now,
        due_at=journal.now + node.timeout if node.timeout else None,
        lease_until=lease_until,
    )
    if claimed:
        journal.record("step.claimed", step, token=token, attempt=step.attempt)
        if step.due_at:
            journal.nudge(step.due_at)
    return claimed


def succeed(journal: Journal, step: Step, token: int, output: Any) -> bool:
    """The step's result, accepted once."""
    done = _move(
        step,
        (StepStatus.RUNNING, StepStatus.WAITING),
        token,
        status=StepStatus.SUCCEEDED,
        output=output,
        error=None,
        due_at=None,
        lease_until=None,
        finished_at=journal.now,
    )
    if done:
        journal.record("step.succeeded", step, token=token, attempt=step.attempt)
        journal.nudge()
    return done


def fail(
    journal: Journal,
    step: Step,
    node: Node,
    token: int,
    error: Mapping[str, Any],
    *,
    retryable: bool,
) -> bool:
    """The attempt failed: tried again after a growing wait while attempts remain."""
    if retryable and step.attempt < node.retry.attempts:
        return _put_back(journal, step, node, token, error, "step.retrying")
    if retryable:
        error = {**error, "message": f"{error.get('message', '')} ({step.attempt} attempts)"}
    failed = _move(
        step,
        (*IN_HAND, StepStatus.PENDING),
        token,
        status=StepStatus.FAILED,
        error=dict(error),
        due_at=None,
        lease_until=None,
        finished_at=journal.now,
    )
    if failed:
        journal.record("step.failed", step, token=token, attempt=step.attempt, error=dict(error))
        journal.nudge()
    return failed


def lose(
    journal: Journal,
    step: Step,
    node: Node,
    token: int,
    error: Mapping[str, Any],
    *,
    retryable: bool = True,
) -> bool:
    """Whoever had the step is gone. It is tried again, or waits for a person to say so."""
    if retryable and step.attempt < node.retry.attempts:
        return _put_back(journal, step, node, token, error, "step.lost")
    return pause(journal, step, token, error)


def _put_back(
    journal: Journal, step: Step, node: Node, token: int, error: Mapping[str, Any], event: str
) -> bool:
    due_at = journal.now + node.retry.delay(step.attempt)
    back = _move(
        step,
        IN_HAND,
        token,
        status=StepStatus.PENDING,
        error=dict(error),
        due_at=due_at,
        lease_until=None,
    )
    if back:
        journal.record(
            event,
            step,
            token=token,
            attempt=step.attempt,
            error=dict(error),
            due_at=due_at.isoformat(),
        )
        journal.nudge(due_at)
    return back


def pause(journal: Journal, step: Step, token: int, error: Mapping[str, Any] | None) -> bool:
    """The step waits for a person; resuming the run begins it anew."""
    paused = _move(
        step,
        (*IN_HAND, StepStatus.PENDING),
        token,
        status=StepStatus.PAUSED,
        error=dict(error) if error else None,
        due_at=None,
        lease_until=None,
    )
    if paused:
        journal.record("step.paused", step, token=token, error=dict(error) if error else None)
        journal.nudge()
    return paused


def wait(journal: Journal, step: Step, token: int, **data: Any) -> bool:
    """A running step waits for something outside, such as the approval of its call."""
    waiting = _move(step, (StepStatus.RUNNING,), token, status=StepStatus.WAITING, lease_until=None)
    if waiting:
        journal.record("step.waiting", step, token=token, **data)
        journal.nudge()
    return waiting


def skip(journal: Journal, step: Step, why: str) -> bool:
    skipped = _move(
        step,
        (StepStatus.PENDING, StepStatus.PAUSED),
        status=StepStatus.SKIPPED,
        finished_at=journal.now,
    )
    if skipped:
        journal.record("step.skipped", step, why=why)
    return skipped


def cancel(journal: Journal, step: Step, why: str) -> bool:
    """End a step that hasn't ended. Its token grows: what was under way can't report any more."""
    old = tuple(status for status in StepStatus.values if status not in STEP_ENDED)
    cancelled = _move(
        step,
        old,
        status=StepStatus.CANCELLED,
        token=F("token") + 1,
        due_at=None,
        lease_until=None,
        finished_at=journal.now,
    )
    if cancelled:
        journal.record("step.cancelled", step, why=why)
    return cancelled


def again(journal: Journal, step: Step, feedback: Mapping[str, Any]) -> Step:
    """Another iteration: a new row that is told what was asked for; the old one stays."""
    fresh = Step.objects.create(
        run=journal.run,
        team_id=step.team_id,
        name=step.name,
        kind=step.kind,
        position=step.position,
        iteration=step.iteration + 1,
        input={"feedback": dict(feedback)},
        created_at=journal.now,
    )
    journal.record("step.reopened", fresh)
    return fresh

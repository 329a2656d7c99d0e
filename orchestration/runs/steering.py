"""What people do to a run under way: cancel it, resume it."""

from uuid import UUID

from kernel.actor import Actor
from kernel.problems import Conflict

from orchestration import commands, journal
from orchestration.commands import Finish
from orchestration.definitions import TemplateError
from orchestration.journal import Journal
from orchestration.models import Step
from orchestration.models.runs import RunStatus, StepStatus
from orchestration.runs import advancing, applying, state


def cancel(run_id: UUID, *, by: Actor, reason: str) -> None:
    """End the run now; what is under way is told to stop and can't report any more. Cancelling a
    cancelled run changes nothing. Raises Conflict when it ended otherwise."""
    with journal.opened(run_id) as opened:
        if opened.run.status == RunStatus.CANCELLED:
            return
        if opened.is_over:
            raise Conflict(f"The run has ended as {opened.run.status}; nothing is left to cancel.")
        why = f"cancelled by {by.name}" + (f": {reason}" if reason else "")
        applying.finish(opened, Finish(RunStatus.CANCELLED, why))


def resume(run_id: UUID, *, by: Actor) -> None:
    """Let every step that waits for a person begin (again). Raises Conflict when none does."""
    with journal.opened(run_id) as opened:
        rows = opened.steps()
        paused = [step for step in rows.values() if step.status == StepStatus.PAUSED]
        if opened.is_over or not (paused or opened.run.status == RunStatus.PAUSED):
            raise Conflict(f"The run is {opened.run.status}; there is nothing to resume.")
        opened.record("run.resumed", by=by.reference, steps=[step.name for step in paused])
        applying.note(opened, "run.resumed", by=by.reference)
        applying.settle(opened, RunStatus.RUNNING)
        for step in paused:
            _begin(opened, rows, step)
        advancing.drive(opened)


def _begin(opened: Journal, rows: dict[str, Step], step: Step) -> None:
    node = opened.definition.node(step.name)
    seen = state.of(opened, rows)
    command: commands.Command
    try:
        command = commands.opening(node, seen.steps[step.name], seen)
    except TemplateError as error:
        command = commands.Break(seen.steps[step.name], str(error))
    applying.apply(opened, rows, command)

"""Ending the task of a step from the run's side: nobody wants its result any more."""

from kernel.models import Outbox

from orchestration import runtimes
from orchestration.journal import Journal
from orchestration.models import AgentTask, Step
from orchestration.models.tasks import TaskStatus
from orchestration.tasks import rows
from registry import keys


def end(journal: Journal, step: Step, status: TaskStatus, why: str) -> None:
    """End the step's live task as cancelled or lost, with its key and its launch."""
    live = AgentTask.objects.filter(step=step, status__in=(TaskStatus.QUEUED, TaskStatus.CLAIMED))
    for task in live:
        error = {"reason": status.value, "message": why}
        if live.filter(id=task.id).update(
            status=status, error=error, finished_at=journal.now, lease_until=None
        ):
            keys.revoke_for_task(task.id)
            Outbox.objects.filter(
                topic__in=[t for t in runtimes.TOPICS.values() if t], subject_id=task.id
            ).delete()
            rows.note("task.lost" if status == TaskStatus.LOST else "task.finished", task, why=why)

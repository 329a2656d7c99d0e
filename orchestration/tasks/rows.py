"""The task's row and, where it belongs to a run, the run's journal around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from kernel.problems import NotFound

from governance import audit
from orchestration import journal
from orchestration.journal import Journal
from orchestration.models import AgentTask

ENDED = ("succeeded", "failed", "cancelled", "lost")


def get(task_id: UUID) -> AgentTask:
    """Raises NotFound."""
    task = AgentTask.objects.select_related("agent", "step", "project", "run").filter(id=task_id)
    found: AgentTask | None = task.first()
    if found is None:
        raise NotFound(f"There is no task {task_id} for you.")
    return found


@contextmanager
def around(task: AgentTask) -> Iterator[Journal | None]:
    """One transaction, with the run locked where the task has one. The run comes before the task,
    always, so that no two transactions wait for each other."""
    if task.run_id is not None:
        with journal.opened(task.run_id) as opened:
            yield opened
    else:
        with transaction.atomic():
            yield None


def note(event: str, task: AgentTask, /, **data: Any) -> None:
    """One audit line about the task."""
    audit.record(
        event,
        target_kind="agent_task",
        target_id=str(task.id),
        target_name=task.agent_name,
        team_id=task.team_id,
        run=str(task.run_id) if task.run_id else None,
        **data,
    )

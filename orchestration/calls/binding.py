"""Which run and task a caller acts for: the credential says it, the request may only repeat it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orchestration.models import AgentTask
from orchestration.models.tasks import TaskStatus
from registry.models import Credential


@dataclass(frozen=True)
class Binding:
    """What a call is done for. `objection` says why a claim doesn't hold."""

    run_id: UUID | None = None
    step_id: UUID | None = None
    task_id: UUID | None = None
    objection: str = ""


def of(credential: Credential, *, run: UUID | None, at: datetime) -> Binding:
    """The binding of a caller that says it acts for `run`."""
    if credential.task_id is None:
        if run is None:
            return Binding()
        return Binding(
            objection=f"Run {run} needs the key of a live task of it; this key is tied to no task."
        )
    task = AgentTask.objects.filter(id=credential.task_id, agent=credential.agent_id).first()
    if task is None or task.status != TaskStatus.CLAIMED or not _leased(task, at):
        return Binding(objection="The task of this key isn't live any more.")
    if run is not None and run != task.run_id:
        return Binding(objection=f"This key's task doesn't belong to run {run}.")
    return Binding(run_id=task.run_id, step_id=task.step_id, task_id=task.id)


def _leased(task: AgentTask, at: datetime) -> bool:
    return task.lease_until is None or task.lease_until > at

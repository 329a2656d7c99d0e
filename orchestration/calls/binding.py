"""Which run and task a caller acts for: a key or token proves it, the request may repeat it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kernel import clock
from kernel.problems import Forbidden
from rest_framework.request import Request

from orchestration.models import AgentTask
from orchestration.models.tasks import TaskStatus
from orchestration.tasks import tokens
from registry.authentication import Caller
from registry.models import Credential

HEADER = "Gatehouse-Task-Token"


@dataclass(frozen=True)
class Binding:
    """What a call is done for, and for which team. `objection` says why a claim doesn't hold."""

    run_id: UUID | None = None
    step_id: UUID | None = None
    task_id: UUID | None = None
    team_id: UUID | None = None
    objection: str = ""


def of(credential: Credential, *, token: str, run: UUID | None, at: datetime) -> Binding:
    """The binding of a caller that says it acts for `run`.

    A key that was made for one task proves that task; any other key needs the token of a claimed
    task of its agent.
    """
    if credential.task_id is None and not token:
        return Binding(objection=_unproven(run)) if run else Binding()
    task = _live(credential, token, at)
    if task is None:
        return Binding(objection="The task of this key or token isn't live any more.")
    if run is not None and run != task.run_id:
        return Binding(objection=f"The caller's task doesn't belong to run {run}.")
    return Binding(task.run_id, task.step_id, task.id, task.team_id)


def _unproven(run: UUID) -> str:
    return (
        f"To act for run {run}, use the key that its task came with, or send the task's token as "
        f"`{HEADER}`."
    )


def _live(credential: Credential, token: str, at: datetime) -> AgentTask | None:
    task: AgentTask | None = None
    if token:
        task = tokens.live(token)
    elif credential.task_id is not None:
        rows = AgentTask.objects.filter(id=credential.task_id, status=TaskStatus.CLAIMED)
        task = rows.first()
    if task is None or task.agent_id != credential.agent_id:
        return None
    if credential.task_id not in (None, task.id):
        return None
    return task if task.lease_until is None or task.lease_until > at else None


def run_of(request: Request) -> UUID | None:
    """The run that a request to any door is part of. Raises Forbidden for a task that is over."""
    caller = request.user
    if not isinstance(caller, Caller):
        return None
    token = request.headers.get(HEADER, "")
    bound = of(caller.credential, token=token, run=None, at=clock.now())
    if bound.objection:
        raise Forbidden(bound.objection)
    return bound.run_id

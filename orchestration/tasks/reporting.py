"""What an agent says about the task that it holds: I'm alive, this happened, done, failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kernel import clock, crash
from kernel.problems import Conflict, Invalid, Issue, TooLarge

from orchestration import steps
from orchestration.calls import bounds
from orchestration.journal import Journal
from orchestration.models import AgentTask, RunEvent
from orchestration.models.tasks import TaskStatus
from orchestration.tasks import rows, tokens
from orchestration.tasks.claiming import bounded
from orchestration.tasks.tokens import StaleToken

MAX_OUTPUT = 4 * 1024 * 1024
MAX_EVENT = 16 * 1024
MAX_EVENTS = 10_000


@dataclass(frozen=True)
class Beat:
    """The answer to a heartbeat. `cancelled`: stop, nobody wants the result any more."""

    cancelled: bool
    lease_until: datetime | None


def heartbeat(
    task_id: UUID,
    token: str,
    progress: Mapping[str, Any] | None = None,
    lease: timedelta | None = None,
) -> Beat:
    """Keep the claim alive. Raises StaleToken when somebody else has the task, or it ended."""
    task = rows.get(task_id)
    if task.status == TaskStatus.CANCELLED and tokens.fits(task, token):
        return Beat(cancelled=True, lease_until=None)
    _fit("progress", progress or {}, MAX_EVENT)
    until = clock.now() + bounded(lease)
    values: dict[str, Any] = {"lease_until": until}
    if progress:
        values["progress"] = dict(progress)
    if not _held(task, token).update(**values):
        raise _stale(task, token)
    if progress and progress.get("doing") and progress["doing"] != task.progress.get("doing"):
        _tell(task, "task.progress", dict(progress))
    return Beat(cancelled=False, lease_until=until)


def event(task_id: UUID, token: str, data: Mapping[str, Any]) -> None:
    """Add an event of the agent's own to the run's history. Raises StaleToken, TooLarge."""
    task = rows.get(task_id)
    if not _held(task, token).exists():
        raise _stale(task, token)
    _fit("event", data, MAX_EVENT)
    _tell(task, "task.event", dict(data))


def _tell(task: AgentTask, name: str, data: dict[str, Any]) -> None:
    if task.run_id is None:
        return
    with rows.around(task) as journal:
        if journal is None or journal.is_over:
            return
        if journal.run.last_seq >= MAX_EVENTS:
            raise Conflict(f"The run has {MAX_EVENTS} events, which is all that it may have.")
        journal.record(name, task.step, task=str(task.id), agent=task.agent_name, data=data)


def complete(task_id: UUID, token: str, output: Any) -> AgentTask:
    """The task's result. The same result again changes nothing; an old token is refused."""
    _fit("output", output, MAX_OUTPUT)
    task = rows.get(task_id)
    if _is_repeat(task, token, TaskStatus.SUCCEEDED, task.output, output):
        return task
    with rows.around(task) as journal:
        done = _end(task, token, TaskStatus.SUCCEEDED, output=output)
        if done and journal is not None and task.step is not None:
            done = steps.succeed(journal, task.step, task.step_token, output) or _undo(task)
        if done:
            rows.note("task.finished", task, status=TaskStatus.SUCCEEDED.value)
    crash.point("task.completed")
    if not done:
        raise _stale(task, token)
    return rows.get(task_id)


def fail(task_id: UUID, token: str, error: Mapping[str, Any], *, retryable: bool) -> AgentTask:
    """The task failed. A step is tried again when the error is retryable and attempts remain."""
    _fit("error", error, MAX_EVENT)
    task = rows.get(task_id)
    if _is_repeat(task, token, TaskStatus.FAILED, task.error, dict(error)):
        return task
    with rows.around(task) as journal:
        done = _end(task, token, TaskStatus.FAILED, error=dict(error))
        if done and journal is not None and task.step is not None:
            node = journal.definition.node(task.step.name)
            done = steps.fail(
                journal, task.step, node, task.step_token, error, retryable=retryable
            ) or _undo(task)
        if done:
            rows.note("task.finished", task, status=TaskStatus.FAILED.value)
    if not done:
        raise _stale(task, token)
    return rows.get(task_id)


def _held(task: AgentTask, token: str) -> Any:
    return AgentTask.objects.filter(
        id=task.id, status=TaskStatus.CLAIMED, token_digest=tokens.digest(token)
    )


def _end(task: AgentTask, token: str, status: str, **values: Any) -> bool:
    ended = _held(task, token).update(
        status=status, finished_at=clock.now(), lease_until=None, **values
    )
    return bool(ended)


def _undo(task: AgentTask) -> bool:
    """The step went on without this task, so its report isn't used."""
    AgentTask.objects.filter(id=task.id).update(status=TaskStatus.CANCELLED, output=None)
    return False


def _is_repeat(task: AgentTask, token: str, status: str, said: Any, says: Any) -> bool:
    return task.status == status and tokens.fits(task, token) and said == says


def _stale(task: AgentTask, token: str) -> StaleToken:
    """The refusal; that a former holder reported late is kept in the run's history, once."""
    task = rows.get(task.id)
    if task.run_id and tokens.fits(task, token):
        with rows.around(task) as journal:
            _record_once(task, journal)
    return StaleToken(
        f"This token doesn't hold task {task.id} any more (it is {task.status}). "
        "Its result isn't used; claim another task."
    )


def _record_once(task: AgentTask, journal: Journal | None) -> None:
    late = RunEvent.objects.filter(run_id=task.run_id, name="stale_result")
    if journal is not None and not any(e.data.get("task") == str(task.id) for e in late):
        journal.record("stale_result", task.step, task=str(task.id), token=task.step_token)


def _fit(what: str, value: Any, limit: int) -> None:
    found = tuple(Issue(f"/{what}{issue.pointer}", issue.message) for issue in bounds.faults(value))
    if found:
        raise Invalid(f"{found[0].pointer}: {found[0].message}", errors=found)
    size = bounds.size(value)
    if size > limit:
        raise TooLarge(
            f"{what} has {size} bytes; at most {limit} are accepted. "
            "Write it to the project and hand on its path."
        )

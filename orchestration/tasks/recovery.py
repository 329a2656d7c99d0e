"""Tasks whose holder is gone: handed out again, or their step decides."""

from uuid import UUID

from django.db.models import Exists, OuterRef
from kernel import clock, outbox
from kernel.models import Outbox

from orchestration import runtimes, steps
from orchestration.journal import Journal
from orchestration.models import AgentTask
from orchestration.models.tasks import TaskStatus
from orchestration.tasks import rows
from registry import keys
from registry.models import Credential

BATCH = 200
ATTEMPTS = 3


def recover() -> int:
    """Give up on claims past their lease, launch what nobody was told of, end keys that outlived
    their tasks. Returns how many rows it moved."""
    now = clock.now()
    expired = AgentTask.objects.filter(status=TaskStatus.CLAIMED, lease_until__lte=now)
    lost = sum(lose(task_id) for task_id in expired.values_list("id", flat=True)[:BATCH])
    return lost + _relaunch() + _end_keys()


def release(runtime: str) -> int:
    """Give up every claim of one runtime: for the start of a process that knows no child lives."""
    claimed = AgentTask.objects.filter(status=TaskStatus.CLAIMED, runtime=runtime)
    held = list(claimed.values_list("id", flat=True))
    return sum(lose(task_id, even_if_live=True) for task_id in held)


def lose(task_id: UUID, *, even_if_live: bool = False) -> bool:
    """The task's holder is gone. A step's task ends as lost, and its step goes on from there; a
    direct one is queued again, three times at most."""
    task = rows.get(task_id)
    with rows.around(task) as journal:
        claimed = AgentTask.objects.filter(
            id=task.id, status=TaskStatus.CLAIMED, token_digest=task.token_digest
        )
        if not even_if_live:
            claimed = claimed.filter(lease_until__lte=clock.now())
        if journal is None and task.attempt < ATTEMPTS:
            lost = claimed.update(status=TaskStatus.QUEUED, lease_until=None, token_digest="")
            if lost and (topic := runtimes.topic_of(task.runtime)):
                outbox.put(topic, task.id)
        else:
            error = {"reason": "lost", "message": "its holder stopped answering"}
            lost = claimed.update(status=TaskStatus.LOST, finished_at=clock.now(), error=error)
            if lost and journal is not None:
                _lose_step(task, journal)
        if lost:
            rows.note("task.lost", task, attempt=task.attempt)
            keys.revoke_for_task(task.id)
    return bool(lost)


def _lose_step(task: AgentTask, journal: Journal) -> None:
    if task.step is None or journal.is_over:
        return
    node = journal.definition.node(task.step.name)
    error = {"reason": "lost", "message": f"{task.agent_name} stopped answering"}
    steps.lose(journal, task.step, node, task.step_token, error)


def _relaunch() -> int:
    """Queued tasks of a runtime that is told, of which no message is left."""
    told = [name for name, topic in runtimes.TOPICS.items() if topic]
    message = Outbox.objects.filter(topic__in=runtimes.TOPICS.values(), subject_id=OuterRef("id"))
    queued = AgentTask.objects.filter(status=TaskStatus.QUEUED, runtime__in=told)
    found = list(queued.filter(~Exists(message)).values_list("id", "runtime")[:BATCH])
    for task_id, runtime in found:
        outbox.put(runtimes.TOPICS[runtime] or "", task_id)
    return len(found)


def _end_keys() -> int:
    ended = AgentTask.objects.filter(id=OuterRef("task_id"), status__in=rows.ENDED)
    live = Credential.objects.filter(task_id__isnull=False, revoked_at__isnull=True)
    return live.filter(Exists(ended)).update(revoked_at=clock.now())

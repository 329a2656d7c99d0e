"""Claiming: one agent takes one queued task, with a lease and a token that fences."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import F
from kernel import clock, crash, problems
from kernel.actor import Actor

from orchestration import steps
from orchestration.journal import Journal
from orchestration.models import AgentTask
from orchestration.models.tasks import TaskStatus
from orchestration.tasks import rows, tokens
from registry.models import Agent

LEASE = timedelta(seconds=60)
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(hours=1)
CANDIDATES = 10


@dataclass(frozen=True)
class Claimed:
    """A task at the one moment when its token's text is known."""

    task: AgentTask
    token: str
    lease: timedelta


class Suspended(problems.Forbidden):
    reason = "suspended"


def bounded(lease: timedelta | None) -> timedelta:
    """The lease given for the one asked for: 1 second to 1 hour, 60 seconds by default."""
    return min(max(lease, SHORTEST), LONGEST) if lease is not None else LEASE


def claim(
    agents: Iterable[Agent], *, by: Actor, lease: timedelta | None = None, framework: str = ""
) -> Claimed | None:
    """The oldest queued task of these agents, or None. Two claimants never get the same one: the
    claim is a conditional update, and whoever loses it takes the next. Raises Suspended."""
    wanted = list(agents)
    for agent in wanted:
        if not agent.is_active:
            raise Suspended(f"Agent {agent.name} is suspended. Ask its team to activate it.")
    queued = AgentTask.objects.filter(agent__in=wanted, status=TaskStatus.QUEUED)
    for task_id in queued.order_by("created_at").values_list("id", flat=True)[:CANDIDATES]:
        claimed = claim_one(task_id, by=by, lease=lease, framework=framework)
        if claimed is not None:
            return claimed
    return None


def claim_one(
    task_id: UUID, *, by: Actor, lease: timedelta | None = None, framework: str = ""
) -> Claimed | None:
    """This very task, unless somebody has it or it isn't wanted any more. `framework` is what the
    agent says that it is made with, and its version."""
    task = AgentTask.objects.filter(id=task_id, status=TaskStatus.QUEUED).first()
    if task is None:
        return None
    token, given = tokens.make(task.id), bounded(lease)
    with rows.around(task) as journal:
        task.framework = framework
        taken = _take(task, journal, token, given)
        if taken:
            rows.note("task.claimed", task, by=by.reference, attempt=task.attempt)
    crash.point("task.claimed")
    return Claimed(rows.get(task_id), token, given) if taken else None


def _take(task: AgentTask, journal: Journal | None, token: str, lease: timedelta) -> bool:
    now = clock.now()
    queued = AgentTask.objects.filter(id=task.id, status=TaskStatus.QUEUED)
    if journal is not None and not _take_step(task, journal):
        queued.update(status=TaskStatus.CANCELLED, finished_at=now)
        return False
    taken = queued.update(
        status=TaskStatus.CLAIMED,
        attempt=F("attempt") + 1,
        token_digest=tokens.digest(token),
        lease_until=now + lease,
        framework=task.framework,
        started_at=task.started_at or now,
    )
    if taken:
        task.refresh_from_db()
    return bool(taken)


def _take_step(task: AgentTask, journal: Journal) -> bool:
    if journal.is_over or task.step is None:
        return False
    node = journal.definition.node(task.step.name)
    return steps.claim(journal, task.step, node, task.step_token)

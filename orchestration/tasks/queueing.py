"""Handing work to an agent: from a workflow's step, or directly."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from kernel import clock, outbox
from kernel.actor import Actor

from context.models import Project
from orchestration import fitness, runtimes
from orchestration.definitions import AgentNode
from orchestration.journal import Journal
from orchestration.models import AgentTask, Step
from orchestration.tasks import rows
from registry.models import Agent


def queue(
    agent: Agent,
    *,
    task: str,
    input: Mapping[str, Any],
    by: Actor,
    project: Project | None = None,
) -> AgentTask:
    """Hand a task to an agent directly. Raises AgentUnfit for a suspended agent."""
    fitness.refuse_suspended(agent)
    with transaction.atomic():
        row = AgentTask(
            team_id=project.team_id if project else agent.team_id,
            project=project,
            requested_by=by.reference,
        )
        return _put(row, agent, task, input)


def queue_step(
    journal: Journal, step: Step, node: AgentNode, *, task: str, input: Mapping[str, Any]
) -> AgentTask:
    """Hand a step's work to its agent, inside the run's transaction. Raises AgentUnfit."""
    run = journal.run
    agent = fitness.agent_for(journal, node.agent, node.permissions)
    row = AgentTask(
        team_id=run.team_id,
        project=run.project,
        run=run,
        step=step,
        step_token=step.token,
        requested_by=journal.starter.reference,
    )
    queued = _put(row, agent, task, input)
    journal.record("task.queued", step, task=str(queued.id), agent=agent.name, token=step.token)
    return queued


def _put(row: AgentTask, agent: Agent, task: str, input: Mapping[str, Any]) -> AgentTask:
    row.agent, row.agent_name = agent, agent.name
    row.task, row.input = task, dict(input)
    row.runtime, row.baseline_minutes = agent.runtime, agent.baseline_minutes
    row.created_at = clock.now()
    row.save(force_insert=True)
    topic = runtimes.topic_of(agent.runtime)
    if topic:
        outbox.put(topic, row.id)
    rows.note("task.queued", row, task=task[:200])
    return row

"""What is under way now, through the partial indexes that hold just those rows."""

from typing import Any
from uuid import UUID

from django.db.models import Count, Model
from kernel.actor import Actor
from kernel.partial import among

from orchestration.models import AgentTask, ToolCall, WorkflowRun
from registry.models import Agent, Team


def _rows(model: type[Model], *statuses: str) -> Any:
    return model._default_manager.order_by().filter(among(*statuses))


def agents(actor: Actor) -> int:
    """How many agents, of those that the actor may see, hold a task or have a call under way.

    Everybody's live rows first, then whose they are: asked the other way round, a database without
    statistics would walk through all that a team ever did.
    """
    tasks = AgentTask.objects.order_by().filter(status="claimed")
    calls = _rows(ToolCall, "admitted", "running")
    live = {*tasks.values_list("agent_id", flat=True), *calls.values_list("agent_id", flat=True)}
    return Agent.objects.visible_to(actor).filter(id__in=live).count()


def runs(actor: Actor) -> int:
    """How many runs of the actor's teams haven't ended."""
    rows = _rows(WorkflowRun, "queued", "running", "waiting", "paused")
    counts: dict[UUID, int] = dict(rows.values_list("team_id").annotate(Count("id")))
    seen = Team.objects.visible_to(actor).filter(id__in=counts).values_list("id", flat=True)
    return sum(counts[team] for team in seen)

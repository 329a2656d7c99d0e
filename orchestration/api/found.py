"""What a door's caller names, if they may see it; and whether they may act on it."""

from typing import Any
from uuid import UUID

from kernel.actor import Actor
from kernel.problems import Forbidden, NotFound
from rest_framework.request import Request

from context.models import Project
from orchestration.models import AgentTask, Workflow, WorkflowRun
from registry.authentication import Caller
from registry.models import Agent


def run(actor: Actor, run_id: UUID) -> WorkflowRun:
    """Raises NotFound."""
    rows = WorkflowRun.objects.visible_to(actor)
    found = rows.select_related("workflow_version", "project").filter(id=run_id).first()
    if found is None:
        raise NotFound(f"There is no run {run_id} for you. See GET /api/v1/runs/.")
    return found  # type: ignore[no-any-return]


def run_to_steer(actor: Actor, run_id: UUID) -> WorkflowRun:
    """A run that a person of its team acts on. Raises NotFound, Forbidden."""
    seen = run(actor, run_id)
    if actor.kind == "agent":
        raise Forbidden("Runs are cancelled, resumed and forked by people.")
    if not WorkflowRun.objects.visible_to(actor, "change").filter(id=run_id).exists():
        raise Forbidden("You may read this run; its team's members steer it.")
    return seen


def workflow(actor: Actor, name: str) -> Workflow:
    """Raises NotFound."""
    rows = Workflow.objects.visible_to(actor).select_related("live_version", "team")
    found = rows.filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no workflow {name!r} for you. See GET /api/v1/workflows/.")
    return found  # type: ignore[no-any-return]


def project(actor: Actor, name: str | None) -> Project | None:
    """Raises NotFound."""
    if not name:
        return None
    found = Project.objects.visible_to(actor).select_related("team").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no project {name!r} for you.")
    return found  # type: ignore[no-any-return]


def agent(actor: Actor, name: str) -> Agent:
    """Raises NotFound."""
    found = Agent.objects.visible_to(actor).select_related("team").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no agent {name!r} for you. See GET /api/v1/agents/.")
    return found  # type: ignore[no-any-return]


def task(actor: Actor, task_id: UUID) -> AgentTask:
    """A task that the caller may read. Raises NotFound."""
    rows = AgentTask.objects.visible_to(actor).select_related(
        "agent", "project", "step", "run__workflow_version"
    )
    found = rows.filter(id=task_id).first()
    if found is None:
        raise NotFound(f"There is no task {task_id} for you.")
    return found  # type: ignore[no-any-return]


def caller(request: Request) -> Caller:
    """The agent that calls with its key. Raises Forbidden for people."""
    if not isinstance(request.user, Caller):
        raise Forbidden("Tasks are claimed and reported by agents, with a key.")
    return request.user


def held_task(request: Request, actor: Actor, task_id: UUID) -> AgentTask:
    """A task of the calling agent itself. Raises NotFound, and Forbidden for others who see it."""
    seen = task(actor, task_id)
    called = caller(request)
    if seen.agent_id != called.agent.id:
        raise Forbidden(f"Task {task_id} belongs to agent {seen.agent_name}.")
    bound: Any = called.credential.task_id
    if bound is not None and bound != task_id:
        raise Forbidden("This key belongs to another task.")
    return seen


def refuse_task_key(request: Request) -> None:
    """A task's short-lived key serves its task and begins nothing else. Raises Forbidden."""
    if isinstance(request.user, Caller) and request.user.credential.task_id is not None:
        raise Forbidden("The key of a task begins no other work. Use the agent's own key.")

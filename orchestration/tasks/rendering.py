"""An agent task as JSON."""

from typing import Any

from orchestration import definitions
from orchestration.models import AgentTask
from orchestration.tasks.claiming import Claimed


def task(row: AgentTask) -> dict[str, Any]:
    """`step` is the step's id, `next_steps` the names of those that wait for it."""
    return {
        "id": str(row.id),
        "agent": row.agent_name,
        "task": row.task,
        "input": row.input,
        "project": row.project.name if row.project else None,
        "run": str(row.run_id) if row.run_id else None,
        "step": str(row.step_id) if row.step_id else None,
        "step_name": row.step.name if row.step else None,
        "iteration": row.step.iteration if row.step else None,
        "next_steps": _next_steps(row),
        "status": row.status,
        "attempt": row.step.attempt if row.step else row.attempt,
        "output": row.output,
        "error": row.error,
        "progress": row.progress,
        "runtime": row.runtime,
        "framework": row.framework,
        "requested_by": row.requested_by,
        "lease_until": row.lease_until,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }


def _next_steps(row: AgentTask) -> list[str]:
    if row.run is None or row.step is None:
        return []
    definition = definitions.of_version(row.run.workflow_version)
    return list(definition.next_after(row.step.name))


def claimed(found: Claimed) -> dict[str, Any]:
    """With the token, which is shown this once; `lease` in seconds."""
    return task(found.task) | {"token": found.token, "lease": found.lease.total_seconds()}

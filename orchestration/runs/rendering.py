"""A run as JSON."""

from typing import Any
from uuid import UUID

from kernel import money

from context.models import Decision
from governance import budgets
from governance.models import Approval
from orchestration import gates
from orchestration.models import AgentTask, RunEvent, Step, ToolCall, WorkflowRun
from registry.models import Team


def listed(run: WorkflowRun) -> dict[str, Any]:
    """The run without its steps, as lists show it."""
    return {
        "id": str(run.id),
        "workflow": run.workflow_name,
        "version": run.workflow_version.version,
        "project": run.project.name if run.project else None,
        "environment": run.environment,
        "status": str(run.status),
        "reason": run.reason,
        "step_by_step": run.step_by_step,
        "started_by": f"{run.started_by_kind}:{run.started_by_name}",
        "forked_from": str(run.forked_from) if run.forked_from else None,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "url": f"/runs/{run.id}/",
    }


def render(run: WorkflowRun) -> dict[str, Any]:
    """The run with its steps (every iteration), decisions, calls and cost."""
    rows = list(Step.objects.filter(run=run))
    tasks, approvals = _tasks(run), _approvals(rows)
    return listed(run) | {
        "team": Team.objects.filter(id=run.team_id).values_list("name", flat=True).first(),
        "input": run.input,
        "output": run.output,
        "baseline_minutes": str(run.baseline_minutes),
        "cost": money.text(budgets.spent_by_run(run.id)),
        "tool_calls": ToolCall.objects.filter(run_id=run.id).count(),
        "last_seq": run.last_seq,
        "steps": [step(row, tasks.get(row.id, []), approvals.get(row.id)) for row in rows],
        "decisions": _decisions(run),
    }


def step(row: Step, tasks: list[dict[str, Any]], approval: Approval | None) -> dict[str, Any]:
    """One iteration of a step. `attempt` counts claims."""
    return {
        "id": str(row.id),
        "name": row.name,
        "kind": row.kind,
        "position": row.position,
        "iteration": row.iteration,
        "status": str(row.status),
        "attempt": row.attempt,
        "input": row.input,
        "output": row.output,
        "error": row.error,
        "due_at": row.due_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "tasks": tasks,
        "approval": _approval(approval),
    }


def _approval(approval: Approval | None) -> dict[str, Any] | None:
    if approval is None:
        return None
    return {
        "id": str(approval.id),
        "status": str(approval.status),
        "url": f"/api/v1/approvals/{approval.id}/",
        "page": f"/approvals/{approval.id}/",
    }


def _tasks(run: WorkflowRun) -> dict[UUID | None, list[dict[str, Any]]]:
    found: dict[UUID | None, list[dict[str, Any]]] = {}
    for task in AgentTask.objects.filter(run=run).order_by("id"):
        found.setdefault(task.step_id, []).append(
            {
                "id": str(task.id),
                "agent": task.agent_name,
                "status": str(task.status),
                "progress": task.progress,
                "error": task.error,
                "started_at": task.started_at,
                "finished_at": task.finished_at,
            }
        )
    return found


def _approvals(rows: list[Step]) -> dict[UUID, Approval]:
    asked = [row.id for row in rows if row.kind == "gate"]
    about = Approval.objects.filter(subject_kind=gates.SUBJECT, subject_id__in=asked)
    return {approval.subject_id: approval for approval in about.order_by("created_at")}


def _decisions(run: WorkflowRun) -> list[dict[str, Any]]:
    """What was decided in this run, each with the status that it has come to."""
    rows = Decision.objects.filter(run_id=run.id).order_by("rev", "id")
    latest = {row.key: row for row in rows}
    return [
        {
            "timestamp": row.decided_at,
            "agent": row.agent,
            "decision": row.decision,
            "rationale": row.rationale,
            "status": str(row.status),
        }
        for row in latest.values()
    ]


def event(row: RunEvent) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "name": row.name,
        "step": row.step or None,
        "iteration": row.iteration or None,
        "data": row.data,
        "at": row.at,
    }

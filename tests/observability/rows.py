"""Raw happenings in bulk: tasks, calls, ledger entries, runs and reviews, at given moments."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from kernel import clock, ids

from governance.models import Approval, LedgerEntry, Vote
from orchestration.models import AgentTask, ToolCall, Workflow, WorkflowRun, WorkflowVersion
from registry.models import Agent, Team, Tool, User


def task(agent: Agent, at: datetime | None, status: str = "succeeded", **fields: Any) -> AgentTask:
    """An unsaved task that ended at `at`; None where it is still under way."""
    values: dict[str, Any] = {
        "agent": agent,
        "agent_name": agent.name,
        "team_id": agent.team_id,
        "task": "work",
        "status": status,
        "runtime": "pull",
        "requested_by": "test",
        "finished_at": at,
    }
    return AgentTask(**(values | fields))


def call(agent: Agent, tool: Tool, at: datetime | None, status: str = "succeeded") -> ToolCall:
    """An unsaved call that ended at `at`; None where it is still under way."""
    assert tool.live_version is not None
    return ToolCall(
        tool_version=tool.live_version,
        tool_name=tool.name,
        version="1.0",
        agent=agent,
        agent_name=agent.name,
        team_id=agent.team_id,
        environment="staging",
        status=status,
        effect="allow",
        request_digest="0" * 64,
        finished_at=at,
    )


def spent(
    agent: Agent | None, team_id: UUID, micros: int, at: datetime, tool: str = ""
) -> LedgerEntry:
    """An unsaved entry of the ledger."""
    return LedgerEntry(
        kind="tool_call",
        team_id=team_id,
        agent_id=agent.id if agent else None,
        agent_name=agent.name if agent else "",
        tool_name=tool,
        subject_kind="tool_call",
        subject_id=ids.uuid7(),
        amount_micros=micros,
        created_at=at,
    )


def review(team_id: UUID, by: User, opened: datetime, closed: datetime) -> Approval:
    """A saved approval that `by` voted on."""
    approval: Approval = Approval.objects.create(
        kind="gate",
        subject_kind="step",
        subject_id=ids.uuid7(),
        team_id=team_id,
        title="review",
        digest="0" * 64,
        requester_kind="system",
        requester_name="gatehouse",
        status="approved",
        created_at=opened,
        closed_at=closed,
    )
    Vote.objects.create(approval=approval, user=by, user_name=by.username, decision="approve")
    return approval


def ended_runs(team: Team, count: int) -> None:
    """Finished runs, so that reading all of them would be noticed."""
    workflow = Workflow.objects.create(name="ended", team=team, source="name: ended")
    version = WorkflowVersion.objects.create(
        workflow=workflow, version="1.0", sort_key=1, document={}, checksum="", published_by="test"
    )
    now = clock.now()
    WorkflowRun.objects.bulk_create(
        WorkflowRun(
            workflow_version=version,
            workflow_name="ended",
            team_id=team.id,
            status="succeeded",
            started_by_kind="user",
            started_by_name="alice",
            finished_at=now,
        )
        for _ in range(count)
    )


def analyse() -> None:
    """Tell the database how its tables are filled: a plan for empty tables proves nothing."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

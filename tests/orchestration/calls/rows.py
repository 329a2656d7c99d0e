"""Rows that tests of calls need, each made with only what a test says."""

from typing import Any

from kernel import money

from governance.models import Approval, Budget
from governance.models.approvals import ApprovalStatus
from orchestration.models import ToolCall
from registry.models import Agent, Team


def make_budget(name: str, team: Team, limit: str, agent: Agent | None = None) -> Budget:
    found: Budget = Budget.objects.create(
        name=name, team=team, agent=agent, limit_micros=money.to_micros(limit)
    )
    return found


def asking(**more: Any) -> list[dict[str, Any]]:
    """The rules of a policy that wants a reviewer's approval for each call."""
    review = {"reviewers": {"role": "reviewer"}, "quorum": 1} | more
    return [{"name": "ask", "require_approval": review, "message": "Ask a person"}]


def only_call() -> ToolCall:
    found: ToolCall = ToolCall.objects.select_related("payload", "approval").get()
    return found


def open_approval() -> Approval:
    found: Approval = Approval.objects.get(status=ApprovalStatus.OPEN)
    return found

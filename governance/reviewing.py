"""The question about a proposed tool, where the registry's admin shows the proposal."""

from typing import Any

from kernel import console
from kernel.actor import Actor
from kernel.console import Panel

from governance import approvals
from governance.models.approvals import ApprovalStatus
from registry import proposals
from registry.models import ToolProposal

TEMPLATE = "admin/governance/vote.html"


def panel(row: ToolProposal, actor: Actor) -> dict[str, Any] | None:
    """The question, its votes, and whether the actor's own would count; None while there is none
    that they may read. `seen` covers the row as the page shows it."""
    if row.approval_id is None:
        return None
    approval = approvals.visible(actor).filter(id=row.approval_id).first()
    if approval is None:
        return None
    is_open = approval.status == ApprovalStatus.OPEN
    votes = list(approval.votes.order_by("id"))
    return {
        "approval": approval,
        "votes": votes,
        "has_voted": any(each.user_id == actor.id for each in votes),
        "may_vote": approvals.may_vote(approval, actor),
        "refusal": approvals.refusal(approval, actor) if is_open else None,
        "asked": approvals.told(approval),
        "seen": proposals.digest_of(row),
    }


def register() -> None:
    """Attach the panel."""
    console.add_panel(Panel("tool_proposal_admin", "vote", TEMPLATE, panel))

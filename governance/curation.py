"""Review of proposed tools: the one question about each, and what its answer does."""

from uuid import UUID

from django.db import transaction
from kernel.actor import PLATFORM, Actor

from governance import approvals
from governance.models import Approval
from governance.models.approvals import ApprovalStatus, Decision
from registry import proposals
from registry.models import ToolProposal
from registry.models.curation import ProposalStatus

KIND = "publication"
SUBJECT = "tool_proposal"


def submitted(proposal_id: UUID) -> None:
    """Ask the platform team about a proposal, once; not about one that is closed meanwhile."""
    with transaction.atomic():
        rows = ToolProposal.objects.select_for_update(of=("self",)).select_related("team")
        row = rows.filter(id=proposal_id, status=ProposalStatus.OPEN).first()
        if row is None or row.approval_id is not None:
            return
        approval = _ask(row)
        proposals.asked(row.id, approval.id)


def _ask(row: ToolProposal) -> Approval:
    change = "a change of" if row.base_version_id else "the new tool"
    return approvals.open(
        kind=KIND,
        subject_kind=SUBJECT,
        subject_id=row.id,
        team_id=row.team_id,
        title=f"Publish {row.name} {row.number}",
        question=f"Team {row.team.name} proposes {change} {row.name}.",
        shown={"proposal": str(row.id), "tool": row.name, "version": row.number},
        digest=row.digest,
        requester=_requester(row),
        reviewers={"role": PLATFORM},
        allow_changes=True,
    )


def _requester(row: ToolProposal) -> Actor:
    return Actor(
        kind=row.requester_kind,  # type: ignore[arg-type]
        id=row.requester_id,
        name=row.requester_name,
        on_behalf_of=row.requester_for,
    )


def closed(proposal_id: UUID) -> None:
    """A proposal was closed by something else than its answer: nobody need answer it any more."""
    found = Approval.objects.filter(subject_kind=SUBJECT, subject_id=proposal_id)
    for approval_id in found.filter(status=ApprovalStatus.OPEN).values_list("id", flat=True):
        status = ToolProposal.objects.values_list("status", flat=True).get(id=proposal_id)
        approvals.cancel(approval_id, reason=f"The proposal is {status}.")


def why_not(approval: Approval) -> str:
    """Why approving it would publish nothing: the proposal, or what is live, is another by now."""
    rows = ToolProposal.objects.select_related("base_version")
    row = rows.filter(id=approval.subject_id).first()
    return proposals.why_not(row, approval.digest) if row else "The proposal is gone."


def decided(approval_id: UUID) -> None:
    """Do what the reviewers said. A message that comes twice finds the proposal closed."""
    approval = Approval.objects.filter(id=approval_id, kind=KIND).first()
    if approval is None:
        return
    proposal_id = approval.subject_id
    match approval.status:
        case ApprovalStatus.APPROVED:
            _publish(approval)
        case ApprovalStatus.REJECTED:
            proposals.reject(proposal_id, comment=_comment(approval))
        case ApprovalStatus.CHANGES_REQUESTED:
            proposals.request_changes(proposal_id, comment=_comment(approval))
        case ApprovalStatus.CANCELLED | ApprovalStatus.EXPIRED:
            proposals.drop(proposal_id, reason=f"The review was {approval.status}.")


def _publish(approval: Approval) -> None:
    """Use the approval and publish, both or neither: a worker that dies between them loses none."""
    with transaction.atomic():
        if approvals.use(approval.id, approval.digest):
            voters = approval.votes.filter(decision=Decision.APPROVE).order_by("id")
            names = list(voters.values_list("user_name", flat=True))
            proposals.publish(approval.subject_id, digest=approval.digest, approved_by=names)


def _comment(approval: Approval) -> str:
    """The comment of the vote that decided it."""
    vote = approval.votes.exclude(decision=Decision.APPROVE).order_by("-id").first()
    return f"{vote.user_name}: {vote.comment}" if vote else ""

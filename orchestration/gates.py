"""Gates: a step that asks people, and what their answer does to the run."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kernel import canonical
from kernel.problems import Problem

from governance import approvals
from governance.models import Approval, Vote
from governance.models.approvals import ApprovalStatus
from orchestration import journal, steps
from orchestration.commands import APPROVE, REJECT, REQUEST_CHANGES
from orchestration.definitions import GateNode
from orchestration.journal import Journal
from orchestration.models import Step
from orchestration.models.runs import StepStatus

KIND = "gate"
SUBJECT = "step"
_DECISIONS = {
    ApprovalStatus.APPROVED: APPROVE,
    ApprovalStatus.CHANGES_REQUESTED: REQUEST_CHANGES,
    ApprovalStatus.REJECTED: REJECT,
}
_UNANSWERED = {
    ApprovalStatus.EXPIRED: "nobody decided before the deadline; resume the run to ask again",
    ApprovalStatus.CANCELLED: "the question was withdrawn; resume the run to ask again",
}


def open(
    journal: Journal, step: Step, node: GateNode, *, question: str, shown: Mapping[str, Any]
) -> None:
    """Ask the reviewers about exactly what is shown. The requester is whoever started the run.

    Changes may be requested until the gate's limit of rounds is reached. A gate that can't be asked
    (an unknown team) fails the step.
    """
    what = {"run": str(journal.run.id), "step": step.name, "question": question} | dict(shown)
    try:
        approval = approvals.open(
            kind=KIND,
            subject_kind=SUBJECT,
            subject_id=step.id,
            team_id=journal.run.team_id,
            title=f"{journal.run.workflow_name}: {step.name.replace('_', ' ')}",
            question=question,
            shown=dict(shown),
            digest=canonical.digest(what),
            requester=journal.starter,
            reviewers=dict(node.reviewers),
            quorum=node.quorum,
            allow_changes=node.back_to is not None and step.iteration <= node.limit,
            deadline=journal.now + node.deadline if node.deadline else None,
        )
    except Problem as problem:
        error = {"reason": "gate", "message": problem.detail}
        steps.fail(journal, step, node, step.token, error, retryable=False)
        return
    journal.record("gate.opened", step, approval=str(approval.id), token=step.token)


def closed(approval_id: UUID) -> None:
    """The question of a gate was closed: the receiver of `approval.closed` for gates.

    Acts once: the step must still wait. An answer gives the step its output; without one the run
    pauses for a person.
    """
    approval = Approval.objects.filter(id=approval_id, kind=KIND).first()
    step = Step.objects.filter(id=approval.subject_id).first() if approval else None
    if approval is None or step is None or approval.status == ApprovalStatus.OPEN:
        return
    with journal.opened(step.run_id) as opened:
        step.refresh_from_db()
        if step.status == StepStatus.WAITING and not opened.is_over and _is_last(approval):
            _answer(opened, step, approval)


def _is_last(approval: Approval) -> bool:
    """Whether the step hasn't been asked about again since: an old answer may come late."""
    about = Approval.objects.filter(subject_kind=SUBJECT, subject_id=approval.subject_id)
    return not about.filter(created_at__gt=approval.created_at).exists()


def _answer(opened: Journal, step: Step, approval: Approval) -> None:
    decision = _DECISIONS.get(ApprovalStatus(approval.status))
    if decision is None:
        why = _UNANSWERED[ApprovalStatus(approval.status)]
        steps.pause(opened, step, step.token, {"reason": approval.status, "message": why})
        return
    output = _output(approval, decision)
    if decision == APPROVE:
        approvals.use(approval.id, approval.digest)
    opened.record("gate.closed", step, approval=str(approval.id), decision=decision)
    steps.succeed(opened, step, step.token, output)


def _output(approval: Approval, decision: str) -> dict[str, Any]:
    votes = list(Vote.objects.filter(approval=approval).order_by("created_at"))
    deciding = [vote for vote in votes if vote.decision == decision]
    last = deciding[-1] if deciding else None
    return {
        "decision": decision,
        "comment": last.comment if last else "",
        "by": last.user_name if last else "",
        "fields": last.fields if last else {},
        "approval": str(approval.id),
        "votes": [
            {"by": vote.user_name, "decision": vote.decision, "comment": vote.comment}
            for vote in votes
        ],
    }


def cancel(step: Step, why: str) -> None:
    """Withdraw the step's open question."""
    for approval_id in Approval.objects.filter(
        subject_kind=SUBJECT, subject_id=step.id, status=ApprovalStatus.OPEN
    ).values_list("id", flat=True):
        approvals.cancel(approval_id, reason=why)

"""Resumption: what becomes of a parked call once people have answered."""

from dataclasses import replace
from uuid import UUID

from django.db import transaction
from kernel import clock
from kernel.actor import acting

from governance import approvals
from governance.models import Approval
from governance.models.approvals import ApprovalStatus
from orchestration.calls import admission, masking, questions, settlement
from orchestration.calls.case import Admitted, Case, Decision
from orchestration.calls.consideration import consider
from orchestration.calls.execution import execute
from orchestration.calls.outcomes import No, Parked, Refused
from orchestration.calls.request import CallRequest
from orchestration.models import ToolCall
from orchestration.models.calls import CallStatus
from registry.contracts import Contract

SENTENCES = {
    ApprovalStatus.REJECTED: "People said no",
    ApprovalStatus.EXPIRED: "Nobody answered in time",
    ApprovalStatus.CANCELLED: "The question was withdrawn",
    ApprovalStatus.CHANGES_REQUESTED: "People asked for another call",
}


class MovedOn(Exception):
    """Another process has gone on with the call."""


def resume(approval_id: UUID) -> None:
    """Go on with the call of a closed approval; the receiver of `approval.closed`.

    Delivered twice, it acts once: each way on is a conditional update of the parked row.
    """
    approval = Approval.objects.filter(id=approval_id, subject_kind=questions.SUBJECT).first()
    if approval is None or approval.status == ApprovalStatus.OPEN:
        return
    rows = ToolCall.objects.select_related("agent__team", "tool_version__tool", "payload")
    call = rows.filter(
        id=approval.subject_id, approval=approval, status=CallStatus.AWAITING_APPROVAL
    ).first()
    if call is None:
        return
    with acting(call.agent.actor):
        if approval.status != ApprovalStatus.APPROVED:
            _end(call, approval)
            return
        try:
            settlement.settle(execute(readmit(call, approval)))
        except (Refused, Parked, MovedOn):
            # The row says so; nobody waits for an answer here.
            return


def readmit(call: ToolCall, approval: Approval) -> Admitted:
    """Admit the parked call with its approval as one more fact.

    1. judge it again: policy may have changed since;
    2. use the approval, once, for exactly what was shown;
    3. move the same row on, and reserve last: one transaction;
    4. say no, or ask again, outside of it (raises Refused, Parked).
    Raises MovedOn where another process has taken the row.
    """
    case = _case(call)
    decision = consider(case, approval=approvals.fact(approval))
    with transaction.atomic(durable=True):
        decision = _moved(call, case, decision, approval)
    return admission.said(call, case, decision, resumed=True)


def _case(call: ToolCall) -> Case:
    request = CallRequest(
        tool=call.tool_name,
        arguments=masking.real(call.payload),
        actor=call.agent.actor,
        agent=call.agent,
        version=call.version,
        environment=call.environment,
        run_id=call.run_id,
        step_id=call.step_id,
        task_id=call.task_id,
        team_id=call.team_id,
    )
    return Case(
        request=request,
        version=call.tool_version,
        contract=Contract.of(call.tool_version),
        environment=call.environment,
        at=clock.now(),
        call_id=call.id,
        run=admission.run_of(request),
        digest=call.request_digest,
    )


def _moved(call: ToolCall, case: Case, decision: Decision, approval: Approval) -> Decision:
    rows = ToolCall.objects.filter(
        id=call.id, approval=approval, status=CallStatus.AWAITING_APPROVAL
    )
    held = {
        "status": CallStatus.ADMITTED,
        "lease_until": case.at + admission.LEASE,
        "limits": decision.limits,
        "explanation": decision.explanation,
        "effect": decision.effect,
    }
    if not rows.update(**held):
        raise MovedOn(call.id)
    for name, value in held.items():
        setattr(call, name, value)
    no = decision.no
    if no is None and decision.effect == "require_approval":
        return _ask_again(call, case, decision)
    # Of the arguments that were shown: a limit that has come down since may only narrow them.
    shown = questions.digest(case, case.request.arguments, decision.project)
    if no is None and not approvals.use(approval.id, shown):
        no = No("denied_by_policy", "The approval was given for something else, or is used up.")
    if no is not None:
        admission.refuse(call, no)
        settlement.wake(call)
        return replace(decision, no=no)
    admission.audit_call("tool_call.resumed", call, approval=str(approval.id))
    _, decision = admission.reserve(call, case, decision)
    if decision.no is not None:
        settlement.wake(call)
    return decision


def _ask_again(call: ToolCall, case: Case, decision: Decision) -> Decision:
    """A stricter rule came into force meanwhile: the call is parked again, with a new question."""
    call.status, call.lease_until = CallStatus.AWAITING_APPROVAL, None
    call.save(update_fields=["status", "lease_until"])
    _, decision = admission.park(call, case, decision)
    return decision


def _end(call: ToolCall, approval: Approval) -> None:
    """Close a call that wasn't approved. Its key stays used: the answer was given."""
    rejected = approval.status == ApprovalStatus.REJECTED
    fields = {
        "status": CallStatus.REFUSED if rejected else CallStatus.CANCELLED,
        "reason": "denied_by_policy" if rejected else "",
        "detail": _detail(approval),
        "finished_at": clock.now(),
    }
    with transaction.atomic():
        rows = ToolCall.objects.filter(id=call.id, status=CallStatus.AWAITING_APPROVAL)
        if not rows.update(**fields):
            return
        for name, value in fields.items():
            setattr(call, name, value)
        masking.forget(call.id)
        if rejected:
            admission.audit_refusal(call)
        else:
            admission.audit_call("tool_call.cancelled", call, detail=call.detail)
        settlement.wake(call)


def _detail(approval: Approval) -> str:
    said = SENTENCES.get(ApprovalStatus(approval.status), "The question was closed")
    votes = approval.votes.exclude(comment="").order_by("-created_at")
    comments = "; ".join(f"{vote.user_name}: {vote.comment}" for vote in votes[:5])
    return f"{said}. {comments}".strip()[:2_000]

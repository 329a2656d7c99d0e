"""Admission: the first of a call's transactions. The row is written here, also on "no"."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from kernel import clock, crash, ids, prepared
from kernel.problems import Problem
from kernel.together import Statement, Unlike, ahead, atomically

from governance import accounts, audit, budgets, grants, policies, rates
from governance.budgets import Held
from governance.rates import Rate
from orchestration.calls import bounds, idempotency, masking, questions
from orchestration.calls.case import Admitted, Case, Decision
from orchestration.calls.consideration import consider
from orchestration.calls.outcomes import No, Parked, Refused
from orchestration.calls.request import CallRequest
from orchestration.calls.retries import Rule
from orchestration.models import ToolCall, ToolCallPayload, WorkflowRun
from orchestration.models.calls import LIVE, CallStatus
from registry import publishing
from registry.contracts import Contract

LEASE = timedelta(seconds=30)
# Waiting for a sandbox, and for the database to take the settlement.
SLACK = timedelta(minutes=10)
REFUSED = "status effect reason detail lease_until started_at finished_at".split()
# They wait for no slot: what is admitted is under way, and one write says both.
AT_ONCE = frozenset({"http", "mcp", "sql", "context"})

_CALLS = prepared.Insert(ToolCall)
_PAYLOADS = prepared.Insert(ToolCallPayload)


def admit(request: CallRequest) -> Admitted:
    """Identify, resolve, validate, judge, reserve.

    1. open the case: the tool version that the agent means (raises publishing.UnknownTool);
    2. answer what the same idempotency key did before (raises Repeated, Refused);
    3. consider it: reads only;
    4. write the row, and reserve last: one transaction, committed whatever the answer;
    5. say no outside of it (raises Refused, Parked).
    """
    at, call_id = clock.now(), ids.uuid7()
    with ahead(*_questions(request, at, call_id)):
        case = _open(request, at, call_id)
        decision = idempotency.answered(case) or consider(case)
        try:
            call, decision = _write(case, decision)
        except idempotency.Taken:
            # Another one with the same key was faster.
            decision = idempotency.answered(case) or decision
            call, decision = _write(case, decision)
    crash.point("call.admitted")
    return said(call, case, decision)


def _questions(request: CallRequest, at: datetime, call_id: UUID) -> Iterator[Statement]:
    """What nearly every call asks once its tool is found: they travel with that."""
    agent = request.agent
    yield grants.question(agent.id, at)
    yield policies.question()
    if request.run_id is None or request.team_id is not None:
        team_id = request.team_id or agent.team_id
        yield accounts.question(team_id=team_id, agent_id=agent.id, subject_id=call_id, at=at)


def _open(request: CallRequest, at: datetime, call_id: UUID) -> Case:
    agent_id = request.agent.id
    try:
        version = publishing.resolve(
            request.tool, request.version, request.actor, agent_id=agent_id
        )
    except publishing.OutsidePin as error:
        version, request = error.version, replace(request, objection=error.detail)
    except publishing.UnknownTool:
        # No row: a stranger must not fill the table with names that don't exist.
        audit.record_seldom(
            "tool_call.unknown_tool",
            key=str(agent_id),
            target_kind="tool",
            target_name=request.tool,
            team_id=request.agent.team_id,
        )
        raise
    environment = request.environment or request.agent.environment
    contract = Contract.of(version)
    digest = idempotency.digest(request)
    return Case(request, version, contract, environment, at, call_id, run_of(request), digest)


def run_of(request: CallRequest) -> WorkflowRun | None:
    """The run that the request belongs to."""
    if request.run_id is None:
        return None
    found: WorkflowRun | None = WorkflowRun.objects.filter(id=request.run_id).first()
    return found


def said(call: ToolCall, case: Case, decision: Decision, *, resumed: bool = False) -> Admitted:
    """The admitted call. Raises Refused or Parked when the answer was another one."""
    if decision.no is not None:
        raise Refused(call, decision.no)
    if decision.effect == "require_approval":
        raise Parked(call)
    return Admitted(call, call.token, case, decision, resumed)


def _write(case: Case, decision: Decision) -> tuple[ToolCall, Decision]:
    if _is_plain(case, decision):
        with suppress(Unlike):
            return _write_together(case, decision)
    return _write_carefully(case, decision)


def _is_plain(case: Case, decision: Decision) -> bool:
    """An allowed call without a key, counted nowhere but in budgets: most are."""
    counted = case.contract.said("rate_limit") or "calls_per_period" in decision.verdict.limits
    allowed = decision.no is None and decision.effect == "allow"
    return allowed and not counted and not case.request.idempotency_key


def _write_together(case: Case, decision: Decision) -> tuple[ToolCall, Decision]:
    """As below, in one trip to the database. Raises Unlike, and then nothing is written: a budget
    has no room for it, perhaps."""
    with atomically():
        call = _row(case, decision)
        _CALLS.run(call)
        _PAYLOADS.run(_payload(call, decision))
        return call, replace(decision, held=_held(call, case, decision))


def _write_carefully(case: Case, decision: Decision) -> tuple[ToolCall, Decision]:
    with transaction.atomic(durable=True):
        call = _row(case, decision)
        _CALLS.run(call)
        _PAYLOADS.run(_payload(call, decision))
        if decision.no is not None:
            audit_refusal(call)
            return call, decision
        idempotency.take(case, call)
        if decision.effect == "require_approval":
            return park(call, case, decision)
        return reserve(call, case, decision)


def _row(case: Case, decision: Decision) -> ToolCall:
    request, no = case.request, decision.no
    status = _status(case, decision)
    return ToolCall(
        id=case.call_id,
        tool_version=case.version,
        tool_name=case.contract.name,
        version=case.contract.version,
        selector=case.version.selected_by[:64],
        agent=request.agent,
        agent_name=request.agent.name,
        team_id=case.team_id,
        environment=case.environment[:20],
        status=status,
        effect=decision.effect,
        reason=no.reason if no else "",
        detail=no.detail[:2_000] if no else decision.verdict.message[:2_000],
        limits=decision.limits,
        explanation=decision.explanation,
        request_digest=case.digest,
        run_id=request.run_id,
        step_id=request.step_id,
        task_id=request.task_id,
        lease_until=case.at + LEASE if status in LIVE else None,
        created_at=case.at,
        started_at=case.at if status == CallStatus.RUNNING else None,
        finished_at=case.at if no else None,
        masked=masking.counted(decision.verdict, decision.arguments),
    )


def _status(case: Case, decision: Decision) -> CallStatus:
    if decision.no is not None:
        return CallStatus.REFUSED
    if decision.effect == "require_approval":
        return CallStatus.AWAITING_APPROVAL
    return CallStatus.RUNNING if case.contract.executor in AT_ONCE else CallStatus.ADMITTED


def _payload(call: ToolCall, decision: Decision) -> ToolCallPayload:
    if decision.no is None:
        parked = decision.effect == "require_approval"
        row = masking.payload(call.id, decision.arguments, decision.verdict, parked=parked)
    else:
        # Masked before they are cut down: a digest tells nothing of what was hidden.
        shown, _ = masking.arguments(bounds.storable(decision.arguments), decision.verdict)
        row = ToolCallPayload(call_id=call.id, arguments=bounds.refused_arguments(shown))
    call.payload = row
    return row


def park(call: ToolCall, case: Case, decision: Decision) -> tuple[ToolCall, Decision]:
    """Ask people; a question that nobody could answer is a refusal."""
    try:
        with transaction.atomic():
            questions.ask(call, case, decision)
    except Problem as problem:
        no = No("denied_by_policy", f"Policy asks for an approval. {problem.detail}")
        refuse(call, no)
        return call, replace(decision, no=no)
    audit_call("tool_call.parked", call, approval=str(call.approval_id))
    return call, decision


def reserve(call: ToolCall, case: Case, decision: Decision) -> tuple[ToolCall, Decision]:
    """Count the call and hold its price: the last of admission, because it locks.

    Where a rate or a budget is used up, the row becomes a refusal in the same transaction.
    """
    try:
        counted = tuple(_rates(call, case, decision))
        if not counted:
            return call, replace(decision, held=_held(call, case, decision))
        # What a budget refuses isn't counted.
        with transaction.atomic():
            rates.take(counted, case.at)
            return call, replace(decision, held=_held(call, case, decision))
    except (rates.Limited, budgets.Exhausted) as error:
        no = No(error.reason, str(error), extra=error.extra)
        refuse(call, no)
        return call, replace(decision, no=no)


def _rates(call: ToolCall, case: Case, decision: Decision) -> Iterator[Rate]:
    """The buckets that the call is counted in: its tool's, and those of policy."""
    of_tool = case.contract.said("rate_limit")
    of_policy = decision.verdict.limits.get("calls_per_period", ())
    if of_tool or of_policy:
        agent = case.request.agent
        party = rates.Party(agent.id, agent.name, call.team_id, call.tool_name)
        yield from rates.of_tool(of_tool, party)
        yield from rates.of_policy(of_policy if isinstance(of_policy, tuple) else (), party)


def _held(call: ToolCall, case: Case, decision: Decision) -> tuple[Held, ...]:
    """What is held for the call. Raises budgets.Exhausted, and then nothing is."""
    limits = decision.clamped.limits if decision.clamped else case.contract.limits
    seconds = Rule.of(case.contract).seconds(float(limits["timeout"]))
    return budgets.reserve(
        team_id=call.team_id,
        agent_id=case.request.agent.id,
        amount_micros=case.contract.cost_micros,
        subject_kind="tool_call",
        subject_id=call.id,
        expires_at=case.at + timedelta(seconds=seconds) + SLACK,
        at=case.at,
    )


def refuse(call: ToolCall, no: No) -> None:
    """Turn a written row into a refusal without effect: its key is free again."""
    now = clock.now()
    call.status, call.effect, call.reason = CallStatus.REFUSED, "deny", no.reason
    call.detail, call.lease_until, call.finished_at = no.detail[:2_000], None, now
    call.started_at = None
    call.save(update_fields=REFUSED)
    idempotency.give_back(call.id)
    masking.forget(call.id)
    audit_refusal(call)


def audit_refusal(call: ToolCall) -> None:
    audit_call("tool_call.refused", call, reason=call.reason, detail=call.detail)


def audit_call(event: str, call: ToolCall, **data: object) -> None:
    """One line of the log about a call, in the transaction of the change."""
    audit.record(
        event,
        target_kind="tool_call",
        target_id=str(call.id),
        target_name=f"{call.tool_name} {call.version}",
        team_id=call.team_id,
        agent=call.agent_name,
        environment=call.environment,
        **data,
    )

"""Settlement: the last of a call's three transactions. It closes the row, pays, lets go, audits."""

import time
from typing import Any

import structlog
from django.db import OperationalError, transaction
from kernel import clock, crash, outbox

from governance import budgets
from governance.budgets import Spent
from orchestration.calls import admission, bounds, idempotency
from orchestration.calls.case import Admitted
from orchestration.calls.execution import Executed
from orchestration.calls.outcomes import No, Refused
from orchestration.models import ToolCall, ToolCallPayload
from orchestration.models.calls import LIVE, CallStatus

log = structlog.get_logger(__name__)

ATTEMPTS = 4
PAUSE = 0.25


def settle(executed: Executed) -> ToolCall:
    """Close the call. Returns its row; where somebody gave it up meanwhile, as they left it.

    1. close the row, under its token; a late settlement is refused and audited;
    2. keep the payload as policy lets it be kept;
    3. pay the ledger and release the hold, or release it alone when nothing was executed;
    4. audit; 5. wake the run of a call that people had parked;
    6. say no, outside of the transaction, when there was nothing to execute it with (Refused).
    """
    call = executed.admitted.call
    closed = _patiently(executed)
    crash.point("call.settled")
    if not closed:
        found: ToolCall = ToolCall.objects.select_related("payload", "approval").get(id=call.id)
        return found
    if executed.unavailable:
        raise Refused(call, No("unavailable", call.detail))
    return call


def _patiently(executed: Executed) -> bool:
    # What was executed took its effect: a database that is busy must not lose it.
    for attempt in range(1, ATTEMPTS):
        try:
            return _close(executed)
        except OperationalError as error:
            log.warning(
                "calls.settle_retried", call=str(executed.admitted.call.id), error=str(error)
            )
            time.sleep(PAUSE * 2**attempt)
    return _close(executed)


def _close(executed: Executed) -> bool:
    admitted = executed.admitted
    fields = _fields(executed)
    with transaction.atomic(durable=True):
        rows = ToolCall.objects.filter(id=admitted.call.id, token=admitted.token, status__in=LIVE)
        if not rows.update(**fields):
            _refuse_late(executed)
            return False
        for name, value in fields.items():
            setattr(admitted.call, name, value)
        _keep(executed)
        if executed.unavailable:
            budgets.release(subject_id=admitted.call.id)
            idempotency.give_back(admitted.call.id)
        else:
            pay(admitted.call)
        _audit(executed)
        if admitted.resumed:
            wake(admitted.call)
    return True


def _fields(executed: Executed) -> dict[str, Any]:
    now = clock.now()
    fields: dict[str, Any] = {
        "finished_at": now,
        "lease_until": None,
        "enforcement": bounds.storable(executed.result.enforcement),
    }
    if executed.unavailable:
        detail = executed.unavailable[:2_000]
        return fields | {"status": CallStatus.REFUSED, "reason": "unavailable", "detail": detail}
    cost = executed.admitted.case.contract.cost_micros
    return fields | {"status": CallStatus(executed.result.status), "cost_micros": cost}


def _keep(executed: Executed) -> None:
    verdict, result = executed.admitted.decision.verdict, executed.result
    how = str(verdict.obligations.get("payloads", "full"))
    hidden = verdict.redactions.get("arguments", ())
    payload = ToolCallPayload(
        call=executed.admitted.call,
        arguments=bounds.kept(
            bounds.masked(dict(executed.admitted.decision.arguments), hidden), how
        ),
        result=bounds.masked(result.value, verdict.redactions.get("results", ())),
        error=result.error,
    )
    changed = ["result", "error"] + (["arguments"] if hidden or how != "full" else [])
    payload.save(force_update=True, update_fields=changed)
    executed.admitted.call.payload = payload


def pay(call: ToolCall, *, kind: str = "tool_call", memo: str = "") -> None:
    """Write what the call cost to the ledger, and close its holds."""
    if not call.cost_micros:
        return
    budgets.settle(
        subject_id=call.id,
        entry=Spent(
            kind=kind,
            team_id=call.team_id,
            agent_id=call.agent_id,
            agent_name=call.agent_name,
            tool_name=call.tool_name,
            subject_kind="tool_call",
            subject_id=call.id,
            run_id=call.run_id,
            amount_micros=call.cost_micros,
            memo=memo,
        ),
    )


def _audit(executed: Executed) -> None:
    admitted, call = executed.admitted, executed.admitted.call
    if executed.unavailable:
        admission.audit_refusal(call)
        return
    wanted = admitted.case.contract.document.get("audit", True)
    if not (wanted or admitted.decision.verdict.obligations.get("audit")):
        return
    told = _told(admitted)
    if executed.result.error:
        told["error"] = executed.result.error.get("reason", "")
    admission.audit_call(f"tool_call.{call.status}", call, cost=call.cost, **told)


def _told(admitted: Admitted) -> dict[str, Any]:
    """The arguments that policy wants in the log, masked as it says."""
    obligations = admitted.decision.verdict.obligations
    hidden = admitted.decision.verdict.redactions.get("arguments", ())
    shown = bounds.masked(dict(admitted.decision.arguments), hidden)
    names = obligations.get("arguments") or ()
    told = {name: shown[name] for name in names if name in shown}
    return {"arguments": told} if told else {}


def wake(call: ToolCall) -> None:
    """Tell the run of a parked call that it has ended."""
    if call.run_id is not None:
        outbox.put("run.advance", call.run_id)


def _refuse_late(executed: Executed) -> None:
    admission.audit_call(
        "tool_call.settled_late", executed.admitted.call, came_to=executed.result.status
    )

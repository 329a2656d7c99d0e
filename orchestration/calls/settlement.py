"""Settlement: the last of a call's three transactions. It closes the row, pays, lets go, audits."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from django.db import OperationalError, transaction
from kernel import clock, crash, outbox, prepared
from kernel.partial import whatever_the_index
from kernel.prepared import slot
from kernel.together import Unlike, atomically

from governance import budgets
from governance.budgets import Held, Spent
from orchestration.calls import admission, bounds, cached, idempotency, masking, references
from orchestration.calls.case import Admitted
from orchestration.calls.execution import Executed
from orchestration.calls.masking import Shown
from orchestration.calls.outcomes import No, Refused
from orchestration.calls.references import Large
from orchestration.models import ToolCall, ToolCallPayload
from orchestration.models.calls import LIVE, CallStatus

log = structlog.get_logger(__name__)

ATTEMPTS = 4
PAUSE = 0.25

_CLOSE = prepared.Update(
    lambda: ToolCall.objects.filter(
        whatever_the_index("status", *LIVE),
        id=slot(ToolCall, "id"),
        token=slot(ToolCall, "token"),
    )
)
_KEEP = prepared.Update(
    lambda: ToolCallPayload.objects.filter(call_id=slot(ToolCall, "call", "id"))
)


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
    kept = masking.shown(admitted.decision.arguments, executed.result, admitted.decision.verdict)
    fields = _fields(executed) | ({"masked": kept.counts} if kept.counts else {})
    large = references.large(kept.result)
    if large is None and _is_plain(executed):
        # In one trip. Unlike: it was given up meanwhile, perhaps, or its hold has expired.
        with suppress(Unlike), atomically():
            _CLOSE.run(fields, id=admitted.call.id, token=admitted.token)
            _write(executed, fields, kept, None)
            return True
    with transaction.atomic(durable=True):
        if not _CLOSE.run(fields, id=admitted.call.id, token=admitted.token):
            _refuse_late(executed)
            return False
        _write(executed, fields, kept, large)
        if admitted.resumed:
            wake(admitted.call)
    return True


def _is_plain(executed: Executed) -> bool:
    """Executed, for a caller that waits, and with nothing to keep beside the call: most are."""
    given_again = executed.cached_from is not None or executed.admitted.case.contract.said("pure")
    return not (executed.unavailable or executed.admitted.resumed or given_again)


def _write(executed: Executed, fields: Mapping[str, Any], kept: Shown, large: Large | None) -> None:
    """What goes with a closed row: payload, money, and the log."""
    for name, value in fields.items():
        setattr(executed.admitted.call, name, value)
    _keep(executed, kept, large)
    _pay(executed)
    _audit(executed, kept)


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
    fields |= {"status": CallStatus(executed.result.status)}
    if executed.cached_from is not None:
        return fields | {"cached_from": executed.cached_from}
    if executed.attempts > 1:
        fields |= {"attempts": executed.attempts}
    return fields | {"cost_micros": executed.admitted.case.contract.cost_micros}


def _keep(executed: Executed, kept: Shown, large: Large | None) -> None:
    call, resumed = executed.admitted.call, executed.admitted.resumed
    value = kept.result if large is None else references.keep(call, large)
    fields: dict[str, Any] = {"result": value, "error": kept.error}
    if resumed:
        # Policy may mask more than when it was parked, and the real ones are needed no more.
        fields |= {"arguments": kept.arguments, "sealed": "", "sealed_key": ""}
    _KEEP.run(fields, call=call.id)
    call.payload = ToolCallPayload(call=call, **({"arguments": kept.arguments} | fields))
    if call.status == CallStatus.SUCCEEDED and executed.cached_from is None and large is None:
        cached.keep(executed.admitted, executed.result.value)


def _pay(executed: Executed) -> None:
    """Nothing is paid for what wasn't executed."""
    call = executed.admitted.call
    if not executed.unavailable and executed.cached_from is None:
        pay(call, held=executed.admitted.decision.held)
        return
    budgets.release(subject_id=call.id)
    if executed.unavailable:
        idempotency.give_back(call.id)


def pay(
    call: ToolCall,
    *,
    kind: str = "tool_call",
    memo: str = "",
    held: Sequence[Held] | None = None,
) -> None:
    """Write what the call cost to the ledger, and close its holds; `held` where they are known."""
    if not call.cost_micros:
        return
    budgets.settle(
        subject_id=call.id,
        held=held,
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


def _audit(executed: Executed, kept: Shown) -> None:
    admitted, call = executed.admitted, executed.admitted.call
    if executed.unavailable:
        admission.audit_refusal(call)
        return
    wanted = admitted.case.contract.document.get("audit", True)
    if not (wanted or admitted.decision.verdict.obligations.get("audit")):
        return
    told = _told(admitted)
    if kept.error:
        told["error"] = kept.error.get("reason", "")
    admission.audit_call(f"tool_call.{call.status}", call, cost=call.cost, **told)


def _told(admitted: Admitted) -> dict[str, Any]:
    """The arguments that policy wants in the log, masked as it says."""
    verdict = admitted.decision.verdict
    names = verdict.obligations.get("arguments") or ()
    if not names:
        return {}
    shown, _ = masking.arguments(dict(admitted.decision.arguments), verdict)
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

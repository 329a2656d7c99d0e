"""Idempotency keys: the same key from the same agent is the same request, and runs once."""

from uuid import UUID

from kernel import prepared

from orchestration.calls.case import Case, Decision
from orchestration.calls.outcomes import No, Refused, Repeated
from orchestration.calls.request import CallRequest
from orchestration.models import IdempotencyKey, ToolCall
from orchestration.models.calls import CallStatus

_KEYS = prepared.Insert(IdempotencyKey, ignore_conflicts=True)


class Taken(Exception):
    """Another request took the key between the look and the write."""


def digest(request: CallRequest) -> str:
    """The request's digest; empty for arguments that canonical JSON can't hold, which are refused
    later with the place of the fault."""
    try:
        return request.digest()
    except (ValueError, RecursionError):
        return ""


def answered(case: Case) -> Decision | None:
    """None when the key is new, or none was given. A key that asked something else is a refusal.

    Raises Repeated with the recorded call, or Refused where people refused it.
    """
    found = _find(case)
    if found is None:
        return None
    if found.request_digest != case.digest:
        detail = (
            f"Idempotency key {found.key!r} was used for call {found.call_id}, which asked "
            "something else. Use a new key for a new request."
        )
        no = No("key_reused", detail, extra={"recorded_call": str(found.call_id)})
        return Decision(arguments=case.request.arguments, no=no)
    if _may_try_again(found.call, case):
        return None
    if found.call.status == CallStatus.REFUSED:
        raise Refused.of(found.call)
    raise Repeated(found.call)


def _find(case: Case) -> IdempotencyKey | None:
    if not case.request.idempotency_key:
        return None
    rows = IdempotencyKey.objects.select_related("call__payload", "call__approval")
    return rows.filter(agent=case.request.agent, key=case.request.idempotency_key).first()


def _may_try_again(call: ToolCall, case: Case) -> bool:
    """A lost call, whose effect is unknown, is tried again only where that does no harm."""
    return call.status == CallStatus.LOST and case.contract.idempotent


def take(case: Case, call: ToolCall) -> None:
    """Bind the key to the call, inside admission's transaction. Raises Taken."""
    key = case.request.idempotency_key
    if not key:
        return
    lost = IdempotencyKey.objects.filter(
        agent=case.request.agent, key=key, call__status=CallStatus.LOST
    )
    if case.contract.idempotent and lost.update(call=call):
        return
    fresh = IdempotencyKey(agent=case.request.agent, key=key, request_digest=case.digest, call=call)
    if not _KEYS.run(fresh):
        raise Taken(key)


def give_back(call_id: UUID) -> None:
    """Free the key of a call that had no effect."""
    IdempotencyKey.objects.filter(call_id=call_id).delete()

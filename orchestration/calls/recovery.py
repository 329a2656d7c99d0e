"""Recovery: calls whose process is gone are lost, or settled from what they left behind."""

from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from kernel import clock, ids
from kernel.partial import among

from context.models import Changeset
from orchestration.calls import admission, masking, settlement
from orchestration.models import ToolCall, ToolCallPayload
from orchestration.models.calls import LIVE, CallStatus
from registry.contracts import Contract

log = structlog.get_logger(__name__)

BATCH = 500
LOST = {
    "reason": "lost",
    "message": "The process that ran this call ended before it could settle it. "
    "Whether it took effect isn't known.",
}


def recover(*, all_live: bool = False) -> int:
    """Close the calls that no process owns any more. Returns how many.

    Those are the live ones past their lease; with `all_live` all live ones, for the start of a
    server that knows itself to be the only one on its database.
    """
    due = Q() if all_live else Q(lease_until__lt=clock.now()) | Q(lease_until__isnull=True)
    rows = ToolCall.objects.filter(among(*LIVE)).filter(due).order_by("lease_until")
    found = list(rows.values_list("id", "token")[:BATCH])
    return sum(_close(rows.filter(id=call_id, token=token), call_id) for call_id, token in found)


def _close(still: QuerySet[ToolCall], call_id: UUID) -> bool:
    """Close one call in one transaction, unless its lease was renewed or it was settled since."""
    with transaction.atomic():
        call = ToolCall.objects.select_related("tool_version").get(id=call_id)
        written = Changeset.objects.filter(call_id=call_id).select_related("project").first()
        status = CallStatus.SUCCEEDED if written else CallStatus.LOST
        cost = _price(call)
        fields = {
            "status": status,
            "token": ids.uuid7(),
            "lease_until": None,
            "finished_at": clock.now(),
            "cost_micros": cost,
        }
        if not still.order_by().update(**fields):
            return False
        for name, value in fields.items():
            setattr(call, name, value)
        masking.forget(call.id)
        if written is not None:
            _settle_from(call, written)
        else:
            _lose(call)
        if call.run_id is not None:
            settlement.wake(call)
    log.info("calls.recovered", call=str(call_id), status=str(status))
    return True


def _price(call: ToolCall) -> int:
    return Contract.of(call.tool_version).cost_micros


def _lose(call: ToolCall) -> None:
    ToolCallPayload.objects.filter(call=call).update(error=LOST)
    settlement.pay(call, kind="presumed", memo="presumed: the call was lost")
    admission.audit_call("tool_call.lost", call, presumed_cost=call.cost)


def _settle_from(call: ToolCall, written: Changeset) -> None:
    """The changeset bears the call's id, so the call took effect, and this is what it did."""
    result = {"project": written.project.name, "rev": written.rev, "recovered": True}
    ToolCallPayload.objects.filter(call=call).update(result=result)
    settlement.pay(call)
    admission.audit_call("tool_call.succeeded", call, cost=call.cost, recovered=True)

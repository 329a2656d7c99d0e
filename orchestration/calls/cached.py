"""Results that are given again: of pure tools, for the same version, arguments and team.

Policy has judged the call before anybody looks here, so what is denied stays denied. Only results
that policy neither masks nor keeps out of the database are kept.
"""

from datetime import timedelta

from kernel import canonical, clock

from orchestration.calls.case import Admitted, Case, Decision
from orchestration.models import CachedResult

DEFAULT_SECONDS = 300
BATCH = 1_000


def key(case: Case, decision: Decision) -> str:
    """What has to be the same for a result to be given again."""
    return canonical.digest(
        {
            "version": case.contract.version_id,
            "arguments": dict(decision.arguments),
            "environment": case.environment,
            # A result tells what another team asked for, be it by its speed alone.
            "team": case.team_id,
        }
    )


def found(case: Case, decision: Decision) -> CachedResult | None:
    """A result that is still fresh; None for tools that aren't pure."""
    if not case.contract.said("pure"):
        return None
    rows = CachedResult.objects.filter(key=key(case, decision), expires_at__gt=clock.now())
    row: CachedResult | None = rows.first()
    return row


def keep(admitted: Admitted, result: object) -> None:
    """Keep the result of a call that succeeded, if it may be kept. Part of its settlement."""
    case, decision = admitted.case, admitted.decision
    if not case.contract.said("pure") or _is_confidential(decision):
        return
    now = clock.now()
    row = CachedResult(
        key=key(case, decision),
        tool_version=case.version,
        team_id=case.team_id,
        call_id=admitted.call.id,
        result=result,
        created_at=now,
        expires_at=now + timedelta(seconds=case.contract.said("cache_seconds") or DEFAULT_SECONDS),
    )
    CachedResult.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["call_id", "result", "created_at", "expires_at"],
    )


def _is_confidential(decision: Decision) -> bool:
    verdict = decision.verdict
    return bool(verdict.redactions) or verdict.obligations.get("payloads", "full") != "full"


def sweep() -> int:
    """Delete results past their time, at most 1,000 at once. Returns how many."""
    due = CachedResult.objects.filter(expires_at__lte=clock.now())
    keys = list(due.values_list("key", flat=True)[:BATCH])
    deleted, _ = due.filter(key__in=keys).delete()
    return deleted

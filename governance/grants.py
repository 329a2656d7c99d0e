"""Grants: who gives which permission to which agent, why, and until when."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from kernel import clock, prepared
from kernel.actor import Actor
from kernel.prepared import Slot, slot
from kernel.problems import Invalid, Issue
from kernel.together import Statement

from governance.models import Grant
from registry.models import Agent, Permission


def live_at(at: datetime | Slot) -> QuerySet[Grant]:
    """The grants that hold at this moment."""
    return Grant.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=at), revoked_at__isnull=True, starts_at__lte=at
    )


_LIVE = prepared.Select(
    lambda: (
        live_at(slot(Grant, "at", "starts_at"))
        .filter(agent_id=slot(Grant, "agent"))
        .values_list("permission__name")
    )
)


def live(agent_id: UUID, at: datetime) -> frozenset[str]:
    """The names of the permissions that the agent's grants give it at this moment."""
    return frozenset(name for (name,) in _LIVE.rows(at=at, agent=agent_id))


def question(agent_id: UUID, at: datetime) -> Statement:
    """What `live` asks, for `together.ahead`."""
    return _LIVE.question(at=at, agent=agent_id)


def state(grant: Grant, at: datetime) -> str:
    """`live`, `revoked`, `ended` or `not yet`."""
    if grant.revoked_at is not None:
        return "revoked"
    if grant.ends_at is not None and grant.ends_at <= at:
        return "ended"
    return "live" if grant.starts_at <= at else "not yet"


def give(
    agent: Agent,
    permission_name: str,
    *,
    by: Actor,
    reason: str,
    ends_at: datetime | None = None,
) -> Grant:
    """Give the permission from now on. Raises Invalid for a permission that nobody declared, a
    missing reason, or an end in the past."""
    permission = Permission.objects.filter(name=permission_name).first()
    grant = Grant(agent=agent, reason=reason.strip(), ends_at=ends_at, granted_by=by.reference)
    faults = tuple(_faults(grant, permission, permission_name))
    if permission is None or faults:
        raise Invalid(f"{permission_name} can't be given to {agent}.", errors=faults)
    grant.permission = permission
    grant.save()
    return grant


def _faults(grant: Grant, permission: Permission | None, name: str) -> list[Issue]:
    found = []
    if permission is None:
        found.append(Issue("/permission", f"there is no permission {name!r}"))
    if not grant.reason:
        found.append(Issue("/reason", "say why"))
    if grant.ends_at is not None and grant.ends_at <= grant.starts_at:
        found.append(Issue("/ends_at", "the end lies in the past"))
    return found


def revoke(grant: Grant, *, by: Actor) -> bool:
    """End the grant now. Returns False when somebody had revoked it already."""
    with transaction.atomic():
        found = Grant.objects.select_for_update().filter(id=grant.id, revoked_at__isnull=True)
        row = found.first()
        if row is None:
            return False
        row.revoked_at = clock.now()
        row._change_reason = f"revoked by {by.reference}"
        row.save()
    grant.revoked_at = row.revoked_at
    return True

"""How much one actor may ask of people in an hour."""

from datetime import timedelta

from django.db.models import Model, QuerySet
from kernel import clock
from kernel.actor import Actor
from kernel.problems import Problem

from registry.models import Agent, User

HOUR = timedelta(hours=1)
_ACTORS: dict[str, type[Model]] = {"user": User, "agent": Agent}


class TooMany(Problem):
    status, reason, title = 429, "rate_limited", "Too many requests"


def require_room(rows: QuerySet, by: Actor, per_hour: int) -> None:  # type: ignore[type-arg]
    """Refuse the actor who made `per_hour` of these rows (with `created_at`) within the last hour.

    Call it in the transaction that adds the next: the actor's own row is locked until its end, so
    that two at once count each other. Raises TooMany, with the seconds to wait in `Retry-After`.
    """
    model = _ACTORS.get(by.kind)
    if model is not None:
        model._default_manager.select_for_update().filter(pk=by.id).values_list("pk").first()
    since = clock.now() - HOUR
    recent = list(
        rows.filter(created_at__gt=since)
        .order_by("-created_at")
        .values_list("created_at", flat=True)[:per_hour]
    )
    if len(recent) < per_hour:
        return
    wait = max(int((recent[-1] - since).total_seconds()) + 1, 1)
    raise TooMany(
        f"You sent {per_hour} of these within an hour. Try again in {wait} seconds.",
        headers={"Retry-After": str(wait)},
    )

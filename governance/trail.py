"""Reading the audit log, at a cost that doesn't grow with it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from kernel import ids
from kernel.actor import Actor
from kernel.problems import Invalid, Issue

from governance.events import EVENTS
from governance.models import AuditEvent


def visible(actor: Actor) -> QuerySet[AuditEvent]:
    """The lines that the actor may read."""
    rows: QuerySet[AuditEvent] = AuditEvent.objects.visible_to(actor)
    return rows


def narrowed(rows: QuerySet[AuditEvent], asked: Mapping[str, str]) -> QuerySet[AuditEvent]:
    """The lines that match `event`, `actor` (a name), `target` (an id or a name), `target_kind`,
    and that were written between `since` and `until`. Every filter but target_kind has an index.
    Raises Invalid for what is no event and no time."""
    if event := asked.get("event"):
        rows = rows.filter(event__in=_events(event))
    if name := asked.get("actor"):
        rows = rows.filter(actor_name=name)
    if target := asked.get("target"):
        rows = rows.filter(of_target(target))
    if kind := asked.get("target_kind"):
        rows = rows.filter(target_kind=kind)
    if since := asked.get("since"):
        rows = rows.filter(id__gte=ids.earliest(moment(since, "/since")))
    if until := asked.get("until"):
        rows = rows.filter(id__lt=ids.earliest(moment(until, "/until", end=True)))
    return rows


def of_target(text: str) -> Q:
    """Lines about this id, or about whatever bears exactly this name."""
    try:
        return Q(target_id=str(UUID(text)))
    except ValueError:
        return Q(target_name=text) | Q(target_id=text)


def _events(asked: str) -> list[str]:
    """One event, or with a star all of one noun: `approval.*`."""
    if asked.endswith(".*"):
        found = [event for event in EVENTS if event.startswith(asked[:-1])]
    else:
        found = [asked] if asked in EVENTS else []
    if not found:
        known = sorted({event.partition(".")[0] for event in EVENTS})
        told = f"write noun.verb or noun.*; nouns are {', '.join(known)}"
        raise Invalid(f"There is no audit event {asked!r}.", errors=(Issue("/event", told),))
    return found


def moment(text: str, pointer: str, *, end: bool = False) -> datetime:
    """The time that the text names, in UTC unless it says otherwise. A day means its beginning, or
    with `end` the beginning of the next."""
    try:
        found = parse_datetime(text) if len(text) > 10 else None
        day = parse_date(text) if found is None else None
    except ValueError:
        found = day = None
    if day is not None:
        found = datetime(day.year, day.month, day.day, tzinfo=UTC)
        found += timedelta(days=1) if end else timedelta()
    if found is None:
        told = "write a day like 2026-03-04, or a time like 2026-03-04T10:23:00Z"
        raise Invalid(f"{text!r} is no time.", errors=(Issue(pointer, told),))
    return found if found.tzinfo else found.replace(tzinfo=UTC)

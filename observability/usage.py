"""Who uses a tool: folded from the calls by the hour, added up by the day, read for a page."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from kernel import clock

from observability.models import UsageDay, UsageHour
from orchestration.models import ToolCall, WorkflowRun
from orchestration.models.calls import CallStatus

HOUR = timedelta(hours=1)
WINDOW = 30
KEY = ("tool_version_id", "team_id", "agent_id", "workflow")
Key = tuple[Any, ...]
FEW = 500
"""So many tool versions are asked for by name; of more, the whole day is read."""
_NAMES = ("tool_name", "version", "agent_name")
_EXECUTED = (
    CallStatus.SUCCEEDED,
    CallStatus.FAILED,
    CallStatus.TIMED_OUT,
    CallStatus.LOST,
)


@dataclass(frozen=True)
class Used:
    """A sum of calls: whose, how many were executed, how many refused, and when the last was."""

    name: str
    calls: int
    refused: int
    last_at: datetime
    team_id: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "calls": self.calls,
            "refused": self.refused,
            "last_at": self.last_at.isoformat(),
        }


def hours(hour: datetime) -> list[UsageHour]:
    """The buckets of the hour, from the calls that ended in it."""
    runs = WorkflowRun.objects.filter(pk=OuterRef("run_id")).values("workflow_name")[:1]
    rows = (
        ToolCall.objects.filter(finished_at__gte=hour, finished_at__lt=hour + HOUR)
        .annotate(workflow=Coalesce(Subquery(runs), Value(""), output_field=CharField()))
        .order_by()
        .values(*KEY)
        .annotate(
            tool=Max("tool_name"),
            number=Max("version"),
            agent=Max("agent_name"),
            calls=Count("id", filter=Q(status__in=_EXECUTED)),
            refused=Count("id", filter=Q(status=CallStatus.REFUSED)),
            last_at=Max("finished_at"),
        )
    )
    return [
        UsageHour(
            hour=hour,
            tool_name=row.pop("tool"),
            version=row.pop("number"),
            agent_name=row.pop("agent"),
            **row,
        )
        for row in rows
        if row["calls"] or row["refused"]
    ]


def fold_day(hour: datetime, keys: Set[Key]) -> None:
    """Add up the hours of the day that `hour` is in, for the keys that changed in it. Called in the
    transaction that folds it."""
    start = hour.replace(hour=0)
    within = UsageHour.objects.filter(hour__gte=start, hour__lt=start + timedelta(days=1))
    there = UsageDay.objects.filter(day=start.date())
    versions = {key[0] for key in keys}
    if len(versions) <= FEW:
        within = within.filter(tool_version_id__in=versions)
        there = there.filter(tool_version_id__in=versions)
    rows = (
        within.order_by()
        .values(*KEY, *_NAMES)
        .annotate(every=Sum("calls"), no=Sum("refused"), last=Max("last_at"))
    )
    summed = {key: row for key, row in _merged(rows).items() if key in keys}
    UsageDay.objects.bulk_create(
        [
            UsageDay(
                day=start.date(),
                calls=row.pop("every"),
                refused=row.pop("no"),
                last_at=row.pop("last"),
                **row,
            )
            for row in summed.values()
        ],
        update_conflicts=True,
        unique_fields=("day", *KEY),
        update_fields=(*_NAMES, "calls", "refused", "last_at"),
        batch_size=500,
    )
    ended = keys - summed.keys()
    if ended:
        rest = there.order_by().values_list("pk", *KEY)
        gone = [pk for pk, *key in rest if tuple(key) in ended]
        UsageDay.objects.filter(pk__in=gone).delete()


def _merged(rows: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """One row a key: an agent that was renamed during the day has its last name."""
    found: dict[Key, dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in KEY)
        known = found.get(key)
        if known is not None:
            newer, older = (row, known) if row["last"] >= known["last"] else (known, row)
            row = newer | {name: newer[name] + older[name] for name in ("every", "no")}
        found[key] = row
    return found


def of_tool(name: str, days: int = WINDOW) -> QuerySet[UsageDay]:
    """The days of a tool's use, today and the `days` before."""
    return UsageDay.objects.filter(tool_name=name, day__gte=since(days))


def since(days: int = WINDOW) -> date:
    return (clock.now() - timedelta(days=days)).date()


def parts(rows: QuerySet[UsageDay]) -> list[dict[str, Any]]:
    """The sums by agent, team, version and workflow, in one reading of the rows."""
    summed: Iterable[Any] = (
        rows.order_by()
        .values("agent_name", "team_id", "version", "workflow")
        .annotate(every=Sum("calls"), no=Sum("refused"), last=Max("last_at"))
    )
    return list(summed)


def by(summed: Iterable[dict[str, Any]], field: str, *, limit: int | None = None) -> list[Used]:
    """The parts added up by `agent_name`, `version`, `workflow` or `team_id`; most calls first."""
    found: dict[Any, Used] = {}
    for row in summed:
        value = row[field]
        if field == "workflow" and not value:
            continue
        team = value if field == "team_id" else None
        known = found.get(value) or Used(str(value), 0, 0, row["last"], team)
        found[value] = replace(
            known,
            calls=known.calls + row["every"],
            refused=known.refused + row["no"],
            last_at=max(known.last_at, row["last"]),
        )
    return sorted(found.values(), key=lambda each: (-each.calls, -each.refused, each.name))[:limit]

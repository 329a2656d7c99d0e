"""One hour's buckets, computed whole from the raw rows that finished in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, Max, Model, OuterRef, Q, QuerySet, Sum

from governance.models import Approval, LedgerEntry, Vote
from observability import usage
from observability.models import AgentHour, TeamHour, ToolHour, UsageHour
from orchestration.models import AgentTask, ToolCall, WorkflowRun
from orchestration.models.calls import CallStatus
from orchestration.models.runs import RunStatus
from orchestration.models.tasks import TaskStatus

HOUR = timedelta(hours=1)
REVIEW_CAP = timedelta(minutes=15)
# What the ledger holds without an agent is kept under this id, so that sums stay whole.
NOBODY = UUID(int=0)

BROKEN = (CallStatus.FAILED, CallStatus.TIMED_OUT, CallStatus.LOST)
EXECUTED = (CallStatus.SUCCEEDED, *BROKEN)
FAILED_TASKS = (TaskStatus.FAILED, TaskStatus.LOST)

_AGENT = ("team_id", "agent_id")
_TOOL = ("team_id", "tool_name")

Key = tuple[Any, ...]
Cells = dict[Key, dict[str, Any]]


def agents(hour: datetime) -> list[AgentHour]:
    """The buckets of each agent that did or spent something in the hour."""
    cells: Cells = defaultdict(dict)
    tasks = _within(AgentTask.objects, "finished_at", hour).values("team_id", "agent_id")
    calls = _within(ToolCall.objects, "finished_at", hour).filter(status__in=EXECUTED)
    spent = _within(LedgerEntry.objects, "created_at", hour).values("team_id", "agent_id")
    name = Max("agent_name")
    _add(cells, spent.annotate(name=name, cost_micros=Sum("amount_micros")), *_AGENT)
    _add(cells, calls.values(*_AGENT).annotate(name=name, calls=Count("id")), *_AGENT)
    outcomes = tasks.annotate(
        name=name,
        tasks_succeeded=Count("id", filter=Q(status=TaskStatus.SUCCEEDED)),
        tasks_failed=Count("id", filter=Q(status__in=FAILED_TASKS)),
        minutes_saved=Sum("baseline_minutes", filter=_counts_itself()),
    )
    _add(cells, outcomes, *_AGENT)
    return [
        AgentHour(hour=hour, team_id=team, agent_id=agent, agent_name=values.pop("name"), **values)
        for (team, agent), values in _counting(cells)
    ]


def tools(hour: datetime) -> list[ToolHour]:
    """The buckets of each team and tool that was called in the hour."""
    cells: Cells = defaultdict(dict)
    calls = _within(ToolCall.objects, "finished_at", hour).values(*_TOOL)
    spent = _within(LedgerEntry.objects, "created_at", hour).exclude(tool_name="").values(*_TOOL)
    outcomes = calls.annotate(
        calls=Count("id", filter=Q(status__in=EXECUTED)),
        failed=Count("id", filter=Q(status__in=BROKEN)),
        refused=Count("id", filter=Q(status=CallStatus.REFUSED)),
    )
    _add(cells, outcomes, *_TOOL)
    _add(cells, spent.annotate(cost_micros=Sum("amount_micros")), *_TOOL)
    return [
        ToolHour(hour=hour, team_id=team, tool_name=tool, **values)
        for (team, tool), values in _counting(cells)
    ]


def teams(hour: datetime) -> list[TeamHour]:
    """The buckets of each team whose runs ended or whose approvals closed in the hour."""
    cells: Cells = defaultdict(dict)
    succeeded = Q(status=RunStatus.SUCCEEDED)
    runs = _within(WorkflowRun.objects, "finished_at", hour).values("team_id")
    outcomes = runs.annotate(
        runs_succeeded=Count("id", filter=succeeded),
        runs_failed=Count("id", filter=Q(status=RunStatus.FAILED)),
        runs_rejected=Count("id", filter=Q(status=RunStatus.REJECTED)),
        run_minutes=Sum("baseline_minutes", filter=succeeded),
    )
    _add(cells, outcomes, "team_id")
    _add(cells, _reviews(hour), "team_id")
    return [TeamHour(hour=hour, team_id=team, **values) for (team,), values in _counting(cells)]


def _reviews(hour: datetime) -> Iterator[dict[str, Any]]:
    voted = Exists(Vote.objects.filter(approval=OuterRef("pk")))
    closed = _within(Approval.objects, "closed_at", hour).filter(voted)
    waits: dict[UUID, list[timedelta]] = defaultdict(list)
    for team, opened, ended in closed.values_list("team_id", "created_at", "closed_at"):
        waits[team].append(min(max(ended - opened, timedelta()), REVIEW_CAP))
    for team, each in waits.items():
        minutes = sum(wait.total_seconds() for wait in each) / 60
        review_minutes = Decimal(str(round(minutes, 1)))
        yield {"team_id": team, "reviews": len(each), "review_minutes": review_minutes}


def _counts_itself() -> Q:
    """Tasks whose baseline isn't part of a run's."""
    alone = Q(run__isnull=True) | Q(run__baseline_minutes=0)
    return Q(status=TaskStatus.SUCCEEDED) & alone


def _within(rows: Any, field: str, hour: datetime) -> QuerySet[Any]:
    found: QuerySet[Any] = rows.filter(
        **{f"{field}__gte": hour, f"{field}__lt": hour + HOUR}
    ).order_by()
    return found


def _add(cells: Cells, rows: Iterable[Any], *names: str) -> None:
    for row in rows:
        key = tuple(row.pop(name) or NOBODY for name in names)
        cells[key] |= {name: value for name, value in row.items() if value is not None}


def _counting(cells: Cells) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The cells that hold anything but zeros, in a stable order."""
    for key in sorted(cells, key=str):
        if any(value for name, value in cells[key].items() if name != "name"):
            yield key, cells[key]


KINDS: tuple[tuple[type[Model], Any, tuple[str, ...]], ...] = (
    (AgentHour, agents, _AGENT),
    (ToolHour, tools, _TOOL),
    (TeamHour, teams, ("team_id",)),
    (UsageHour, usage.hours, usage.KEY),
)

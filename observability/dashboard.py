"""The dashboard's figures, from hourly rollups and from partial indexes over what is under way.

Nothing here reads finished happenings, so that the page costs the same at ten thousand calls and
at ten million.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from kernel.actor import Actor

from observability import live
from observability.buckets import NOBODY
from observability.models import AgentHour, Fold, TeamHour, ToolHour
from observability.rollups import hour_of
from registry.models import Agent, Team

WEEK = timedelta(days=7)
DAYS = 14
TOP_TOOLS = 5
TEAMS = 20
# A week's cost that differs by more than this from the week before is worth a look.
ALARM_PERCENT = 10


@dataclass(frozen=True)
class Share:
    """One tool's part of all executed calls of the last seven days."""

    tool: str
    calls: int
    percent: int


@dataclass(frozen=True)
class Day:
    """One UTC day."""

    at: datetime
    succeeded: int
    failed: int
    cost_micros: int


@dataclass(frozen=True)
class TeamLine:
    """One team's last seven days."""

    team: str
    agents: int
    succeeded: int
    failed: int
    cost_micros: int


@dataclass(frozen=True)
class Trend:
    """The cost of the last 168 whole hours against the 168 before them. `percent` is None where
    there is no earlier week to compare with."""

    this_micros: int
    last_micros: int

    @property
    def percent(self) -> int | None:
        if self.last_micros <= 0:
            return None
        return round((self.this_micros - self.last_micros) * 100 / self.last_micros)

    @property
    def alarming(self) -> bool:
        return self.percent is not None and abs(self.percent) > ALARM_PERCENT


@dataclass(frozen=True)
class Return:
    """What the last seven days gave and took. Minutes are people's time; `task_minutes` and
    `run_minutes` are baselines of what succeeded, `review_minutes` the time at approvals."""

    task_minutes: Decimal
    run_minutes: Decimal
    review_minutes: Decimal
    reviews: int
    succeeded: int
    cost_micros: int

    @property
    def minutes(self) -> Decimal:
        return self.task_minutes + self.run_minutes - self.review_minutes

    @property
    def cost_per_hour_micros(self) -> int | None:
        """What one saved hour cost; None where nothing was saved."""
        return int(self.cost_micros * 60 / self.minutes) if self.minutes > 0 else None

    @property
    def cost_per_success_micros(self) -> int | None:
        return self.cost_micros // self.succeeded if self.succeeded else None


@dataclass(frozen=True)
class Figures:
    """Everything that the dashboard shows, for what one actor may see. Days are UTC days."""

    at: datetime
    folded_at: datetime | None
    total_agents: int
    running_now: int
    succeeded_today: int
    failed_today: int
    cost_today_micros: int
    worked_today: int
    live_runs: int
    trend: Trend
    top_tools: tuple[Share, ...]
    days: tuple[Day, ...]
    teams: tuple[TeamLine, ...]
    gain: Return

    @property
    def failure_rate(self) -> Decimal | None:
        """Percent of today's finished tasks; None before the first."""
        ended = self.succeeded_today + self.failed_today
        return Decimal(self.failed_today * 100) / ended if ended else None

    @property
    def average_cost_micros(self) -> int | None:
        """Today's cost per agent that did something today."""
        return self.cost_today_micros // self.worked_today if self.worked_today else None


def figures(actor: Actor, at: datetime) -> Figures:
    """The figures at `at`, over the rows that `actor` may see."""
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = AgentHour.objects.visible_to(actor)
    days = _days(hours, today)
    now = days[-1]
    fold = Fold.objects.filter(id=1).first()
    return Figures(
        at=at,
        folded_at=fold.folded_at if fold else None,
        total_agents=Agent.objects.visible_to(actor).filter(is_active=True).count(),
        running_now=live.agents(actor),
        succeeded_today=now.succeeded,
        failed_today=now.failed,
        cost_today_micros=now.cost_micros,
        worked_today=_worked(hours, today),
        live_runs=live.runs(actor),
        trend=_trend(hours, hour_of(at)),
        top_tools=_top_tools(actor, at),
        days=days,
        teams=_teams(hours, at),
        gain=_gain(actor, hours, at),
    )


def _days(hours: QuerySet[Any], today: datetime) -> tuple[Day, ...]:
    """Grouped by hour in the database and by day here: SQLite has no function of its own that cuts
    a time down to its day."""
    first = today - timedelta(days=DAYS - 1)
    sums = {first + timedelta(days=step): [0, 0, 0] for step in range(DAYS)}
    rows = hours.filter(hour__gte=first, hour__lt=today + timedelta(days=1)).values_list("hour")
    for hour, *values in rows.annotate(
        Sum("tasks_succeeded"), Sum("tasks_failed"), Sum("cost_micros")
    ):
        day = sums[hour.replace(hour=0)]
        day[:] = [old + new for old, new in zip(day, values, strict=True)]
    return tuple(Day(at, *values) for at, values in sums.items())


def _worked(hours: QuerySet[Any], today: datetime) -> int:
    rows = hours.filter(hour__gte=today, hour__lt=today + timedelta(days=1))
    found: int = rows.exclude(agent_id=NOBODY).aggregate(agents=Count("agent_id", distinct=True))[
        "agents"
    ]
    return found


def _trend(hours: QuerySet[Any], hour: datetime) -> Trend:
    """Whole hours only: the one that goes on would always look cheap."""
    middle = hour - WEEK
    sums = hours.filter(hour__gte=middle - WEEK, hour__lt=hour).aggregate(
        this=Sum("cost_micros", filter=Q(hour__gte=middle)),
        last=Sum("cost_micros", filter=Q(hour__lt=middle)),
    )
    return Trend(sums["this"] or 0, sums["last"] or 0)


def _top_tools(actor: Actor, at: datetime) -> tuple[Share, ...]:
    rows = ToolHour.objects.visible_to(actor).filter(hour__gt=at - WEEK, hour__lte=at)
    tools = rows.values("tool_name").annotate(all=Sum("calls")).order_by("-all", "tool_name")
    counted = [(row["tool_name"], row["all"]) for row in tools if row["all"]]
    total = sum(calls for _, calls in counted)
    return tuple(
        Share(name, calls, round(calls * 100 / total)) for name, calls in counted[:TOP_TOOLS]
    )


def _teams(hours: QuerySet[Any], at: datetime) -> tuple[TeamLine, ...]:
    rows = list(
        hours.filter(hour__gt=at - WEEK, hour__lte=at)
        .values("team_id")
        .annotate(
            agents=Count("agent_id", distinct=True),
            succeeded=Sum("tasks_succeeded"),
            failed=Sum("tasks_failed"),
            cost=Sum("cost_micros"),
        )
        .order_by("-cost")[:TEAMS]
    )
    names = _names(row["team_id"] for row in rows)
    return tuple(
        TeamLine(
            names.get(row["team_id"], "a team that is gone"),
            row["agents"],
            row["succeeded"],
            row["failed"],
            row["cost"],
        )
        for row in rows
    )


def _names(ids: Iterable[UUID]) -> dict[UUID, str]:
    return dict(Team.objects.filter(id__in=list(ids)).values_list("id", "name"))


def _gain(actor: Actor, hours: QuerySet[Any], at: datetime) -> Return:
    within = Q(hour__gt=at - WEEK, hour__lte=at)
    tasks = hours.filter(within).aggregate(
        minutes=Sum("minutes_saved"), cost=Sum("cost_micros"), succeeded=Sum("tasks_succeeded")
    )
    runs = (
        TeamHour.objects.visible_to(actor)
        .filter(within)
        .aggregate(minutes=Sum("run_minutes"), review=Sum("review_minutes"), reviews=Sum("reviews"))
    )
    zero = Decimal(0)
    return Return(
        task_minutes=tasks["minutes"] or zero,
        run_minutes=runs["minutes"] or zero,
        review_minutes=runs["review"] or zero,
        reviews=runs["reviews"] or 0,
        succeeded=tasks["succeeded"] or 0,
        cost_micros=tasks["cost"] or 0,
    )

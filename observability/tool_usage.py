"""A tool's last 30 days on its page: calls, errors, refusals and cost, from the hourly rollups."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Sum
from kernel import clock, console
from kernel.actor import Actor
from kernel.console import Panel

from observability import charts
from observability.charts import Bar, Datum
from observability.models import ToolHour
from observability.rollups import hour_of
from registry.models import Tool

DAYS = 30


@dataclass(frozen=True)
class Usage:
    """What the teams that the reader may see did with a tool. `calls` were executed, `failed` are
    those of them that failed, timed out or were lost; `refused` never ran. `mine` says that other
    teams' calls aren't in it."""

    calls: int
    failed: int
    refused: int
    cost_micros: int
    teams: int
    bars: tuple[Bar, ...]
    mine: bool

    @property
    def error_percent(self) -> str:
        """Of the executed calls; empty where there are none."""
        return f"{self.failed * 100 / self.calls:.1f}" if self.calls else ""

    @property
    def micros_per_call(self) -> int:
        return self.cost_micros // self.calls if self.calls else 0


def of(tool: Tool, actor: Actor) -> Usage:
    """One query over at most 720 hours of the teams that the actor may see."""
    now = clock.now()
    since = hour_of(now) - timedelta(days=DAYS)
    rows = ToolHour.objects.visible_to(actor).filter(tool_name=tool.name, hour__gte=since)
    total = rows.aggregate(
        calls=Sum("calls"), failed=Sum("failed"), refused=Sum("refused"),
        cost=Sum("cost_micros"), teams=Count("team_id", distinct=True),
    )  # fmt: skip
    hours = rows.values("hour").annotate(of_hour=Sum("calls"), bad=Sum("failed"))
    return Usage(
        calls=total["calls"] or 0,
        failed=total["failed"] or 0,
        refused=total["refused"] or 0,
        cost_micros=total["cost"] or 0,
        teams=total["teams"],
        bars=_bars([(row["hour"].date(), row["of_hour"], row["bad"]) for row in hours], now),
        mine=not (actor.is_platform or actor.is_auditor),
    )


def _bars(hours: list[tuple[Any, int, int]], now: Any) -> tuple[Bar, ...]:
    days = [(now - timedelta(days=back)).date() for back in reversed(range(DAYS))]
    data = []
    for day in days:
        calls = sum(count for at, count, _ in hours if at == day)
        failed = sum(count for at, _, count in hours if at == day)
        title = f"{day:%-d %b}: {calls} calls, {failed} failed"
        data.append(Datum("", title, calls - failed, failed))
    return charts.bars(data)


def shown(tool: Tool, actor: Actor) -> dict[str, Any]:
    return {"usage": of(tool, actor), "days": DAYS}


def register() -> None:
    """Attach the panel to the tool's page."""
    console.add_panel(
        Panel("tool", "usage", "observability/_tool_usage.html", shown, order=20, place="aside")
    )

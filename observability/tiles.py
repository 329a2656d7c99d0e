"""The figures as sentences and bars, ready for a template."""

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from kernel import money

from observability import charts
from observability.charts import Bar, Datum
from observability.dashboard import DAYS, Day, Figures

NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Tile:
    """One number with its name; `micros` instead of `value` where it is money."""

    name: str
    value: str = ""
    note: str = ""
    micros: int | None = None
    mood: str = ""


@dataclass(frozen=True)
class Chart:
    """Bars, and the same numbers in words."""

    title: str
    note: str
    summary: str
    bars: tuple[Bar, ...]
    days: tuple[Day, ...]


def percent(value: Decimal | int) -> str:
    """At most two decimals, no trailing zeros: `0.24%`, `12%`."""
    text = f"{value:.2f}"
    return f"{text.rstrip('0').rstrip('.')}%"


def tiles(found: Figures) -> tuple[Tile, ...]:
    """The tiles in the order in which people ask."""
    return (
        Tile("Total agents", f"{found.total_agents:,}", "active in the registry"),
        Tile("Agents running now", f"{found.running_now:,}", _runs(found.live_runs)),
        Tile("Agents succeeded today", f"{found.succeeded_today:,}", "tasks, since 00:00 UTC"),
        _failed(found),
        Tile("Cost today", note="what the ledger says", micros=found.cost_today_micros),
        _average(found),
        _trend(found),
        _saved(found),
    )


def _runs(count: int) -> str:
    return "1 run under way" if count == 1 else f"{count:,} runs under way"


def _failed(found: Figures) -> Tile:
    rate = found.failure_rate
    note = "no task has ended yet" if rate is None else f"{percent(rate)} failure rate"
    mood = "bad" if rate is not None and rate >= 5 else ""
    return Tile("Agents failed today", f"{found.failed_today:,}", note, mood=mood)


def _average(found: Figures) -> Tile:
    average = found.average_cost_micros
    if average is None:
        return Tile("Average cost per agent", NONE, "nobody worked today")
    note = f"today, over {found.worked_today:,} that worked"
    return Tile("Average cost per agent", note=note, micros=average)


def _trend(found: Figures) -> Tile:
    change = found.trend.percent
    if change is None:
        return Tile("Cost trend", NONE, "no week before to compare with")
    if found.trend.alarming:
        note, mood = "week-over-week (needs investigation)", "alarm"
    else:
        note, mood = "week-over-week", ""
    return Tile("Cost trend", f"{change:+d}%", note, mood=mood)


def _saved(found: Figures) -> Tile:
    return Tile("Minutes saved", f"{found.gain.minutes:,.0f}", "net, in the last 7 days")


def cost_chart(found: Figures) -> Chart:
    """What each of the last fourteen days cost."""
    costs = [day.cost_micros for day in found.days]
    data = [
        Datum(_label(day, index), f"{day.at:%-d %b}: {_cents(day.cost_micros)}", day.cost_micros)
        for index, day in enumerate(found.days)
    ]
    note = f"last {DAYS} days, at most {_cents(max(costs))} {settings.CURRENCY}"
    summary = f"Cost of each of the {note}"
    return Chart("Cost per day", note, summary, charts.bars(data), found.days)


def task_chart(found: Figures) -> Chart:
    """How each of the last fourteen days' tasks ended."""
    data = [
        Datum(
            _label(day, index),
            f"{day.at:%-d %b}: {day.succeeded:,} succeeded, {day.failed:,} failed",
            day.succeeded,
            day.failed,
        )
        for index, day in enumerate(found.days)
    ]
    most = max(day.succeeded + day.failed for day in found.days)
    note = f"last {DAYS} days, at most {most:,}, failed ones in red on top"
    summary = f"Tasks that succeeded and failed on each of the {note}"
    return Chart("Tasks per day", note, summary, charts.bars(data), found.days)


def _label(day: Day, index: int) -> str:
    """Every third day bears its date, the last one always."""
    return f"{day.at:%-d %b}" if (DAYS - 1 - index) % 3 == 0 else ""


def _cents(micros: int) -> str:
    return f"{money.from_micros(micros):,.2f}"

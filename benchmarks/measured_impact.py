"""What `impact.py` fills and asks of one database, in a process of its own."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django

django.setup()

import applying  # noqa: E402
from django.db import connection  # noqa: E402
from kernel import clock  # noqa: E402
from kernel.actor import SYSTEM, Actor, acting  # noqa: E402

from observability import impact, rollups  # noqa: E402
from observability.models import Fold, UsageDay, UsageHour  # noqa: E402
from observability.rollups import hour_of  # noqa: E402
from orchestration.models import ToolCall  # noqa: E402
from orchestration.models.calls import CallStatus  # noqa: E402
from registry.importing import planning, texts  # noqa: E402
from registry.models import Agent, Team, Tool, ToolVersion  # noqa: E402

DAYS, TEAMS, HOURS = 30, 10, 24
FOLDS = 5


@dataclass(frozen=True)
class Size:
    """How many there are of each."""

    calls: int
    tools: int
    agents: int


def measured(given: Size) -> dict[str, Any]:
    """Everything about one database, in this process."""
    # Half past eleven in the evening: today has all its hours.
    late = clock.now().replace(hour=23, minute=30, second=0, microsecond=0)
    with clock.frozen(late):
        make_registry(given)
        filled = fill(given)
        return {"filled": filled, "asking": asking(), "folding": folding(given)}


def make_registry(given: Size) -> None:
    """The tools in two versions each, and the agents, in ten teams."""
    with acting(SYSTEM):
        teams = [Team.objects.create(name=f"team_{number}") for number in range(TEAMS)]
        for more in (False, True):
            raw = applying.document(given.tools, more=more)
            planning.apply(texts.read_text("openapi", raw, "things"), teams[0], SYSTEM)
    Agent.objects.bulk_create(
        [Agent(name=f"agent_{n}", team=teams[n % TEAMS]) for n in range(given.agents)]
    )


NAMES = "tool_version_id, tool_name, version, team_id, agent_id, agent_name, workflow, calls"
ROWS = """
    INSERT INTO {table} ({names}, refused, last_at, {span})
    SELECT number.id, tool.name, number.version, agent.team_id, agent.id, agent.name,
           CASE WHEN agent.name LIKE '%%1' THEN 'release' ELSE '' END, %s, 0, %s, %s
    FROM registry_toolversion number
    JOIN registry_tool tool ON tool.id = number.tool_id
    CROSS JOIN registry_agent agent
"""


def fill(given: Size) -> dict[str, int]:
    """Rows of days and hours with the sums of so many calls, and the last two hours' calls."""
    now, keys = clock.now(), given.tools * 2 * given.agents
    moment, day = connection.ops.adapt_datetimefield_value, connection.ops.adapt_datefield_value
    with connection.cursor() as cursor:
        days = ROWS.format(table=UsageDay._meta.db_table, names=NAMES, span="day")
        for back in range(DAYS):
            at = now - timedelta(days=back)
            share = max(given.calls // (DAYS * keys), 1)
            cursor.execute(days, [share, moment(at), day(at.date())])
        hours = ROWS.format(table=UsageHour._meta.db_table, names=NAMES, span="hour")
        for back in range(HOURS):
            hour = hour_of(now) - timedelta(hours=back)
            # Not everybody uses everything in every hour: there are fewer calls than that.
            some = f" WHERE agent.name LIKE '%%{back % 10}'"
            cursor.execute(hours + some, [10, moment(hour), moment(hour)])
        cursor.execute("ANALYZE")
    per_hour = given.calls // (DAYS * 24)
    for back in (0, 1):
        make_calls(per_hour, now - timedelta(hours=back))
    return {
        "days": UsageDay.objects.count(),
        "hours": UsageHour.objects.count(),
        "calls": sum(UsageDay.objects.values_list("calls", flat=True)),
        "calls_of_two_hours": 2 * per_hour,
    }


def make_calls(count: int, at: Any) -> None:
    """Calls that ended then, each of another agent, tool and version than the one before."""
    agents = list(Agent.objects.all())
    numbers = list(ToolVersion.objects.select_related("tool"))
    made = []
    for n in range(count):
        agent = agents[n % len(agents)]
        number = numbers[n // len(agents) % len(numbers)]
        made.append(
            ToolCall(
                tool_version=number,
                tool_name=number.tool.name,
                version=number.version,
                agent=agent,
                agent_name=agent.name,
                team_id=agent.team_id,
                status=CallStatus.SUCCEEDED,
                created_at=at,
                finished_at=at,
            )
        )
    ToolCall.objects.bulk_create(made, batch_size=500)


def asking() -> dict[str, Any]:
    tools = list(Tool.objects.select_related("team", "live_version"))
    team = Team.objects.get(name="team_1").id
    member = Actor(kind="user", id=team, name="bob", teams=frozenset({team}))
    asked: dict[str, Callable[[Any], Any]] = {
        "by_platform": lambda tool: impact.of(tool, SYSTEM),
        "by_member": lambda tool: impact.of(tool, member),
        "of_a_version": lambda tool: impact.of(tool, SYSTEM, version="1.0"),
    }
    return {who: times(ask, tools) for who, ask in asked.items()}


def times(ask: Callable[[Any], Any], subjects: list[Any]) -> dict[str, float]:
    taken = []
    for subject in [subjects[0], *subjects]:
        start = time.perf_counter()
        ask(subject)
        taken.append((time.perf_counter() - start) * 1e3)
    cuts = statistics.quantiles(taken[1:], n=20)
    return {"p50_ms": round(statistics.median(taken[1:]), 1), "p95_ms": round(cuts[18], 1)}


def folding(given: Size) -> dict[str, float]:
    """The first fold, which finds two hours of calls; then folds that find nothing new, or one."""
    now = clock.now()
    Fold.objects.update_or_create(id=1, defaults={"through": rollups.hour_of(now)})
    first, _ = timed(rollups.fold)
    same, one = [], []
    for _ in range(FOLDS):
        same.append(timed(rollups.fold)[0])
        make_calls(1, now)
        one.append(timed(rollups.fold)[0])
    calls = 2 * (given.calls // (DAYS * 24))
    return {
        "first_s": round(first, 2),
        "first_us_per_call": round(first * 1e6 / calls, 1),
        "again_s": round(statistics.median(same), 2),
        "with_one_new_call_s": round(statistics.median(one), 2),
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    print(json.dumps(measured(Size(*map(int, sys.argv[1:])))))

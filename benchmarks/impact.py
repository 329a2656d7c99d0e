"""Asking who is hit by a tool's end, and keeping the answer up to date, at ten million calls.

Filled as 10 million calls of 30 days would have left it: 50 agents of 10 teams that each use both
versions of all 200 tools every day (so many rows of days as there can be), the hours of today, and
the calls of the current and the previous hour themselves. Asked are all tools in turn, by somebody
who sees all and by a member of one team. A fold is what the timer does every five seconds.

    python benchmarks/impact.py [--calls 10000000] [--tools 200] [--agents 50] [--json]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

DAYS, TEAMS, HOURS = 30, 10, 24
GOAL_MS = 50
FOLDS = 5


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--calls", type=int, default=10_000_000)
    options.add_argument("--tools", type=int, default=200)
    options.add_argument("--agents", type=int, default=50)
    options.add_argument("--json", action="store_true", help="print one JSON document only")
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measured(given)))
        return
    ours = {name: in_process(given, address) for name, address in databases()}
    slowest = {name: max(each["asking"][who]["p95_ms"] for who in each["asking"])
               for name, each in ours.items()}  # fmt: skip
    document = {
        "name": "impact",
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "ours": ours,
        "peers": {},
        "ratio": {f"{name}_p95_to_goal": round(ms / GOAL_MS, 2) for name, ms in slowest.items()},
    }
    if not given.json:
        for name, each in ours.items():
            print(f"{name}: {json.dumps(each, indent=2)}", file=sys.stderr)
    print(json.dumps(document))


def databases() -> Any:
    """SQLite, and PostgreSQL where this machine has it."""
    from tests import services  # noqa: PLC0415 - pytest is needed for PostgreSQL alone

    yield "sqlite", ""
    try:
        with services.postgresql() as address:
            yield "postgresql", address
    except services.Missing as missing:
        print(missing, file=sys.stderr)


def in_process(given: argparse.Namespace, address: str) -> dict[str, Any]:
    """One database, in a process and home of its own."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        environment = os.environ | {
            "GATEHOUSE_HOME": folder,
            "DATABASE_URL": address,
            "LOG_LEVEL": "ERROR",
        }
        Path(folder, "var").mkdir()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        sizes = [f"--{name}={getattr(given, name)}" for name in ("calls", "tools", "agents")]
        done = subprocess.run(
            [sys.executable, __file__, *sizes, "--one"],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Everything about one database, in this process."""
    import django  # noqa: PLC0415 - in the process of one database alone

    django.setup()
    from kernel import clock  # noqa: PLC0415

    # Half past eleven in the evening: today has all its hours.
    late = clock.now().replace(hour=23, minute=30, second=0, microsecond=0)
    with clock.frozen(late):
        make_registry(given)
        filled = fill(given)
        return {"filled": filled, "asking": asking(), "folding": folding(given)}


def make_registry(given: argparse.Namespace) -> None:
    """The tools in two versions each, and the agents, in ten teams."""
    from kernel.actor import SYSTEM, acting  # noqa: PLC0415

    from benchmarks import applying  # noqa: PLC0415
    from registry.importing import planning, texts  # noqa: PLC0415
    from registry.models import Agent, Team  # noqa: PLC0415

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


def fill(given: argparse.Namespace) -> dict[str, int]:
    """Rows of days and hours with the sums of so many calls, and the last two hours' calls."""
    from django.db import connection  # noqa: PLC0415
    from kernel import clock  # noqa: PLC0415

    from observability.models import UsageDay, UsageHour  # noqa: PLC0415
    from observability.rollups import hour_of  # noqa: PLC0415

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
    from orchestration.models import ToolCall  # noqa: PLC0415
    from orchestration.models.calls import CallStatus  # noqa: PLC0415
    from registry.models import Agent, ToolVersion  # noqa: PLC0415

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
    from kernel.actor import SYSTEM, Actor  # noqa: PLC0415

    from observability import impact  # noqa: PLC0415
    from registry.models import Team, Tool  # noqa: PLC0415

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


def folding(given: argparse.Namespace) -> dict[str, float]:
    """The first fold, which finds two hours of calls; then folds that find nothing new, or one."""
    from kernel import clock  # noqa: PLC0415

    from observability import rollups  # noqa: PLC0415
    from observability.models import Fold  # noqa: PLC0415

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
    main()

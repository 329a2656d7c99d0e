"""A process that is killed in the middle of a call: the row is found, and everybody knows."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from governance.models import Account, AuditEvent, LedgerEntry
from orchestration import calls
from orchestration.models import ToolCall
from registry.models import Agent, Team
from tests import factories
from tests.orchestration.calls.rows import make_budget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.fault]

CALLER = """
import sys
import django
from django.conf import settings
django.setup()
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from orchestration import calls
from orchestration.calls.request import CallRequest
from registry.models import Agent
agent = Agent.objects.select_related("team").get()
request = CallRequest(
    tool="execute_python", arguments={"code": sys.argv[2]}, actor=agent.actor, agent=agent,
    idempotency_key="k",
)
print("started", flush=True)
print(calls.invoke(request).status)
"""


def start(code: str, home: Path, **variables: str) -> "subprocess.Popen[str]":
    """A process of its own that makes one call on this test's database."""
    name = str(connection.settings_dict["NAME"])
    environment = os.environ | variables
    environment |= {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONPATH": f"{settings.ROOT}:{settings.ROOT / 'platform'}",
        "GATEHOUSE_HOME": str(home),
    }
    command = [sys.executable, "-c", CALLER, name, code]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("point", "status"), [(1, "admitted"), (2, "running"), (3, "running"), (4, "succeeded")]
)
def test_whenever_it_is_killed_the_call_is_closed_once(
    agent: Agent, team: Team, tmp_path: Path, point: int, status: str
) -> None:
    factories.make_tool(idempotent=True)
    make_budget("search_month", team, "1")
    dead = start("print(1)", tmp_path, GATEHOUSE_TESTING="1", GATEHOUSE_CRASH_AT=str(point))
    assert dead.wait(60) == -signal.SIGKILL
    assert ToolCall.objects.get().status == status
    lost = status != "succeeded"
    assert calls.recover(all_live=True) == int(lost)
    call = ToolCall.objects.get()
    assert call.status == ("lost" if lost else "succeeded")
    assert LedgerEntry.objects.get().kind == ("presumed" if lost else "tool_call")
    account = Account.objects.get()
    assert (account.spent_micros, account.held_micros) == (10_000, 0)
    assert AuditEvent.objects.filter(event="tool_call.lost").count() == int(lost)
    again = start("print(1)", tmp_path)
    out, _ = again.communicate(timeout=60)
    if lost:
        assert out.split() == ["started", "succeeded"]
        assert ToolCall.objects.count() == 2


def test_a_process_that_is_killed_while_its_code_runs_leaves_a_lost_call(
    agent: Agent, team: Team, tmp_path: Path
) -> None:
    factories.make_tool()
    process = start("import time; time.sleep(60)", tmp_path)
    deadline = time.monotonic() + 30
    while not ToolCall.objects.filter(status="running").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    process.kill()
    process.wait(10)
    assert calls.recover() == 0
    assert calls.recover(all_live=True) == 1
    assert ToolCall.objects.get().status == "lost"


def test_a_long_call_keeps_its_lease(
    agent: Agent, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from orchestration.calls import leases  # noqa: PLC0415
    from orchestration.calls.request import CallRequest  # noqa: PLC0415

    monkeypatch.setattr(leases, "EVERY", 0.2)
    monkeypatch.setattr(leases, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(leases, "_renewer", leases.Renewer())
    factories.make_tool()
    seen = []

    class Watching:
        def __call__(self, invocation: object) -> object:
            from orchestration.executors.invocation import succeeded  # noqa: PLC0415

            for _ in range(8):
                time.sleep(0.4)
                seen.append(calls.recover())
            return succeeded({})

    from orchestration.executors import table  # noqa: PLC0415

    monkeypatch.setitem(table.EXECUTORS, "python", Watching())
    request = CallRequest(
        tool="execute_python", arguments={"code": "1"}, actor=agent.actor, agent=agent
    )
    assert calls.invoke(request).status == "succeeded"
    assert seen == [0] * 8

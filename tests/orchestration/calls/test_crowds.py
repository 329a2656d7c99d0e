"""Many callers at once: a budget isn't overshot, and a key runs once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from governance.models import Account, LedgerEntry
from orchestration import calls
from orchestration.calls import Refused, Repeated
from orchestration.calls.request import CallRequest
from orchestration.executors import table
from orchestration.executors.invocation import Invocation, Result
from orchestration.models import ToolCall
from registry.models import Agent, Team
from tests import factories
from tests.orchestration.calls.rows import make_budget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

THREADS = 16


@pytest.fixture(autouse=True)
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that costs nothing, so that the threads meet in the database."""

    def execute(invocation: Invocation) -> Result:
        return Result("succeeded", dict(invocation.arguments))

    monkeypatch.setitem(table.EXECUTORS, "python", execute)


def crowd(work: Callable[[int], Any], number: int) -> list[Any]:
    """What `work` came to for each of many, run by 16 threads that begin together."""

    def one(index: int) -> Any:
        try:
            return work(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(number)))


def ask(agent: Agent, key: str | None = None) -> str:
    """How one call ended."""
    request = CallRequest(
        tool="execute_python",
        arguments={"code": "1"},
        actor=agent.actor,
        agent=agent,
        idempotency_key=key,
    )
    try:
        return str(calls.invoke(request).status)
    except Refused as refused:
        return refused.reason
    except Repeated:
        return "repeated"


def test_sixteen_threads_do_not_overshoot_one_budget(agent: Agent, team: Team) -> None:
    factories.make_tool()
    make_budget("search_month", team, "0.20")
    make_budget("worker_month", team, "0.30", agent)
    agent = Agent.objects.select_related("team").get(id=agent.id)
    ended = crowd(lambda _: ask(agent), 64)
    assert ended.count("succeeded") == 20
    assert ended.count("budget_exhausted") == 44
    spent = {a.budget.name: (a.spent_micros, a.held_micros) for a in Account.objects.all()}
    assert spent == {"search_month": (200_000, 0), "worker_month": (200_000, 0)}
    assert LedgerEntry.objects.count() == 20
    assert ToolCall.objects.count() == 64


def test_one_key_asked_by_many_at_once_runs_once(agent: Agent, team: Team) -> None:
    factories.make_tool()
    make_budget("search_month", team, "1")
    agent = Agent.objects.select_related("team").get(id=agent.id)
    ended = crowd(lambda _: ask(agent, "the key"), 32)
    assert ended.count("succeeded") == 1
    assert ended.count("repeated") == 31
    assert ToolCall.objects.count() == 1
    assert Account.objects.get().spent_micros == 10_000


def test_an_approval_delivered_to_many_at_once_runs_its_call_once(agent: Agent, team: Team) -> None:
    from governance import approvals  # noqa: PLC0415
    from governance.models import Approval  # noqa: PLC0415
    from tests.governance.rows import make_policy  # noqa: PLC0415
    from tests.orchestration.calls.rows import asking  # noqa: PLC0415

    factories.make_tool()
    rita = factories.make_user("rita", role="reviewer")
    make_policy("ask", asking())
    with pytest.raises(calls.Parked):
        ask(agent)
    approval = Approval.objects.get()
    approvals.vote(approval.id, by=rita, decision="approve", comment="")
    crowd(lambda _: calls.resume(approval.id), 8)
    assert ToolCall.objects.get().status == "succeeded"
    assert LedgerEntry.objects.count() == 1


def test_recovery_by_many_at_once_closes_each_call_once(agent: Agent, team: Team) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from kernel import clock  # noqa: PLC0415

    from orchestration.calls.admission import admit  # noqa: PLC0415

    factories.make_tool()
    make_budget("search_month", team, "1")
    request = CallRequest(
        tool="execute_python", arguments={"code": "1"}, actor=agent.actor, agent=agent
    )
    for _ in range(5):
        admit(request)
    ToolCall.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert sum(crowd(lambda _: calls.recover(), 8)) == 5
    assert LedgerEntry.objects.filter(kind="presumed").count() == 5
    assert Account.objects.get().spent_micros == 50_000

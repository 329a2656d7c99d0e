"""Calls whose process is gone, and settlements that come too late."""

from datetime import timedelta
from typing import Any

import pytest
from kernel import clock, ids

from context import changesets, projects
from context.proposals import FileChange
from governance import budgets
from governance.models import Account, AuditEvent, LedgerEntry
from orchestration import calls
from orchestration.calls import leases
from orchestration.calls.admission import admit
from orchestration.calls.execution import execute
from orchestration.calls.request import CallRequest
from orchestration.calls.settlement import settle
from orchestration.models import ToolCall
from registry.models import Agent, Team, Tool
from tests import factories
from tests.orchestration.calls.rows import make_budget, only_call

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def request(agent: Agent, tool: str = "execute_python", **more: Any) -> CallRequest:
    arguments = more.pop("arguments", {"code": "print(1)"})
    return CallRequest(tool=tool, arguments=arguments, actor=agent.actor, agent=agent, **more)


def past(seconds: float) -> Any:
    return clock.shifted(timedelta(seconds=seconds))


def test_a_call_past_its_lease_is_lost_and_its_hold_is_charged(
    agent: Agent, tool: Tool, team: Team
) -> None:
    make_budget("search_month", team, "1")
    admit(request(agent))
    assert calls.recover() == 0
    with past(31):
        assert calls.recover() == 1
        assert calls.recover() == 0
    call = only_call()
    assert call.status == "lost"
    assert call.payload.error["reason"] == "lost"
    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.amount_micros) == ("presumed", 10_000)
    account = Account.objects.get()
    assert (account.spent_micros, account.held_micros) == (10_000, 0)
    assert AuditEvent.objects.filter(event="tool_call.lost").count() == 1


def test_a_late_settlement_is_refused_and_told(agent: Agent, tool: Tool) -> None:
    executed = execute(admit(request(agent)))
    with past(31):
        calls.recover()
    call = settle(executed)
    assert call.status == "lost"
    assert only_call().payload.result is None
    assert LedgerEntry.objects.count() == 1
    assert AuditEvent.objects.filter(event="tool_call.settled_late").count() == 1
    assert not AuditEvent.objects.filter(event="tool_call.succeeded").exists()


def test_a_call_that_was_given_up_before_it_began_runs_nothing(agent: Agent, tool: Tool) -> None:
    admitted = admit(request(agent))
    with past(31):
        calls.recover()
    executed = execute(admitted)
    assert executed.result.error is not None
    assert executed.result.error["reason"] == "lost"
    assert settle(executed).status == "lost"


def test_settling_twice_pays_once(agent: Agent, tool: Tool, team: Team) -> None:
    make_budget("search_month", team, "1")
    executed = execute(admit(request(agent)))
    settle(executed)
    settle(executed)
    assert LedgerEntry.objects.count() == 1
    assert Account.objects.get().spent_micros == 10_000


def test_a_live_call_has_its_lease_renewed(agent: Agent, tool: Tool) -> None:
    admitted = admit(request(agent))
    with past(20):
        assert leases.renew([admitted.token]) == 1
    with past(40):
        assert calls.recover() == 0
    with past(51):
        assert calls.recover() == 1


def test_renewal_does_not_wake_the_dead(agent: Agent, tool: Tool) -> None:
    admitted = admit(request(agent))
    with past(31):
        calls.recover()
    assert leases.renew([admitted.token]) == 0


def test_a_server_that_is_alone_gives_up_what_it_finds_at_its_start(
    agent: Agent, tool: Tool
) -> None:
    admit(request(agent))
    assert calls.recover(all_live=True) == 1
    assert only_call().status == "lost"


def test_a_write_that_reached_the_context_is_settled_from_its_changeset(
    agent: Agent, team: Team
) -> None:
    project = projects.create("auth-refactor", team=team, by=agent.actor)
    schema = {"type": "object", "additionalProperties": True}
    factories.make_tool(
        "write_file",
        executor="context",
        executor_config={"operation": "write_file"},
        parameters=schema,
    )
    arguments = {"project": project.name, "path": "a.py", "content": "x = 1\n", "base_rev": 0}
    admitted = admit(request(agent, "write_file", arguments=arguments))
    # The process wrote, and died before it could settle.
    changesets.apply(
        project.id,
        base_rev=0,
        by=agent.actor,
        files={"a.py": FileChange(b"x = 1\n")},
        call_id=admitted.call.id,
    )
    with past(31):
        calls.recover()
    call = only_call()
    assert call.status == "succeeded"
    assert call.payload.result["rev"] == 1
    assert LedgerEntry.objects.get().kind == "tool_call"


def test_a_call_of_a_run_wakes_it_when_it_is_lost(agent: Agent, tool: Tool) -> None:
    from kernel.models import Outbox  # noqa: PLC0415

    run_id = ids.uuid7()
    admit(request(agent, run_id=run_id))
    with past(31):
        calls.recover()
    assert Outbox.objects.filter(topic="run.advance", subject_id=run_id).exists()


def test_expired_holds_do_not_let_a_settlement_go_unpaid(
    agent: Agent, tool: Tool, team: Team
) -> None:
    make_budget("search_month", team, "1")
    executed = execute(admit(request(agent)))
    with clock.shifted(timedelta(days=1)):
        budgets.expire_holds()
    settle(executed)
    account = Account.objects.order_by("period_start").first()
    assert account is not None
    assert (account.spent_micros, account.held_micros) == (10_000, 0)
    assert ToolCall.objects.get().status == "succeeded"

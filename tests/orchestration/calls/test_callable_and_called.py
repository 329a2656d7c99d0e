"""What an agent is told of a tool is what its call comes to: rates, budgets and versions too."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kernel import clock, ids

from governance import budgets
from governance.models import Account, Budget
from orchestration import calls, discovery
from orchestration.api import callable as callable_tools
from orchestration.calls import CallRequest, Parked, Refused
from orchestration.discovery import Asker
from orchestration.models import CircuitBreaker
from registry import bindings, lifecycle, publishing
from registry import discovery as registry
from registry.models import Agent, Tool, VersionPin
from tests import factories
from tests.governance.rows import make_policy
from tests.orchestration.calls.rows import asking, make_budget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

# The tools of these tests cost 0.01.
PRICE = 10_000
BIG = "size(arguments.code) > 20"


def states(agent: Agent) -> dict[str, str]:
    """The state of each tool that the agent sees, as the list narrows by it."""
    found: dict[str, str] = {}
    for state in discovery.STATES:
        rows = callable_tools.narrow(Tool.objects.visible_to(agent.actor), state, agent.actor)
        found |= dict.fromkeys(rows.values_list("name", flat=True), state)
    return found


def called(agent: Agent, code: str = "print(1)", tool: str = "subject") -> str:
    """What a call comes to: yes, needs_approval, or the reason of the no."""
    request = CallRequest(tool=tool, arguments={"code": code}, actor=agent.actor, agent=agent)
    try:
        return {"succeeded": "yes"}.get(calls.invoke(request).status, "?")
    except Refused as refused:
        return refused.reason
    except Parked:
        return discovery.APPROVAL


def told(agent: Agent) -> str:
    """What the agent is told of the tool, by its own page, by a list's column, and by the filter;
    they say the same."""
    tool = Tool.objects.select_related("live_version", "team", "replacement").get(name="subject")
    alone = discovery.answer(Asker.of(agent), tool)
    assert discovery.answers(Asker.of(agent), [tool]) == {tool.pk: alone}
    assert states(agent)["subject"] == alone.state
    assert (alone.state == "no") == bool(alone.reason)
    return alone.reason or alone.state


def agree(agent: Agent, expected: str) -> None:
    assert told(agent) == expected
    assert called(agent) == expected


def publish(tool: Tool, version: str, **fields: Any) -> None:
    for name, value in (fields | {"version": version}).items():
        setattr(tool, name, value)
    tool.save()
    publishing.publish(tool, by="test")
    tool.refresh_from_db()


# Budgets ------------------------------------------------------------------------------------------


def test_a_spent_budget_of_the_team(agent, team):
    factories.make_tool("subject")
    make_budget("all", team, "0.01")
    assert called(agent) == "yes"
    agree(agent, "budget_exhausted")


def test_a_budget_of_the_agent_with_less_room_than_the_price(agent, team):
    factories.make_tool("subject")
    make_budget("own", team, "0.009", agent)
    agree(agent, "budget_exhausted")


def test_it_says_which_budget_in_the_words_of_the_call(agent, team):
    tool = factories.make_tool("subject")
    make_budget("own", team, "0.009", agent)
    (said,) = discovery.answer(Asker.of(agent), tool).why
    with pytest.raises(Refused) as refused:
        calls.invoke(
            CallRequest(tool="subject", arguments={"code": "1"}, actor=agent.actor, agent=agent)
        )
    assert said == refused.value.call.detail
    assert "*own*" in said


def test_what_is_held_is_no_room(agent, team):
    factories.make_tool("subject")
    make_budget("all", team, "0.01")
    now = clock.now()
    budgets.reserve(
        team_id=team.id, agent_id=None, amount_micros=PRICE, subject_kind="x",
        subject_id=ids.uuid7(), expires_at=now + timedelta(hours=1), at=now,
    )  # fmt: skip
    agree(agent, "budget_exhausted")


def test_the_last_of_a_budget_is_room(agent, team):
    factories.make_tool("subject")
    make_budget("all", team, "0.01")
    agree(agent, "yes")


@pytest.mark.parametrize("whose", ["another team's", "another agent's", "switched off", "last"])
def test_a_budget_that_does_not_count(agent, team, other_team, whose):
    factories.make_tool("subject")
    other = factories.make_agent("idler", team)
    budget = make_budget(
        "empty",
        other_team if whose == "another team's" else team,
        "0.01" if whose == "last" else "0",
        other if whose == "another agent's" else None,
    )
    Budget.objects.filter(id=budget.id).update(is_active=whose != "switched off", period="month")
    past = budgets.period_start("month", clock.now() - timedelta(days=40))
    Account.objects.create(budget=budget, period_start=past, spent_micros=PRICE)
    agree(agent, "yes")


def test_a_free_tool_needs_no_budget(agent, team):
    factories.make_tool("subject", cost_micros=0)
    make_budget("empty", team, "0")
    agree(agent, "yes")


def test_only_what_is_too_dear_is_left_out(agent, team):
    factories.make_tool("subject")
    factories.make_tool("dear", cost_micros=PRICE + 1)
    make_budget("all", team, "0.01")
    assert states(agent) == {"subject": "yes", "dear": "no"}
    assert called(agent, tool="dear") == "budget_exhausted"


def test_an_approval_is_asked_for_whatever_the_budget(agent, team):
    factories.make_tool("subject")
    factories.make_user("rita", role="reviewer")
    make_policy("careful", asking())
    make_budget("empty", team, "0")
    agree(agent, "needs_approval")


def test_where_arguments_ask_for_an_approval_a_spent_budget_is_told(agent, team):
    tool = factories.make_tool("subject")
    factories.make_user("rita", role="reviewer")
    make_policy("careful", [asking()[0] | {"when": BIG}])
    make_budget("empty", team, "0")
    assert told(agent) == "conditional"
    assert "*empty*" in discovery.answer(Asker.of(agent), tool).why[0]
    assert called(agent) == "budget_exhausted"
    assert called(agent, "1" * 21) == "needs_approval"


def test_where_arguments_only_deny_a_spent_budget_is_a_no(agent, team):
    factories.make_tool("subject")
    make_policy("short", [{"name": "big", "when": BIG, "message": "Short", "deny": True}])
    assert told(agent) == "conditional"
    make_budget("empty", team, "0")
    agree(agent, "budget_exhausted")


# Rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["agent", "team", "tool"])
def test_a_rate_of_the_tool_that_is_used_up(agent, scope):
    factories.make_tool("subject", rate_limit={scope: "1/day"})
    factories.make_tool("other", rate_limit={scope: "1/day"})
    agree(agent, "yes")
    agree(agent, "rate_limited")
    assert states(agent)["other"] == "yes"


def test_a_rate_with_calls_left(agent):
    factories.make_tool("subject", rate_limit={"agent": "3/day"})
    assert called(agent) == "yes"
    assert called(agent) == "yes"
    agree(agent, "yes")
    agree(agent, "rate_limited")


@pytest.mark.parametrize(
    ("scope", "expected"), [("agent", "yes"), ("team", "rate_limited"), ("tool", "rate_limited")]
)
def test_what_a_colleague_used_up(agent, team, scope, expected):
    factories.make_tool("subject", rate_limit={scope: "1/day"})
    assert called(factories.make_agent("colleague", team)) == "yes"
    agree(agent, expected)


@pytest.mark.parametrize(
    ("scope", "expected"), [("agent", "yes"), ("team", "yes"), ("tool", "rate_limited")]
)
def test_what_a_stranger_used_up(agent, other_agent, scope, expected):
    factories.make_tool("subject", rate_limit={scope: "1/day"})
    assert called(other_agent) == "yes"
    agree(agent, expected)


def rate(scope: str, **more: Any) -> list[dict[str, Any]]:
    limit = {"calls_per_period": {scope: "1/day"}}
    return [{"name": "rare", "limit": limit, "message": "Seldom"} | more]


@pytest.mark.parametrize(("scope", "other"), [("agent", "no"), ("team", "no"), ("tool", "yes")])
def test_a_rate_of_a_policy_that_is_used_up(agent, scope, other):
    factories.make_tool("subject")
    factories.make_tool("other")
    make_policy("seldom", rate(scope))
    agree(agent, "yes")
    agree(agent, "rate_limited")
    assert states(agent)["other"] == other
    assert called(agent, tool="other") == ("yes" if other == "yes" else "rate_limited")


def test_a_rate_that_only_some_arguments_are_counted_in(agent):
    factories.make_tool("subject")
    make_policy("seldom", rate("agent", when=BIG))
    long = "print('1234567890123')"
    assert called(agent, long) == "yes"
    assert told(agent) == "conditional"
    assert called(agent) == "yes"
    assert called(agent, long) == "rate_limited"


def test_a_rate_comes_before_a_budget(agent, team):
    factories.make_tool("subject", rate_limit={"agent": "1/day"})
    assert called(agent) == "yes"
    make_budget("empty", team, "0")
    agree(agent, "rate_limited")


def test_looking_counts_nothing(agent, team):
    factories.make_tool("subject", rate_limit={"agent": "1/day"})
    make_budget("all", team, "0.01")
    for _ in range(3):
        assert told(agent) == "yes"
    assert called(agent) == "yes"


# Versions -----------------------------------------------------------------------------------------


@pytest.fixture
def two(agent: Agent) -> Tool:
    """A tool whose version 2.0, the live one, asks for a permission that the agent lacks."""
    tool = factories.make_tool("subject")
    tool.permissions_required.add(factories.make_permission("payments"))
    publish(tool, "2.0")
    return tool


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", "permission_missing"),
        ("1.0", "yes"),
        ("1.x", "yes"),
        ("<2", "yes"),
        (">=1.0", "permission_missing"),
        ("stable", "yes"),
        ("canary", "permission_missing"),
    ],
)
def test_the_version_that_the_agent_is_bound_to_is_judged(agent, two, selector, expected):
    bindings.point(two, "stable", "1.0")
    bindings.point(two, "canary", "2.0")
    if selector:
        bindings.pin(agent, two, selector)
    agree(agent, expected)


def test_a_pin_of_another_agent_binds_nobody_else(agent, other_agent, two):
    bindings.pin(other_agent, two, "1.0")
    agree(agent, "permission_missing")
    agree(other_agent, "yes")


def test_a_pin_that_nothing_fits(agent, two):
    VersionPin.objects.create(agent=agent, tool=two, selector="9.x")
    agree(agent, "denied_by_policy")
    (why,) = discovery.answer(Asker.of(agent), two).why
    assert "bound to 9.x" in why


def test_the_price_of_the_version_that_the_agent_is_bound_to(agent, team):
    tool = factories.make_tool("subject", cost_micros=5 * PRICE)
    publish(tool, "2.0", cost_micros=PRICE)
    make_budget("all", team, "0.03")
    agree(agent, "yes")
    bindings.pin(agent, tool, "1.0")
    agree(agent, "budget_exhausted")


def ended(tool: Tool, versions: str) -> None:
    past = clock.now() - timedelta(days=1)
    lifecycle.retire(tool, versions, sunset_at=past, confirmed=True)


@pytest.mark.parametrize(("days", "expected"), [(-1, "tool_sunset"), (1, "yes")])
def test_a_live_version_that_ends(agent, days, expected):
    """Retiring refuses it; a catalogue that was written by hand may say so all the same."""
    tool = factories.make_tool("subject")
    factories.make_tool("other")
    end = clock.now() + timedelta(days=days)
    tool.retired = [{"versions": "1.x", "message": "", "sunset_at": end.isoformat()}]
    tool.save()
    registry.refresh(tool)
    agree(agent, expected)
    assert states(agent)["other"] == "yes"


def test_an_ended_version_that_the_agent_is_bound_to(agent):
    tool = factories.make_tool("subject")
    publish(tool, "2.0")
    ended(tool, "1.x")
    agree(agent, "yes")
    bindings.pin(agent, tool, "1.x")
    agree(agent, "tool_sunset")


def test_of_a_range_the_version_that_still_runs(agent, team):
    tool = factories.make_tool("subject", cost_micros=5 * PRICE)
    publish(tool, "1.1", cost_micros=PRICE)
    publish(tool, "2.0")
    make_budget("all", team, "0.03")
    bindings.pin(agent, tool, "1.x")
    agree(agent, "yes")
    ended(tool, "1.1")
    agree(agent, "budget_exhausted")


def _past(tool: Tool) -> None:
    Tool.objects.filter(id=tool.id).update(
        deprecated=True, sunset_at=clock.now() - timedelta(seconds=1)
    )


def _soon(tool: Tool) -> None:
    Tool.objects.filter(id=tool.id).update(sunset_at=clock.now() + timedelta(hours=1))


def _apart(tool: Tool) -> None:
    Tool.objects.filter(id=tool.id).update(
        quarantined_at=clock.now(), quarantine_reason="It changed."
    )


@pytest.mark.parametrize(
    ("act", "expected"), [(_past, "tool_sunset"), (_soon, "yes"), (_apart, "quarantined")]
)
def test_the_tools_own_columns_are_asked_each_time(
    agent: Agent, act: Callable[[Tool], None], expected: str
) -> None:
    """Nobody tells the index of these updates."""
    tool = factories.make_tool("subject")
    assert told(agent) == "yes"
    act(tool)
    agree(agent, expected)


def test_a_tool_that_is_left_alone(agent):
    tool = factories.make_tool("subject", circuit_breaker={"failures": 1})
    factories.make_tool("other")
    CircuitBreaker.objects.create(
        tool=tool, failures=1, since=clock.now(), open_until=clock.now() + timedelta(minutes=5)
    )
    calls.breakers.snapshot.forget()
    agree(agent, "unavailable")
    assert states(agent)["other"] == "yes"

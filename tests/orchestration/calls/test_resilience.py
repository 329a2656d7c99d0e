"""A call withstands its tool: counted, tried again, left alone, given again, and never cut."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from kernel import clock
from rest_framework.test import APIClient

from governance import policies
from governance.models import AuditEvent, Hold, LedgerEntry
from governance.models.budgets import HoldStatus
from orchestration import calls
from orchestration.calls import breakers, cached, references
from orchestration.calls.outcomes import Refused
from orchestration.calls.request import CallRequest
from orchestration.executors import table
from orchestration.executors.invocation import Invocation, Result, failed, succeeded
from orchestration.models import CachedResult, CircuitBreaker, LargeResult, ToolCall
from registry import publishing
from registry.models import Agent, Team, Tool, User
from tests import factories
from tests.governance.rows import make_policy
from tests.orchestration.calls.rows import asking, make_budget

pytestmark = pytest.mark.django_db

Answer = Callable[[Invocation], Result]


class Program:
    """What stands in for the executor's work: it counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0
        self.answer: Answer = lambda invocation: succeeded(dict(invocation.arguments))

    def __call__(self, invocation: Invocation) -> Result:
        self.times += 1
        return self.answer(invocation)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    breakers.snapshot.forget()
    found = Program()
    monkeypatch.setitem(table.EXECUTORS, "python", found)
    return found


def tool(**more: Any) -> Tool:
    parameters = {"type": "object", "properties": {"code": {"type": "string"}}}
    entry = {"idempotent": True, "cost_micros": 0, "parameters": parameters}
    return factories.make_tool(**(entry | more))


def ask(agent: Agent, code: str = "1", **more: Any) -> ToolCall:
    breakers.snapshot.forget()
    request = CallRequest(
        tool="execute_python", arguments={"code": code}, actor=agent.actor, agent=agent, **more
    )
    return calls.invoke(request)


def refused(agent: Agent, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(agent, **more)
    return caught.value


# Rates


def test_a_tools_rate_is_each_agents_own(agent: Agent, program: Program, team: Team) -> None:
    tool(rate_limit={"agent": "2/hour"})
    ask(agent), ask(agent)
    no = refused(agent)
    assert (no.status, no.reason) == (429, "rate_limited")
    assert 1700 <= int(no.headers["Retry-After"]) <= 1800
    assert "Tool execute_python takes 2 calls per hour from agent" in str(no)
    assert ask(factories.make_agent("second", team)).status == "succeeded"
    assert program.times == 3


def test_a_policys_rate_counts_all_that_its_rule_matches(agent: Agent, program: Program) -> None:
    tool()
    limit = {"calls_per_period": {"team": "1/day"}}
    make_policy("few_calls", [{"name": "few", "message": "Few calls", "limit": limit}])
    ask(agent)
    assert "Policy *few_calls* allows 1 calls per day to the team" in str(refused(agent))


def test_a_parked_call_is_counted_when_it_runs(agent: Agent, program: Program) -> None:
    tool(rate_limit={"agent": "1/hour"})
    policy = make_policy("ask_people", asking())
    with pytest.raises(calls.Parked):
        ask(agent)
    policies.put(policy, "retired")
    assert ask(agent).status == "succeeded"


def test_what_a_budget_refuses_is_not_counted(agent: Agent, team: Team, program: Program) -> None:
    tool(rate_limit={"agent": "1/hour"}, cost_micros=10_000)
    budget = make_budget("none_left", team, "0.001")
    assert refused(agent).reason == "budget_exhausted"
    budget.delete()
    assert ask(agent).status == "succeeded"


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_crowd_gets_exactly_its_rate(agent: Agent, program: Program, team: Team) -> None:
    tool(rate_limit={"team": "10/day"}, cost_micros=10_000)
    make_budget("search_month", team, "9")
    agent = Agent.objects.select_related("team").get(id=agent.id)

    def one(_: int) -> str:
        try:
            return str(ask(agent).status)
        except Refused as no:
            return no.reason
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one, range(32)))
    assert outcomes.count("succeeded") == 10
    assert outcomes.count("rate_limited") == 22
    assert not Hold.objects.filter(status=HoldStatus.HELD).exists()


# Trying again


def test_an_idempotent_tool_is_tried_again_and_paid_once(
    agent: Agent, team: Team, program: Program
) -> None:
    tool(retry={"attempts": 3, "backoff": 0}, cost_micros=10_000)
    make_budget("search_month", team, "9")
    outcomes = [failed("request_failed", "reset"), succeeded("at last")]
    program.answer = lambda _: outcomes.pop(0)
    call = ask(agent)
    assert (call.status, call.attempts, call.payload.result) == ("succeeded", 2, "at last")
    assert call.enforcement["before"][0]["reason"] == "request_failed"
    assert LedgerEntry.objects.get().amount_micros == call.cost_micros > 0


def test_the_hold_outlives_all_attempts(agent: Agent, team: Team, program: Program) -> None:
    tool(retry={"attempts": 5, "backoff": 60}, cost_micros=10_000, sandbox_config={"timeout": 600})
    make_budget("search_month", team, "9")
    call = ask(agent)
    held = Hold.objects.get(subject_id=call.id)
    assert held.expires_at - call.created_at > timedelta(seconds=5 * 600)


# Circuit breaker


def down(_: Invocation) -> Result:
    return failed("request_failed", "connection refused")


def test_a_tool_that_keeps_failing_is_left_alone(agent: Agent, program: Program) -> None:
    tool(circuit_breaker={"failures": 3, "within": 60, "pause": 30})
    program.answer = down
    assert [ask(agent).status for _ in range(3)] == ["failed"] * 3
    no = refused(agent)
    assert (no.status, no.reason, program.times) == (503, "unavailable", 3)
    assert 25 <= int(no.headers["Retry-After"]) <= 30
    assert AuditEvent.objects.filter(event="breaker.opened").count() == 1


@pytest.mark.parametrize("works", [True, False])
def test_after_the_pause_one_call_decides(agent: Agent, program: Program, works: bool) -> None:
    made = tool(circuit_breaker={"failures": 1, "within": 60, "pause": 30})
    program.answer = down
    ask(agent)
    with clock.shifted(timedelta(seconds=31)):
        program.answer = (lambda _: succeeded(1)) if works else down
        assert ask(agent).status == ("succeeded" if works else "failed")
        breaker = CircuitBreaker.objects.get(tool=made)
        assert (breaker.open_until is None) is works
        assert AuditEvent.objects.filter(event="breaker.closed").exists() is works
        if not works:
            assert refused(agent).reason == "unavailable"
    assert program.times == 2


def test_while_one_call_decides_the_others_wait_their_turn(agent: Agent, program: Program) -> None:
    made = tool(circuit_breaker={"failures": 1, "within": 60, "pause": 30})
    program.answer = down
    ask(agent)
    with clock.shifted(timedelta(seconds=31)):
        probing = clock.now() + timedelta(seconds=60)
        CircuitBreaker.objects.filter(tool=made).update(probing_until=probing)
        assert "another call is finding out" in str(refused(agent))
    assert program.times == 1


def test_what_callers_do_wrong_opens_nothing(agent: Agent, program: Program) -> None:
    tool(circuit_breaker={"failures": 1, "within": 60, "pause": 30})
    program.answer = lambda _: failed("exit_code", "a bug in the caller's code")
    assert [ask(agent).status for _ in range(3)] == ["failed"] * 3
    assert not CircuitBreaker.objects.exists()


def test_failures_that_lie_far_apart_open_nothing(agent: Agent, program: Program) -> None:
    tool(circuit_breaker={"failures": 2, "within": 60, "pause": 30})
    program.answer = down
    ask(agent)
    with clock.shifted(timedelta(seconds=90)):
        ask(agent)
        assert CircuitBreaker.objects.get().open_until is None


# Results given again


def test_a_pure_tools_result_is_given_again_for_nothing(
    agent: Agent, team: Team, program: Program
) -> None:
    tool(pure=True, cost_micros=10_000)
    make_budget("search_month", team, "9")
    first, second, other = ask(agent), ask(agent), ask(agent, code="2")
    assert program.times == 2
    assert second.payload.result == first.payload.result
    assert (second.cached_from, second.cost_micros) == (first.id, 0)
    assert other.cached_from is None
    assert LedgerEntry.objects.count() == 2
    assert not Hold.objects.filter(status=HoldStatus.HELD).exists()


def test_a_kept_result_ends_with_its_time_its_version_and_its_team(
    agent: Agent, program: Program
) -> None:
    made = tool(pure=True, cache_seconds=60)
    ask(agent)
    with clock.shifted(timedelta(seconds=61)):
        ask(agent)
    assert program.times == 2
    ask(factories.make_agent("stranger", factories.make_team("other")))
    assert program.times == 3
    made.version = "9.0"
    made.save()
    publishing.publish(made, by="test")
    ask(agent)
    assert program.times == 4


def test_a_denied_call_gets_no_kept_result(agent: Agent, program: Program) -> None:
    tool(pure=True)
    ask(agent)
    make_policy("closed", [{"name": "no", "message": "Not today", "deny": True}])
    assert refused(agent).reason == "denied_by_policy"


def test_what_policy_masks_is_not_kept(agent: Agent, program: Program) -> None:
    tool(pure=True)
    make_policy("masks", [{"name": "m", "message": "Hide", "redact": {"results": ["/code"]}}])
    assert ask(agent).payload.result == {"code": "[redacted]"}
    assert not CachedResult.objects.exists()


def test_kept_results_past_their_time_are_swept(agent: Agent, program: Program) -> None:
    tool(pure=True, cache_seconds=60)
    ask(agent)
    assert cached.sweep() == 0
    with clock.shifted(timedelta(seconds=61)):
        assert cached.sweep() == 1
    assert not CachedResult.objects.exists()


# Large results


@pytest.fixture
def large(agent: Agent, program: Program) -> ToolCall:
    tool()
    program.answer = lambda _: succeeded({"text": "é" * references.LARGE})
    return ask(agent)


def test_a_large_result_is_downloaded_whole(large: ToolCall, key: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    shown = client.get(f"/api/v1/tool-calls/{large.id}/").json()["result"]["reference"]
    answer = client.get(shown["url"])
    assert answer.status_code == 200
    assert json.loads(answer.content) == {"text": "é" * references.LARGE}
    assert len(answer.content) == shown["bytes"]
    assert hashlib.sha256(answer.content).hexdigest() == shown["sha256"]
    assert answer["Content-Disposition"].startswith("attachment")


def test_a_small_result_is_downloaded_from_the_same_place(
    agent: Agent, program: Program, key: str
) -> None:
    tool()
    call = ask(agent)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.get(f"/api/v1/tool-calls/{call.id}/result/").json() == {"code": "1"}


def test_a_result_is_for_those_who_may_read_the_call(
    large: ToolCall, alice: User, bob: User, charlie: User
) -> None:
    place = f"/api/v1/tool-calls/{large.id}/result/"
    seen = {}
    for person in (alice, bob, charlie):
        client = APIClient()
        client.force_login(person)
        seen[person.username] = client.get(place).status_code
    assert seen == {"alice": 200, "bob": 200, "charlie": 404}
    assert APIClient().get(place).status_code in (401, 403)


def test_a_tool_cannot_pretend_a_reference(agent: Agent, program: Program) -> None:
    tool()
    fake = {"url": "http://evil/", "bytes": 1, "sha256": "0", "media_type": "text/html"}
    program.answer = lambda _: succeeded({"reference": fake})
    call = ask(agent)
    assert references.value(call) == {"reference": fake}
    assert not LargeResult.objects.exists()

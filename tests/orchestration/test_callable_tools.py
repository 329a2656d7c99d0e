"""What an agent may call now is what it can call: the list and the call agree."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from kernel import clock

from governance import judging, policies
from governance.facts import Facts
from orchestration import discovery
from orchestration.api import callable as callable_tools
from orchestration.calls import CallRequest, Parked, Refused, admission, consideration
from orchestration.calls.case import Case
from orchestration.discovery import Asker, Rules
from registry import publishing
from registry.contracts import Contract
from registry.models import Agent, Tool, User
from tests import factories
from tests.governance.rows import make_policy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

URL = "/api/v1/tools/?callable="
DENY_BIG = {
    "name": "big",
    "when": "size(arguments.code) > 5",
    "message": "Keep it short",
    "deny": True,
}


def listed(client: Any, query: str = "true") -> dict[str, dict[str, Any]]:
    answer = client.get(URL + query)
    assert answer.status_code == 200, answer.json()
    return {row["name"]: row["callable"] for row in answer.json()["results"]}


def states(agent: Agent) -> dict[str, str]:
    """The state of each tool that the agent sees, as the list narrows by it."""
    found: dict[str, str] = {}
    for state in discovery.STATES:
        rows = callable_tools.narrow(Tool.objects.visible_to(agent.actor), state, agent.actor)
        for name in rows.values_list("name", flat=True):
            assert name not in found, "a tool is in one state"
            found[name] = state
    return found


def outcome(agent: Agent, tool: str, code: str = "1") -> str:
    """What admitting a call of it really says: yes, needs_approval, or the reason of a no."""
    request = CallRequest(tool=tool, arguments={"code": code}, actor=agent.actor, agent=agent)
    try:
        admission.admit(request)
    except Refused as refused:
        return refused.reason
    except Parked:
        return discovery.APPROVAL
    except publishing.UnknownTool:
        return "unknown_tool"
    return discovery.YES


def test_a_granted_tool_is_callable_and_another_is_not(api, key, agent):
    factories.make_tool("open_one")
    factories.make_tool("closed_one", permissions=("payments",))
    assert listed(api(key)) == {"open_one": {"state": "yes", "why": []}}
    factories.grant(agent, "payments")
    assert set(listed(api(key))) == {"open_one", "closed_one"}


def test_a_no_says_why(api, key):
    factories.make_tool("closed_one", permissions=("payments",))
    told = listed(api(key), "false")["closed_one"]
    assert (told["state"], told["reason"]) == ("no", "permission_missing")
    assert "payments" in told["why"][0]


def test_a_rule_over_arguments_makes_it_conditional(api, key, agent):
    factories.make_tool("execute_python")
    make_policy("short_code", [DENY_BIG])
    told = listed(api(key))["execute_python"]
    assert told["state"] == "conditional"
    assert "size(arguments.code) > 5" in told["why"][0]
    assert outcome(agent, "execute_python", "1") == "yes"
    assert outcome(agent, "execute_python", "123456") == "denied_by_policy"


def test_a_rule_that_asks_for_approval_says_so(api, key, agent):
    factories.make_tool("execute_python")
    make_policy("careful", [{"name": "ask", "message": "Ask first", "require_approval": {}}])
    told = listed(api(key))["execute_python"]
    assert told["state"] == "needs_approval"
    assert outcome(agent, "execute_python") == "needs_approval"


def _suspended(tool: Tool, agent: Agent) -> None:
    Agent.objects.filter(id=agent.id).update(is_active=False)
    agent.refresh_from_db()


def _sunset(tool: Tool, agent: Agent) -> None:
    Tool.objects.filter(id=tool.id).update(sunset_at=clock.now() - timedelta(days=1))


def _elsewhere(tool: Tool, agent: Agent) -> None:
    tool.version, tool.environments = "2.0", ["production"]
    publishing.publish(tool, by="test")


def _denied(tool: Tool, agent: Agent) -> None:
    rule = {"name": "no", "message": "Not today", "deny": True}
    make_policy("closed", [rule], applies_to={"tools": {"name": tool.name}})


def _denied_by_condition(tool: Tool, agent: Agent) -> None:
    rule = {"name": "no", "when": f'tool.name == "{tool.name}"', "message": "No", "deny": True}
    make_policy("closed", [rule])


def _lacking(tool: Tool, agent: Agent) -> None:
    tool.permissions_required.add(factories.make_permission("payments"))
    tool.version = "2.0"
    publishing.publish(tool, by="test")


def _ended(tool: Tool, agent: Agent) -> None:
    _lacking(tool, agent)
    now = clock.now()
    factories.grant(agent, "payments", starts_at=now - timedelta(2), ends_at=now - timedelta(1))


def _asked(tool: Tool, agent: Agent) -> None:
    rule = {"name": "ask", "message": "Ask", "require_approval": {}}
    make_policy("careful", [rule], applies_to={"agents": {"team": agent.team.name}})


def _nothing(tool: Tool, agent: Agent) -> None:
    """As it is."""


SCENES = (
    _nothing, _suspended, _sunset, _elsewhere, _denied, _denied_by_condition, _lacking, _ended,
    _asked,
)  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_the_list_and_the_call_agree(agent, scene):
    tool = factories.make_tool("subject")
    factories.make_tool("bystander")
    scene(tool, agent)
    tool.refresh_from_db()
    said = discovery.answer(Asker.of(agent), tool)
    assert (said.reason or said.state) == outcome(agent, "subject")
    found = states(agent)
    assert found["subject"] == said.state
    bystander = Tool.objects.get(name="bystander")
    assert found["bystander"] == discovery.answer(Asker.of(agent), bystander).state


def test_a_quarantined_tool_is_not_callable(agent):
    tool = factories.make_tool("subject")
    Tool.objects.filter(id=tool.id).update(quarantined_at=clock.now(), quarantine_reason="Changed")
    tool.refresh_from_db()
    said = discovery.answer(Asker.of(agent), tool)
    assert (said.state, said.reason) == ("no", "quarantined")
    assert states(agent) == {"subject": "no"}


def test_the_facts_are_those_of_a_call(agent):
    """The same contract, seen by the list and by a call, is the same to policies."""
    tool = factories.make_tool("subject", permissions=("payments",), tags=["a"], cost_micros=12_345)
    factories.grant(agent, "payments")
    asker = Asker.of(agent)
    version = publishing.resolve("subject", None, agent.actor)
    request = CallRequest(tool="subject", arguments={}, actor=agent.actor, agent=agent)
    case = Case(request, version, Contract.of(version), agent.environment, asker.at, uuid4())
    expected: Facts = consideration.facts(case, {}, None)
    assert _plain(asker.facts("subject", "1.0", tool.entry.facts)) == _plain(expected)


def _plain(facts: Facts) -> tuple[Any, ...]:
    agent = dict(facts.agent) | {"permissions": sorted(facts.agent["permissions"])}
    return agent, dict(facts.tool), facts.environment, facts.permissions, facts.required


def test_ten_thousand_alike_are_judged_once(agent, monkeypatch):
    for number in range(5):
        factories.make_tool(f"tool_{number}")
    make_policy("closed", [DENY_BIG | {"deny": True}], applies_to={"tools": {"name": "tool_3"}})
    seen: list[str] = []
    judge = judging.judge
    monkeypatch.setattr(
        judging,
        "judge",
        lambda facts, rules: (seen.append(facts.tool["name"]), judge(facts, rules))[1],
    )
    found = states(agent)
    assert sorted(seen) == ["tool_0", "tool_3"]
    assert sorted(found.values()) == ["conditional", "yes", "yes", "yes", "yes"]
    assert states(agent) == found
    assert len(seen) == 2, "what was judged is kept while nothing changes"
    factories.grant(agent, "payments")
    states(agent)
    assert len(seen) == 4, "another grant is another agent to the rules"


@pytest.mark.parametrize(
    ("when", "members"),
    [
        ("tool.cost > 1.0", {"cost"}),
        ('"a" in tool.tags && tool . owner == "x"', {"tags", "owner"}),
        ('tool.name == "a"', {"which"}),
        ('tool["name"] == "a"', {"which"}),
        ("size(tool.name) > 3 && tool.cost > 1.0", {"which"}),
        ('environment == "staging"', set()),
    ],
)
def test_what_a_condition_asks_of_a_tool_is_known(when, members):
    make_policy("asking", [{"name": "r", "when": when, "message": "m", "deny": True}])
    assert Rules.of(policies.enforced()).members == members


def test_a_rule_over_the_time_is_judged_each_time(agent):
    factories.make_tool("subject")
    rule = {"name": "r", "when": "now.getHours() < 24", "message": "m", "deny": True}
    policy = make_policy("hours", [rule])
    assert states(agent) == {"subject": "no"}
    assert Rules.of(policies.enforced()).by_time
    policies.put(policy, "retired")
    assert states(agent) == {"subject": "yes"}


def test_who_may_ask_about_whom(api, key, other_key, agent, other_agent, alice, charlie, root):
    factories.make_tool("open_one")
    assert "open_one" in listed(api(key), "true&agent=worker")
    assert api(other_key).get(URL + "true&agent=worker").status_code == 404
    assert "open_one" in listed(api(alice), "true&agent=worker")
    assert "open_one" in listed(api(root), "true&agent=worker")
    assert api(charlie).get(URL + "true&agent=worker").status_code == 404
    assert api(root).get(URL + "true").status_code == 422
    assert api(None).get(URL + "true&agent=worker").status_code == 401
    assert api(key).get(URL + "perhaps").status_code == 422


def test_a_tool_that_the_agent_cannot_see_is_not_callable(api, root, agent, other_team):
    factories.make_tool("theirs", team=other_team, is_shared=False)
    assert listed(api(root), "true&agent=worker") == {}


def test_it_narrows_a_search_too(api, key):
    factories.make_tool("send_invoice", permissions=("payments",))
    factories.make_tool("list_invoices")
    assert set(listed(api(key), "true&q=invoice")) == {"list_invoices"}
    assert set(listed(api(key), "false&q=invoice")) == {"send_invoice"}


def test_a_call_in_production_is_not_offered_to_an_agent_in_staging(api, key):
    factories.make_tool("open_one")
    assert listed(api(key), "true&environment=production") == {}


def test_the_tools_own_document_tells_an_agent(api, key, alice: User):
    factories.make_tool("closed_one", permissions=("payments",))
    told = api(key).get("/api/v1/tools/closed_one/").json()["callable"]
    assert (told["state"], told["reason"]) == ("no", "permission_missing")
    assert api(alice).get("/api/v1/tools/closed_one/").json()["callable"] is None

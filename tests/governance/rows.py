"""Rows of governance, each made with only what a test needs to say."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel import clock, ids
from kernel.actor import Actor

from governance import approvals, policies
from governance.budgets import Spent
from governance.facts import Facts
from governance.models import Approval, Budget, Policy, Vote
from governance.rulesets import RuleSet, Source, compiled
from registry.models import Agent, Team
from tests import factories

AT = datetime(2026, 3, 4, 10, 23, tzinfo=UTC)


def make_policy(
    name: str,
    rules: list[dict[str, Any]],
    *,
    status: str = "enforced",
    applies_to: dict[str, Any] | None = None,
    team: Team | None = None,
    version: str = "1.0",
) -> Policy:
    document: dict[str, Any] = {"applies_to": applies_to or {}, "rules": rules}
    policy: Policy = Policy.objects.create(name=name, document=document, team=team, version=version)
    policies.publish(policy, by="test")
    policies.put(policy, status)
    return policy


def facts(
    *,
    arguments: Mapping[str, Any] | None = None,
    environment: str = "staging",
    approval: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    tool: Mapping[str, Any] | None = None,
    **agent: Any,
) -> Facts:
    """A call of `execute_python` by an agent that holds code_execution."""
    of_agent = {
        "id": "1",
        "name": "worker",
        "team": "search",
        "environment": "staging",
        "tags": [],
        "permissions": ["code_execution"],
    }
    of_tool = {
        "name": "execute_python",
        "version": "1.2",
        "permissions_required": ["code_execution"],
        "tags": [],
        "owner": "platform-team",
        "executor": "python",
        "cost": "0.01",
        "data_class": "internal",
        "idempotent": False,
    }
    return Facts(
        agent=of_agent | agent,
        tool=of_tool | dict(tool or {}),
        arguments=dict(arguments or {}),
        environment=environment,
        at=AT,
        run=run,
        approval=approval,
    )


def rules(*rules: dict[str, Any], **fields: Any) -> RuleSet:
    """The rule set of one policy with these rules."""
    return compiled([source("policy", rules, **fields)])


def source(
    name: str,
    rules: Iterable[dict[str, Any]],
    *,
    applies_to: dict[str, Any] | None = None,
    **fields: Any,
) -> Source:
    document = {"applies_to": applies_to or {}, "rules": list(rules)}
    return Source(name=name, version="1.0", document=document, **fields)


def make_budget(name: str, team: Team, limit: int, **fields: Any) -> Budget:
    """A budget of `limit` micro-units a month."""
    return Budget.objects.create(name=name, team=team, limit_micros=limit, **fields)


def spent(agent: Agent, amount: int, *, kind: str = "tool_call", **fields: Any) -> Spent:
    values: dict[str, Any] = {
        "kind": kind,
        "team_id": agent.team_id,
        "agent_id": agent.id,
        "agent_name": agent.name,
        "tool_name": "execute_python",
        "subject_kind": "tool_call",
        "subject_id": ids.uuid7(),
        "run_id": None,
        "amount_micros": amount,
    }
    return Spent(**(values | fields))


def ask(agent: Agent, *, requester: Actor | None = None, **fields: Any) -> Approval:
    """An open question of the agent's team."""
    values: dict[str, Any] = {
        "kind": "gate",
        "subject_kind": "step",
        "subject_id": ids.uuid7(),
        "team_id": agent.team_id,
        "title": "Merge the change?",
        "question": "Review both and approve or request changes",
        "shown": {"files": ["a.py"]},
        "digest": "d" * 64,
        "requester": requester or agent.actor,
        "reviewers": {"role": "reviewer"},
    }
    return approvals.open(**(values | fields))


def make_vote(agent: Agent) -> Vote:
    rita = factories.make_user("rita", role="reviewer")
    approval = approvals.vote(ask(agent).id, by=rita, decision="approve", comment="Fine.")
    return Vote.objects.get(approval=approval)


def in_an_hour() -> datetime:
    return clock.now() + timedelta(hours=1)

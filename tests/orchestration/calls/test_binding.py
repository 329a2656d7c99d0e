"""Which task and run a call is made for: proven by a key or a token, never by a claim."""

from datetime import timedelta
from typing import Any

import pytest
from kernel import clock, ids
from rest_framework.test import APIClient

from orchestration.calls import binding
from orchestration.models import AgentTask, ToolCall
from orchestration.tasks import tokens
from registry.models import Agent, Team, Tool
from tests import factories
from tests.orchestration.calls.conftest import Post

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(agent: Agent, other_team: Team) -> AgentTask:
    """A claimed task of alice's agent, for a project of another team."""
    found: AgentTask = AgentTask.objects.create(
        agent=agent,
        agent_name=agent.name,
        team_id=other_team.id,
        task="Refactor",
        status="claimed",
        lease_until=clock.now() + timedelta(minutes=1),
        runtime="pull",
        requested_by="user:alice",
    )
    return found


def test_a_key_made_for_a_task_binds_its_calls(
    agent: Agent, tool: Tool, post: Post, task: AgentTask, other_team: Team
) -> None:
    key = factories.make_key(agent, task_id=task.id)
    body = post(who=key).json()
    assert body["task"] == str(task.id)
    assert ToolCall.objects.get().team_id == other_team.id


def test_a_key_whose_task_is_over_is_refused(
    agent: Agent, tool: Tool, post: Post, task: AgentTask
) -> None:
    key = factories.make_key(agent, task_id=task.id)
    for change in ({"status": "succeeded"}, {"lease_until": clock.now() - timedelta(seconds=1)}):
        AgentTask.objects.filter(id=task.id).update(**({"status": "claimed"} | change))
        response = post(who=key)
        assert (response.status_code, response.json()["reason"]) == (403, "denied_by_policy")
    assert not ToolCall.objects.filter(status="succeeded").exists()


def test_a_run_that_is_not_the_tasks_is_refused(
    agent: Agent, tool: Tool, post: Post, task: AgentTask
) -> None:
    key = factories.make_key(agent, task_id=task.id)
    response = post(who=key, run=str(ids.uuid7()))
    assert response.json()["reason"] == "denied_by_policy"


def with_token(key: str, token: str) -> Any:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    body = {"arguments": {"code": "print(1)"}}
    path = "/api/v1/tools/execute_python/call/"
    return client.post(path, body, format="json", headers={binding.HEADER: token})


def test_a_claimed_tasks_token_binds_the_calls_of_any_key_of_its_agent(
    key: str, tool: Tool, task: AgentTask, other_agent: Agent, other_key: str
) -> None:
    token = tokens.make(task.id)
    AgentTask.objects.filter(id=task.id).update(token_digest=tokens.digest(token))
    assert with_token(key, token).json()["task"] == str(task.id)
    factories.grant(other_agent, "code_execution")
    for who, sent in ((other_key, token), (key, token + "x"), (key, "nonsense")):
        assert with_token(who, sent).json()["reason"] == "denied_by_policy"

"""What the tests of runs start from: the workflow `refactor` of alice's team and its agents."""

from collections.abc import Callable
from typing import Any

import pytest
from kernel import outbox

from orchestration import runs
from orchestration.models import Workflow, WorkflowRun
from registry.models import Agent, Team, User
from tests.orchestration.runs import stories

Start = Callable[..., WorkflowRun]


@pytest.fixture
def agents(team: Team) -> dict[str, Agent]:
    return stories.cast(team)


@pytest.fixture
def workflow(team: Team, agents: dict[str, Agent]) -> Workflow:
    return stories.install(stories.SOURCE, team)


@pytest.fixture
def start(workflow: Workflow, alice: User) -> Start:
    """Start a run as alice and deliver what follows."""

    def begin(**options: Any) -> WorkflowRun:
        given = {"input": {"topic": "gates"}, "project": None, "by": alice.actor} | options
        run = runs.start(given.pop("workflow", workflow), **given)
        outbox.drain()
        return run

    return begin

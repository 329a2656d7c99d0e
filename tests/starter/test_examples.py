"""The starter tools do what their entries' examples say, in a home like that of a first run."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel import actor as actors
from portal import catalogue
from portal.demo import sample
from portal.demo.first import PROJECT, import_project

from orchestration import examples
from registry.models import Agent, Permission, Team, Tool
from tests import factories, services

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

STARTER = Path(__file__).resolve().parents[2] / "platform" / "starter" / "catalogue"
TOOLS = sorted(path.stem for path in (STARTER / "tools").glob("*.yaml"))


@pytest.fixture
def agent(settings: Any, tmp_path: Path) -> Iterator[Agent]:
    """An agent that holds every permission, and the project of the first run."""
    services.need("bubblewrap")
    services.need("git")
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    database = tmp_path / "main.sqlite3"
    sqlite3.connect(database).close()
    settings.TOOL_DATABASES = {"main": f"sqlite:{database}"}
    with actors.acting(actors.SYSTEM):
        catalogue.load(STARTER)
        team = Team.objects.get(name="search")
        found = factories.make_agent("example_runner", team)
        for permission in Permission.objects.all():
            factories.grant(found, permission.name)
        source = sample.make_repository(tmp_path / "authservice")
        import_project(PROJECT, source, team=team, by=actors.SYSTEM)
        yield found


@pytest.mark.parametrize("name", TOOLS)
def test_the_examples_of(agent: Agent, name: str) -> None:
    outcomes = examples.run(name, agent)
    assert outcomes, "every starter tool has an example"
    assert [each.as_json() for each in outcomes if not each.passed] == []


def test_every_starter_tool_is_there(agent: Agent) -> None:
    assert sorted(Tool.objects.values_list("name", flat=True)) == TOOLS

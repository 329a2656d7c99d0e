"""Examples are executed as tests, through the pipeline, and what came of them is kept."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from kernel.problems import Invalid, NotFound

from orchestration import examples
from orchestration.models import ExampleRun, ToolCall
from registry import publishing
from registry.models import Agent
from tests import factories, services

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> None:
    services.need("bubblewrap")
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()


ADD: dict[str, Any] = {"arguments": {"code": "print(6 * 7)"}}


def test_an_example_that_does_what_it_says_passes(agent: Agent):
    factories.make_tool(examples=[ADD | {"expect": {"result": {"stdout": "42\n"}}}])
    (outcome,) = examples.run("execute_python", agent)
    assert outcome.passed, outcome.detail
    call = ToolCall.objects.get(id=outcome.call_id)
    assert (call.status, call.agent_name) == ("succeeded", "worker")
    row = ExampleRun.objects.get()
    assert (row.passed, row.position, row.call_id) == (True, 0, call.id)


def test_an_example_that_does_something_else_fails_with_the_place(agent: Agent):
    factories.make_tool(examples=[ADD | {"expect": {"result": {"stdout": "43\n"}}}])
    (outcome,) = examples.run("execute_python", agent)
    assert not outcome.passed
    assert "/stdout" in outcome.detail
    assert "43" in outcome.detail


def test_a_refusal_can_be_expected(agent: Agent):
    expect = {"status": "refused", "reason": "permission_missing"}
    factories.make_tool(permissions=("code",), examples=[ADD | {"expect": expect}, ADD])
    first, second = examples.run("execute_python", agent.name)
    assert first.passed
    assert not second.passed
    assert "permission_missing" in second.detail


def test_a_second_run_replaces_the_first(agent: Agent):
    factories.make_tool(permissions=("code",), examples=[ADD])
    assert not examples.run("execute_python", agent)[0].passed
    factories.grant(agent, "code")
    assert examples.run("execute_python", agent)[0].passed
    assert ExampleRun.objects.get().passed


def test_another_teams_tool_has_no_examples_for_an_agent(agent: Agent, other_team: Any):
    factories.make_tool(team=other_team, is_shared=False, examples=[ADD])
    with pytest.raises(publishing.UnknownTool):
        examples.run("execute_python", agent)
    with pytest.raises(NotFound):
        examples.run("execute_python", "nobody")


@pytest.mark.parametrize(
    ("example", "answer", "places"),
    [
        ({}, {"status": "succeeded", "result": 1}, []),
        ({"result": {"a": 1}}, {"status": "succeeded", "result": {"a": 1.0}}, []),
        ({"result": {"a": 1}}, {"status": "succeeded", "result": {"a": 1, "b": 2}}, ["/b"]),
        ({"expect": {"result": {"a": 1}}}, {"status": "succeeded", "result": {"a": 1, "b": 2}}, []),
        ({"expect": {"result": [1]}}, {"status": "succeeded", "result": [1, 2]}, ["/"]),
        ({"result": {"a": [1, {"b": 2}]}}, {"status": "succeeded", "result": {"a": [1, {}]}},
         ["/a/1/b"]),
        ({"result": True}, {"status": "succeeded", "result": 1}, ["/"]),
        ({"result": None}, {"status": "succeeded", "result": None}, []),
        ({"expect": {"schema": {"type": "string"}}}, {"status": "succeeded", "result": 1}, ["/"]),
        ({"expect": {"status": "failed"}}, {"status": "succeeded"}, ["the call"]),
    ],
)  # fmt: skip
def test_how_answers_are_compared(example, answer, places):
    found = list(examples.differences(example, answer))
    assert len(found) == len(places)
    assert all(line.startswith(place) for line, place in zip(found, places, strict=True))


@pytest.mark.parametrize(
    ("example", "place"),
    [
        ({"arguments": {"code": 1}}, "/examples/0/arguments/code"),
        (ADD | {"expects": {}}, "/examples/0"),
        (ADD | {"expect": {"status": "fine"}}, "/examples/0/expect/status"),
        (ADD | {"expect": {"schema": {"type": "nothing"}}}, "/examples/0/expect/schema/type"),
    ],
)
def test_a_wrong_example_cannot_be_published(team, example, place):
    with pytest.raises(Invalid) as refused:
        factories.make_tool(examples=[example])
    assert place in [issue.pointer for issue in refused.value.errors]


def test_the_command_says_what_passed_and_fails_with_what_did_not(agent: Agent):
    factories.make_tool(permissions=("code",), examples=[ADD])
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 examples failed"):
        call_command("tools", "test", "execute_python", "--agent", "worker", "--json", stdout=out)
    assert json.loads(out.getvalue())["examples"][0]["passed"] is False
    factories.grant(agent, "code")
    call_command("tools", "test", "execute_python", "--agent", "worker", stdout=out)
    assert "passed  example 1" in out.getvalue()

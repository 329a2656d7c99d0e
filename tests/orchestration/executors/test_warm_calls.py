"""Calls of the Python executor and of programs are warm from the second on, and say so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import signals

from orchestration import sandbox
from orchestration.executors import sandboxed
from orchestration.models import ToolCall
from orchestration.sandbox import turns
from registry.models import Agent, Team
from tests import factories
from tests.orchestration.executors import wheels
from tests.orchestration.executors.calling import ANYTHING, call
from tests.orchestration.sandbox.test_pool import nothing_left
from tests.orchestration.sandbox.warmth import until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def warm(settings: Any, home: Path) -> Iterator[None]:
    settings.SANDBOX_WARM = 2
    yield
    sandbox.drain()


def ready() -> bool:
    return until(lambda: sandbox.state(sandboxed.config()).idle)


def start(made: ToolCall) -> str:
    assert made.status == "succeeded", made.payload.error
    return str(made.enforcement["start"])


def test_a_call_says_whether_it_was_warm(agent: Agent) -> None:
    factories.make_tool()
    assert start(call(agent, "execute_python", code="print(1)")) == "cold"
    assert ready()
    second = call(agent, "execute_python", code="print(6 * 7)")
    assert start(second) == "warm"
    assert second.payload.result["stdout"] == "42\n"
    assert second.enforcement["network"] == "none"


def test_a_warm_call_fails_as_a_cold_one_does(agent: Agent) -> None:
    factories.make_tool()
    seen = []
    for _ in range(2):
        made = call(agent, "execute_python", code="x = 1\nraise ValueError(x)")
        seen.append((made.status, made.payload.error, made.payload.result["stderr"]))
        assert ready()
    assert seen[0] == seen[1]
    assert "    raise ValueError(x)\n" in seen[0][2]


def test_packages_of_the_tool_are_there_in_a_warm_call(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels.serve(tmp_path / "wheels", monkeypatch, "iniconfig")
    factories.make_tool(sandbox_config={"packages": ["iniconfig"]})
    code = "import iniconfig; print(iniconfig.__name__)"
    arguments = {"code": code, "packages": ["iniconfig"]}
    assert start(call(agent, "execute_python", **arguments)) == "cold"
    assert ready()
    second = call(agent, "execute_python", **arguments)
    assert (start(second), second.payload.result["stdout"]) == ("warm", "iniconfig\n")


def test_a_program_without_a_project_is_warm_too(agent: Agent) -> None:
    code = "import json, sys; print(json.dumps({'got': json.load(sys.stdin)}))"
    factories.make_tool(
        "program",
        executor="command",
        executor_config={"argv": ["python3", "-c", code], "protocol": "json"},
        parameters=ANYTHING,
    )
    assert start(call(agent, "program", a=1)) == "cold"
    assert ready()
    second = call(agent, "program", a=2)
    assert (start(second), second.payload.result) == ("warm", {"got": {"a": 2}})


def test_calls_wait_in_the_name_of_their_team(
    agent: Agent, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.make_tool()
    parties = []
    kept = turns.ticket

    def noted(config: Any, party: str) -> Any:
        parties.append(party)
        return kept(config, party)

    monkeypatch.setattr(turns, "ticket", noted)
    with kept(sandboxed.config(), "another"):
        # Somebody waits, so that a newcomer has to queue; here it is let through.
        monkeypatch.setattr(turns.Ticket, "rank", lambda ticket: 0)
        made = call(agent, "execute_python", code="print(1)")
    assert made.status == "succeeded"
    assert parties == [str(team.id)]


def test_a_worker_that_ends_drains_its_sandboxes(agent: Agent) -> None:
    factories.make_tool()
    call(agent, "execute_python", code="print(1)")
    assert ready()
    home = sandboxed.config().home
    signals.worker_process_shutdown.send(sender=None, pid=0, exitcode=0)
    assert nothing_left(home)

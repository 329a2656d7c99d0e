"""The SDK's server as a program in the sandbox, with its packages in a layer."""

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from kernel.actor import SYSTEM
from packaging.requirements import Requirement

from orchestration import upstreams
from registry import secrets
from registry.models import Agent, Secret, Team, UpstreamServer, User
from tests.orchestration.executors import wheels
from tests.orchestration.executors.calling import call, fault, value
from tests.orchestration.upstreams.conftest import PROGRAMS, MakeServer, offer

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary-7f3a91c2-and-more"


def closure(text: str, found: set[str] | None = None) -> set[str]:
    """The names of a distribution and of all that it needs here."""
    asked, found = Requirement(text), set() if found is None else found
    found.add(asked.name)
    for each in metadata.requires(asked.name) or ():
        needed = Requirement(each)
        wanted = needed.marker is None or any(
            needed.marker.evaluate({"extra": extra}) for extra in ("", *asked.extras)
        )
        if wanted and needed.name not in found:
            closure(each, found)
    return found


@pytest.fixture
def program(
    serve: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, team: Team, root: User
) -> UpstreamServer:
    wheels.serve(
        tmp_path / "wheels", monkeypatch, *sorted(name.replace("-", "_") for name in closure("mcp"))
    )
    secret = Secret.objects.create(name="upstream_key", team=team)
    secrets.put(secret, CANARY, by=root.actor)
    server = serve(
        transport="stdio",
        argv=["python3", "-c", (PROGRAMS / "sdk_server.py").read_text(), "stdio"],
        packages=["mcp"],
        env={"UPSTREAM_KEY": "${secret:upstream_key}"},
    )
    secrets.give(secret, server, by=root.actor, reason="It asks for its key.")
    return server


def test_a_program_of_the_sdk(agent: Agent, program: UpstreamServer) -> None:
    report = upstreams.sync(program, by=SYSTEM)
    assert report.error == ""
    assert report.info["name"] == "sample"
    for theirs in ("add", "process", "told", "die"):
        offer(program, theirs, sandbox_config={"timeout": 20})
    assert value(call(agent, "add", a=20, b=22)) == {"total": 42}
    first = value(call(agent, "process"))
    assert value(call(agent, "process")) == first, "one program serves all calls"
    _keeps_its_secret(agent)
    assert fault(call(agent, "die")) == "upstream_died"
    assert value(call(agent, "add", a=1, b=1)) == {"total": 2}, "it is started again"


def _keeps_its_secret(agent: Agent) -> None:
    found: Any = value(call(agent, "told", name="UPSTREAM_KEY"))
    assert found["content"][0]["text"] == "[secret] [secret]"

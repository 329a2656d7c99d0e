"""Upstream servers that really run: in the sandbox, and on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration import upstreams
from registry.models import Team, Tool, UpstreamServer
from tests import factories

PROGRAMS = Path(__file__).parent / "programs"
ANYTHING: dict[str, Any] = {"type": "object", "additionalProperties": True}


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A home of each test's own, and no session left of the one before."""
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    yield settings.VAR
    upstreams.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def service() -> Iterator[str]:
    """The address of the SDK's server, over streamable HTTP on loopback."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "sdk_server.py"), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": ""},
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()


MakeServer = Callable[..., UpstreamServer]


@pytest.fixture
def serve(team: Team) -> MakeServer:
    """Makes a saved server of alice's team."""

    def make(name: str = "sample", **fields: Any) -> UpstreamServer:
        return UpstreamServer.objects.create(name=name, team=team, **fields)

    return make


@pytest.fixture
def remote(serve: MakeServer, service: str) -> UpstreamServer:
    """The SDK's server, reached through `private_hosts`."""
    return serve(url=service, private_hosts=["127.0.0.1"])


@pytest.fixture
def hostile(serve: MakeServer) -> MakeServer:
    """A program in the sandbox that misbehaves in a named way."""

    def make(how: str) -> UpstreamServer:
        code = (PROGRAMS / "hostile.py").read_text()
        return serve(f"hostile_{how}", transport="stdio", argv=["python3", "-c", code, how])

    return make


def offer(server: UpstreamServer, theirs: str, name: str = "", **fields: Any) -> Tool:
    """A published tool that is made of a server's."""
    values: dict[str, Any] = {
        "executor": "mcp",
        "executor_config": {"server": server.name, "tool": theirs},
        "parameters": ANYTHING,
        "sandbox_config": {"timeout": 5, "output_limit": "1MB"},
        "team": server.team,
    }
    return factories.make_tool(name or theirs, **(values | fields))

"""What most tests of calls need: the article's tool, an agent that may use it, and its calls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.response import Response
from rest_framework.test import APIClient

from registry.models import Agent, Tool
from tests import factories

Post = Callable[..., Response]


@pytest.fixture
def home(settings: Any, tmp_path: Path) -> Path:
    """A home of the test's own, for trees, repositories and databases."""
    settings.VAR = tmp_path / "var"
    settings.VAR.mkdir()
    found: Path = settings.VAR
    return found


@pytest.fixture
def tool(agent: Agent) -> Tool:
    """execute_python, and an agent that holds its permission."""
    factories.grant(agent, "code_execution")
    return factories.make_tool(permissions=("code_execution",))


@pytest.fixture
def post(key: str) -> Post:
    """`post("print(1)", …)` calls execute_python as the agent; `who` is another key or client."""

    def send(code: str = "print(42)", *, who: str = key, name: str = "execute_python", **body: Any):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {who}")
        arguments = {"code": code} | body.pop("more", {})
        body = {"arguments": arguments} | body
        return client.post(f"/api/v1/tools/{name}/call/", body, format="json")

    return send

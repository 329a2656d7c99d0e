"""Who may call, and who sees whose calls."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from registry.models import Agent, Team, Tool, User
from tests import factories
from tests.orchestration.calls.conftest import Post

pytestmark = pytest.mark.django_db

Client = Callable[[Any], APIClient]


@pytest.fixture
def made(tool: Tool, post: Post) -> str:
    """The address of a call of alice's agent."""
    return f"/api/v1/tool-calls/{post().json()['id']}/"


def test_the_agent_and_its_team_see_the_call(
    api: Client, made: str, key: str, alice: User, bob: User
) -> None:
    for who in (key, alice, bob):
        body = api(who).get(made).json()
        assert body["result"]["stdout"] == "42\n"
        assert len(api(who).get("/api/v1/tool-calls/").json()["results"]) == 1


def test_for_another_team_it_is_not_there(
    api: Client, made: str, other_key: str, charlie: User, rita: User
) -> None:
    for who in (other_key, charlie, rita):
        response = api(who).get(made)
        assert (response.status_code, response.json()["reason"]) == (404, "not_found")
        assert api(who).get("/api/v1/tool-calls/").json()["results"] == []


def test_auditors_and_the_platform_team_see_every_call(
    api: Client, made: str, audra: User, root: User
) -> None:
    for who in (audra, root):
        assert api(who).get(made).status_code == 200


def test_a_stranger_is_asked_who_they_are(api: Client, made: str) -> None:
    for path in (made, "/api/v1/tool-calls/"):
        assert api(None).get(path).status_code == 401


def test_people_do_not_call_tools_by_this_door(
    api: Client, tool: Tool, alice: User, root: User, audra: User
) -> None:
    body = {"arguments": {"code": "1"}}
    for who in (alice, root, audra):
        response = api(who).post("/api/v1/tools/execute_python/call/", body, format="json")
        assert response.status_code == 403


def test_a_tool_that_is_not_shared_is_unknown_to_other_teams(
    agent: Agent, team: Team, post: Post, other_agent: Agent, other_key: str
) -> None:
    factories.make_tool("ours", team=team, is_shared=False)
    assert post(name="ours").status_code == 200
    assert post(name="ours", who=other_key).json()["reason"] == "unknown_tool"


def test_lists_are_narrowed_by_what_they_are_asked(api: Client, made: str, key: str) -> None:
    client = api(key)
    for query, number in (
        ("tool=execute_python", 1),
        ("tool=other", 0),
        ("status=succeeded", 1),
        ("status=failed", 0),
        ("agent=worker&environment=staging", 1),
        ("run=018f0000-0000-7000-8000-000000000000", 0),
    ):
        assert len(client.get(f"/api/v1/tool-calls/?{query}").json()["results"]) == number, query
    assert client.get("/api/v1/tool-calls/?run=nonsense").status_code == 422


def test_a_list_costs_the_same_whatever_its_length(
    api: Client, tool: Tool, post: Post, key: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        post()
    client = api(key)
    client.get("/api/v1/tool-calls/")
    with django_assert_max_num_queries(4):
        assert len(client.get("/api/v1/tool-calls/").json()["results"]) == 5


def test_the_admin_shows_limits_explanation_and_enforcement(
    made: str, root: User, client: Any
) -> None:
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    call_id = made.rstrip("/").rsplit("/", 1)[-1]
    page = client.get(f"/admin/orchestration/toolcall/{call_id}/change/").content.decode()
    assert "timeout" in page
    assert "256MB" in page
    assert "seccomp" in page
    assert client.get("/admin/orchestration/toolcall/").status_code == 200


def test_the_admin_shows_people_their_own_teams_calls_only(
    made: str, alice: User, charlie: User, audra: User, client: Any
) -> None:
    call_id = made.rstrip("/").rsplit("/", 1)[-1]
    path = f"/admin/orchestration/toolcall/{call_id}/change/"
    for who, statuses in ((alice, {200}), (audra, {200}), (charlie, {302, 403, 404})):
        client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get(path).status_code in statuses, who.username
        for other in ("toolcallpayload", "idempotencykey"):
            assert client.get(f"/admin/orchestration/{other}/").status_code == 200
        assert client.post(path, {"status": "succeeded"}).status_code in {302, 403, 404}

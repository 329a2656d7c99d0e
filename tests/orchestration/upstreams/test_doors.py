"""Who may see, test, synchronise and decide, at every door."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.html import strip_tags
from rest_framework.test import APIClient

from orchestration import upstreams
from registry.models import Agent, Tool, UpstreamServer, UpstreamTool, User
from tests.orchestration.upstreams.conftest import MakeServer, offer

pytestmark = pytest.mark.django_db(transaction=True)

Api = Callable[[str | User | None], APIClient]
SERVER = "/admin/registry/upstreamserver/"


@pytest.fixture
def drifted(hostile: MakeServer) -> UpstreamTool:
    """A tool `act` that says something else than when it was approved."""
    server = hostile("well")
    offer(server, "act")
    upstreams.list_tools(server)
    row = UpstreamTool.objects.get(name="act")
    row.approved = row.approved | {"description": "What it said before."}
    row.approved_fingerprint = "0" * 64
    row.save()
    upstreams.list_tools(server)
    row.refresh_from_db()
    assert row.state == "drifted"
    return row


def test_who_sees_a_server(
    api: Api, serve: MakeServer, alice: User, bob: User, charlie: User, key: str, other_key: str
) -> None:
    serve(url="https://mcp.example/mcp", headers={"Authorization": "Bearer ${secret:token}"})
    for who in (alice, bob, key):
        found = api(who).get("/api/v1/upstreams/sample/")
        assert found.status_code == 200
        assert found.json()["headers"] == ["Authorization"]
        assert "secret:" not in found.content.decode()
    for who in (charlie, other_key):
        assert api(who).get("/api/v1/upstreams/sample/").status_code == 404
        assert api(who).get("/api/v1/upstreams/").json()["results"] == []
    assert api(None).get("/api/v1/upstreams/").status_code == 401
    UpstreamServer.objects.update(is_shared=True)
    assert api(charlie).get("/api/v1/upstreams/sample/").status_code == 200


def test_only_the_platform_team_synchronises(
    api: Api, hostile: MakeServer, root: User, alice: User, charlie: User, key: str
) -> None:
    url = f"/api/v1/upstreams/{hostile('well').name}/sync/"
    assert [api(who).post(url).status_code for who in (alice, key, charlie)] == [403, 403, 404]
    assert api(None).post(url).status_code == 401
    assert upstreams.opened() == ()
    found = api(root).post(url)
    assert (found.status_code, found.json()["tools"], found.json()["error"]) == (200, 1, "")


def test_who_decides_by_rest(
    api: Api, drifted: UpstreamTool, root: User, alice: User, charlie: User, key: str
) -> None:
    url, body = f"/api/v1/upstream-tools/{drifted.id}/", {"fingerprint": drifted.seen_fingerprint}
    shown = api(alice).get(url).json()
    assert shown["diff"][0]["pointer"] == "/description"
    assert shown["would_publish"][0]["tool"] == "act"
    for act, allowed in (("accept", root), ("reject", alice)):
        assert api(None).post(f"{url}{act}/", body, format="json").status_code == 401
        assert api(charlie).post(f"{url}{act}/", body, format="json").status_code == 404
        assert api(key).post(f"{url}{act}/", body, format="json").status_code == 403
        stale = api(allowed).post(f"{url}{act}/", {"fingerprint": "f" * 64}, format="json")
        assert stale.status_code == 409
        assert stale.json()["fingerprint"] == drifted.seen_fingerprint
    assert api(alice).post(f"{url}accept/", body, format="json").status_code == 403
    assert api(alice).post(f"{url}reject/", body, format="json").json()["state"] == "rejected"
    accepted = api(root).post(f"{url}accept/", body, format="json").json()
    assert accepted["state"] == "approved"
    assert accepted["published"][0]["tool"] == "act"
    assert Tool.objects.get(name="act").quarantined_at is None


def test_the_page_shows_both_definitions_and_takes_the_answer(
    client: Client, drifted: UpstreamTool, root: User, alice: User, charlie: User
) -> None:
    url = f"/upstream-tools/{drifted.id}/"
    assert client.get(url).status_code == 302, "anonymous people sign in first"
    client.force_login(charlie)
    assert client.get(url).status_code == 404
    client.force_login(alice)
    shown = strip_tags(client.get(url).content.decode())
    assert "What it said before." in shown
    assert "Acts." in shown
    assert "Accept and publish" not in shown
    client.force_login(root)
    assert "Accept and publish" in client.get(url).content.decode()
    given = {"decision": "accept", "fingerprint": drifted.seen_fingerprint}
    assert client.post(f"{url}decide/", given).status_code == 303
    drifted.refresh_from_db()
    assert drifted.state == "approved"
    assert client.get(url).status_code == 200


def test_the_admin_asks_before_it_starts_anything(
    client: Client, hostile: MakeServer, root: User, alice: User
) -> None:
    server = hostile("well")
    client.force_login(alice)
    for act in ("test", "sync"):
        assert client.post(f"{SERVER}{server.pk}/{act}/").status_code in (302, 403)
    assert upstreams.opened() == ()
    client.force_login(root)
    assert client.get(f"{SERVER}{server.pk}/test/").status_code == 200
    assert upstreams.opened() == ()
    answer = client.post(f"{SERVER}{server.pk}/test/", follow=True)
    assert "1 tools" in answer.content.decode()
    assert not UpstreamTool.objects.exists()
    client.post(f"{SERVER}{server.pk}/sync/")
    assert UpstreamTool.objects.get().state == "new"
    listed = client.get("/admin/registry/upstreamtool/").content.decode()
    assert "/upstream-tools/" in listed


FORM: dict[str, Any] = {
    "name": "mine",
    "transport": "stdio",
    "argv": '["python3", "-m", "server"]',
    "sync_seconds": "900",
    "is_active": "on",
}


def test_the_platform_team_alone_writes_servers(client: Client, root: User, alice: User) -> None:
    team = next(iter(alice.actor.teams))
    client.force_login(alice)
    assert client.post(f"{SERVER}add/", FORM | {"team": team}).status_code in (302, 403)
    assert not UpstreamServer.objects.exists()
    client.force_login(root)
    answer = client.post(f"{SERVER}add/", FORM | {"team": team})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    server = UpstreamServer.objects.get()
    assert server.argv == ["python3", "-m", "server"]
    assert server.history.count() == 1
    client.force_login(alice)
    assert client.get(f"{SERVER}{server.pk}/change/").status_code == 200
    client.post(f"{SERVER}{server.pk}/change/", FORM | {"team": team, "argv": '["sh"]'})
    server.refresh_from_db()
    assert server.argv == ["python3", "-m", "server"]


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("argv", "[]"),
        ("argv", '["x", "${secret:k}"]'),
        ("env", "{LD_PRELOAD: x}"),
        ("packages", '["x @ https://evil.example/x.whl"]'),
        ("url", "https://mcp.example/"),
        ("sandbox_config", "{network: all}"),
    ],
)
def test_a_wrong_server_is_refused_at_its_place(
    client: Client, root: User, alice: User, field: str, given: str
) -> None:
    client.force_login(root)
    team = next(iter(alice.actor.teams))
    answer = client.post(f"{SERVER}add/", FORM | {"team": team, field: given})
    assert field in answer.context["adminform"].form.errors


def test_the_command_tells_what_it_found(hostile: MakeServer, agent: Agent) -> None:
    hostile("well")
    out = io.StringIO()
    call_command("upstreams", "sync", "--json", stdout=out, stderr=io.StringIO())
    found = json.loads(out.getvalue())["servers"][0]
    assert (found["server"], found["new"]) == ("hostile_well", ["act"])
    with pytest.raises(CommandError):
        call_command("upstreams", "sync", "nobody")
    hostile("dead")
    with pytest.raises(SystemExit):
        call_command("upstreams", "sync", "hostile_dead", stdout=out, stderr=io.StringIO())

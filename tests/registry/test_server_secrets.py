"""What an upstream server's definition names is granted: to the server, or to the tool called."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from kernel.problems import Conflict, Forbidden
from rest_framework.test import APIClient

from governance.models import AuditEvent
from registry import secrets, upstreams
from registry.models import Secret, SecretGrant, Team, Tool, UpstreamServer, User
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
VALUE = "canary-31c7f0aa"
GRANTS = "/api/v1/secrets/token/grants/"
SAID = {"server": "sample", "reason": "Its tools ask with it."}


@pytest.fixture
def secret(team: Team, alice: User) -> Secret:
    made = Secret.objects.create(name="token", team=team)
    secrets.put(made, VALUE, by=alice.actor)
    return made


@pytest.fixture
def server(team: Team) -> UpstreamServer:
    return UpstreamServer.objects.create(
        name="sample",
        team=team,
        url="https://mcp.example/mcp",
        headers={"Authorization": "Bearer ${secret:token}"},
    )


@pytest.fixture
def tool(team: Team) -> Tool:
    return factories.make_tool("act", team=team, executor="mcp", executor_config={"server": "s"})


def given(server: UpstreamServer, caller: Tool | None = None) -> dict[str, str]:
    return upstreams.secret_values(server, caller)


def test_its_own_teams_secret_isnt_given_unless_it_is_granted(
    server: UpstreamServer, secret: Secret, alice: User
) -> None:
    with pytest.raises(secrets.NotGranted, match=r"Server sample .* 'token' isn't granted") as told:
        given(server)
    assert "grant it on the secret's page" in str(told.value) and VALUE not in str(told.value)
    assert upstreams.ungranted(server) == ("token",)
    secrets.give(secret, server, by=alice.actor, reason="r")
    assert given(server) == {"token": VALUE}
    assert upstreams.ungranted(server) == ()
    line = AuditEvent.objects.get(event="secret.granted")
    assert line.target_name == "token for server sample"


def test_a_tool_that_holds_it_calls_the_server_and_the_server_alone_doesnt(
    server: UpstreamServer, secret: Secret, tool: Tool, team: Team, alice: User
) -> None:
    secrets.give(secret, tool, by=alice.actor, reason="r")
    assert given(server, tool) == {"token": VALUE}
    config = {"server": "sample", "tool": "other"}
    other = factories.make_tool("other", team=team, executor="mcp", executor_config=config)
    for caller in (None, other):
        with pytest.raises(secrets.NotGranted):
            given(server, caller)


def test_what_a_server_holds_is_nothing_that_a_tools_own_configuration_is_given(
    server: UpstreamServer, secret: Secret, tool: Tool, alice: User
) -> None:
    secrets.give(secret, server, by=alice.actor, reason="r")
    with pytest.raises(secrets.NotGranted, match="Tool act"):
        secrets.load(tool, frozenset({"token"}))


def test_a_grant_ends_with_the_servers_team(
    server: UpstreamServer, secret: Secret, other_team: Team, alice: User
) -> None:
    secrets.give(secret, server, by=alice.actor, reason="r")
    server.team = other_team
    server.save()
    with pytest.raises(secrets.NotGranted):
        given(server)


def test_a_grant_to_one_teams_server_ends_when_it_is_shared_and_another_is_given(
    server: UpstreamServer, secret: Secret, alice: User
) -> None:
    grant = secrets.give(secret, server, by=alice.actor, reason="r")
    server.is_shared = True
    server.save()
    with pytest.raises(secrets.NotGranted):
        given(server)
    with pytest.raises(Conflict, match="revoke that grant first"):
        secrets.give(secret, server, by=alice.actor, reason="r")
    assert secrets.revoke(grant, by=alice.actor)
    secrets.give(secret, server, by=alice.actor, reason="for all")
    assert given(server) == {"token": VALUE}
    server.is_shared = False
    server.save()
    assert given(server) == {"token": VALUE}


def test_a_revoked_grant_gives_nothing(server: UpstreamServer, secret: Secret, alice: User) -> None:
    grant = secrets.give(secret, server, by=alice.actor, reason="r")
    assert secrets.revoke(grant, by=alice.actor) and not secrets.revoke(grant, by=alice.actor)
    with pytest.raises(secrets.NotGranted):
        given(server)


def test_only_the_platform_grants_to_another_teams_server(
    secret: Secret, other_team: Team, alice: User, root: User
) -> None:
    theirs = UpstreamServer.objects.create(name="theirs", team=other_team, is_shared=True)
    with pytest.raises(Forbidden, match="Ask the platform team"):
        secrets.give(secret, theirs, by=alice.actor, reason="r")
    assert secrets.give(secret, theirs, by=root.actor, reason="r").is_for_all


def test_the_database_holds_that_a_grant_has_one_holder(
    server: UpstreamServer, secret: Secret, tool: Tool, team: Team
) -> None:
    for held in ({}, {"tool": tool, "server": server}):
        with pytest.raises(IntegrityError), transaction.atomic():
            SecretGrant.objects.create(secret=secret, holder_team=team, reason="r", **held)


def page(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def test_a_grant_is_given_in_the_admin_by_the_owner_alone(
    server: UpstreamServer, secret: Secret, tool: Tool, alice: User, charlie: User
) -> None:
    add = "/admin/registry/secretgrant/add/"
    sent = {"secret": str(secret.id), "server": str(server.id), "tool": "", "reason": "It asks."}
    assert page(charlie).post(add, sent).status_code == 200
    both = page(alice).post(add, sent | {"tool": str(tool.id)})
    assert "one of them" in both.content.decode()
    neither = page(alice).post(add, sent | {"server": ""})
    assert "one of them" in neither.content.decode()
    assert not SecretGrant.objects.exists()
    assert page(alice).post(add, sent).status_code == 302
    grant = SecretGrant.objects.get()
    assert (grant.server, grant.tool, grant.granted_by) == (server, None, "user:alice")
    assert (grant.holder_team_id, grant.is_for_all) == (server.team_id, False)
    assert "already" in page(alice).post(add, sent).content.decode()
    shown = page(alice).get(f"/admin/registry/secret/{secret.id}/change/").content.decode()
    assert "sample" in shown
    listed = page(alice).get("/admin/registry/secretgrant/").content.decode()
    assert "server sample" in listed


def test_whoever_saves_a_server_is_told_what_it_isnt_granted(
    server: UpstreamServer, secret: Secret, root: User
) -> None:
    form: dict[str, Any] = {
        "name": "sample",
        "team": str(server.team_id),
        "transport": "streamable_http",
        "is_active": "on",
        "url": server.url,
        "headers": "{Authorization: 'Bearer ${secret:token}'}",
        "sync_seconds": 900,
    }
    url = f"/admin/registry/upstreamserver/{server.id}/change/"
    saved = page(root).post(url, form, follow=True).content.decode()
    assert "isn&#x27;t granted token: grant it on the secret" in saved


def test_rest_gives_and_revokes(
    server: UpstreamServer, secret: Secret, tool: Tool, api: Any, alice: User, bob: User
) -> None:
    for who, said, noun in ((alice, SAID, "server"), (bob, {"tool": "act", "reason": "r"}, "tool")):
        made = api(who).post(GRANTS, said, format="json")
        assert made.status_code == 201, made.content
        assert made.json()[noun] == said[noun]
        assert api(who).post(GRANTS, said, format="json").status_code == 409
    shown = api(alice).get("/api/v1/secrets/token/").json()["granted_to"]
    assert {each.get("server") or each.get("tool") for each in shown} == {"sample", "act"}
    url = f"{GRANTS}{shown[0]['id']}/"
    assert api(bob).delete(url).status_code == 204
    assert api(bob).delete(url).status_code == 204, "twice is once"
    assert SecretGrant.objects.filter(revoked_at=None).count() == 1


def test_rest_is_for_the_owners_of_the_secret(
    server: UpstreamServer,
    secret: Secret,
    api: Any,
    alice: User,
    charlie: User,
    rita: User,
    audra: User,
    key: str,
) -> None:
    grant = secrets.give(secret, server, by=alice.actor, reason="r")
    assert api(None).post(GRANTS, SAID, format="json").status_code == 401
    assert api(None).delete(f"{GRANTS}{grant.id}/").status_code == 401
    for who in (charlie, rita, key):
        assert api(who).post(GRANTS, SAID, format="json").status_code == 404
        assert api(who).delete(f"{GRANTS}{grant.id}/").status_code == 404
    # Who sees everything changes nothing.
    assert api(audra).post(GRANTS, SAID, format="json").status_code == 403
    assert api(audra).delete(f"{GRANTS}{grant.id}/").status_code == 403
    assert SecretGrant.objects.get().revoked_at is None


@pytest.mark.parametrize(
    "said", [{}, {"reason": "r"}, SAID | {"tool": "act"}, SAID | {"server": "nothing"}]
)
def test_rest_says_what_is_wrong(
    secret: Secret, server: Any, api: Any, alice: User, said: Any
) -> None:
    refused = api(alice).post(GRANTS, said, format="json")
    assert refused.status_code == 422, refused.content
    assert refused.json()["errors"]
    assert not SecretGrant.objects.exists()


def test_a_server_that_one_may_not_see_isnt_there(
    secret: Secret, other_team: Team, api: Any, alice: User
) -> None:
    UpstreamServer.objects.create(name="sample", team=other_team)
    refused = api(alice).post(GRANTS, SAID, format="json")
    assert refused.status_code == 422
    assert "no server 'sample' for you" in refused.content.decode()


def test_the_command_grants_to_a_server(server: UpstreamServer, secret: Secret) -> None:
    call_command("secrets", "grant", "token", "--server", "sample", "--reason", "r")
    assert given(server) == {"token": VALUE}
    with pytest.raises(CommandError, match="Name a tool, or a server"):
        call_command("secrets", "grant", "token", "--reason", "r")

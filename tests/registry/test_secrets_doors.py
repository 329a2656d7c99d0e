"""The doors of secrets: pages, REST and commands. A value goes in and never comes out."""

import io
import json

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from kernel import ciphers
from portal import home
from rest_framework.test import APIClient

from registry import secrets
from registry.models import Secret, SecretGrant, SecretValue
from tests import factories

pytestmark = pytest.mark.django_db
VALUE = "canary-5f2b9c81"


@pytest.fixture
def secret(team, alice):
    made = Secret.objects.create(name="weather_key", team=team)
    secrets.put(made, VALUE, by=alice.actor)
    return made


@pytest.fixture
def tool(team):
    return factories.make_tool("weather", team=team, executor="http")


def page(user):
    client = APIClient()
    client.force_login(user)
    return client


FORM = {
    "grants-TOTAL_FORMS": 0,
    "grants-INITIAL_FORMS": 0,
    "name": "weather_key",
    "description": "",
    "value": "",
}


def test_the_form_sets_a_value_and_never_shows_it(secret, alice, team):
    url = f"/admin/registry/secret/{secret.id}/change/"
    new = "another-canary-value"
    answer = page(alice).post(url, FORM | {"team": str(team.id), "value": new})
    assert answer.status_code == 302, answer.content.decode()[:3000]
    assert ciphers.opened(SecretValue.objects.get().ciphertext) == new
    for place in (url, f"/admin/registry/secret/{secret.id}/history/", "/admin/registry/secret/"):
        text = page(alice).get(place).content.decode()
        assert new not in text and SecretValue.objects.get().ciphertext not in text


def test_an_empty_field_leaves_what_is_set_and_a_bad_value_is_a_fault(secret, alice, team):
    url = f"/admin/registry/secret/{secret.id}/change/"
    before = SecretValue.objects.get().ciphertext
    assert page(alice).post(url, FORM | {"team": str(team.id)}).status_code == 302
    refused = page(alice).post(url, FORM | {"team": str(team.id), "value": "sh0rt"})
    assert refused.status_code == 200
    assert "at least 8 characters" in refused.content.decode()
    assert "sh0rt" not in refused.content.decode()
    assert SecretValue.objects.get().ciphertext == before


def test_members_add_secrets_of_their_own_team_only(alice, bob, charlie, audra, team, other_team):
    add = "/admin/registry/secret/add/"
    fine = FORM | {"name": "mine", "team": str(team.id), "value": VALUE}
    assert page(bob).post(add, fine).status_code == 302
    theirs = FORM | {"name": "theirs", "team": str(other_team.id), "value": VALUE}
    assert page(alice).post(add, theirs).status_code == 200
    assert page(audra).get(add).status_code == 403
    assert set(Secret.objects.values_list("name", flat=True)) == {"mine"}


def test_grants_are_given_and_revoked_on_their_page(secret, tool, alice, charlie):
    add = "/admin/registry/secretgrant/add/"
    body = {"secret": str(secret.id), "tool": str(tool.id), "reason": "it asks"}
    assert page(charlie).post(add, body).status_code == 200
    assert not SecretGrant.objects.exists()
    assert page(alice).post(add, body).status_code == 302
    grant = SecretGrant.objects.get()
    assert (grant.granted_by, grant.holder_team_id) == ("user:alice", tool.team_id)
    again = page(alice).post(add, body)
    assert "already" in again.content.decode()
    revoke = f"/admin/registry/secretgrant/{grant.id}/revoke/"
    assert page(charlie).get(revoke).status_code == 404
    assert page(alice).post(revoke).status_code == 302
    grant.refresh_from_db()
    assert grant.revoked_at is not None


def test_a_get_of_the_revoke_page_revokes_nothing(secret, tool, alice):
    grant = secrets.give(secret, tool, by=alice.actor, reason="r")
    page(alice).get(f"/admin/registry/secretgrant/{grant.id}/revoke/")
    grant.refresh_from_db()
    assert grant.revoked_at is None


def test_rest_tells_the_owners_what_there_is(
    secret, tool, api, alice, bob, charlie, rita, audra, root, key
):
    secrets.give(secret, tool, by=alice.actor, reason="it asks")
    for who in (alice, bob, audra, root):
        listed = api(who).get("/api/v1/secrets/")
        assert [row["name"] for row in listed.json()["results"]] == ["weather_key"]
        one = api(who).get("/api/v1/secrets/weather_key/")
        assert one.json()["granted_to"][0]["tool"] == "weather"
        assert VALUE not in listed.content.decode() + one.content.decode()
    for who in (charlie, rita, key):
        assert api(who).get("/api/v1/secrets/").json()["results"] == []
        assert api(who).get("/api/v1/secrets/weather_key/").status_code == 404
    for url in ("/api/v1/secrets/", "/api/v1/secrets/weather_key/"):
        assert api(None).get(url).status_code == 401
        assert api(alice).post(url, {"value": "x" * 20}, format="json").status_code == 405


def run(*args, stdin="", monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command("secrets", *args, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def test_the_command_sets_grants_lists_and_rotates(team, tool, settings, monkeypatch):
    settings.SECRETS_KEYS = old = home.cipher_key()
    told = run("set", "deploy", "--team", "search", stdin=f"{VALUE}\n", monkeypatch=monkeypatch)
    assert told == {"secret": "deploy"}
    run("grant", "deploy", "weather", "--reason", "it deploys")
    assert secrets.load(tool, frozenset({"deploy"})) == {"deploy": VALUE}
    settings.SECRETS_KEYS = f"{run('new-key')['key']} {old}"
    assert run("rotate", "--batch", "1")["rotated"] == 1
    assert run("rotate")["rotated"] == 0
    settings.SECRETS_KEYS = settings.SECRETS_KEYS.split()[0]
    assert secrets.load(tool, frozenset({"deploy"})) == {"deploy": VALUE}
    assert VALUE not in str(run("list"))


def test_the_command_says_what_is_missing(team, monkeypatch):
    with pytest.raises(CommandError, match="name its team"):
        run("set", "deploy", stdin=VALUE, monkeypatch=monkeypatch)
    with pytest.raises(CommandError, match="at least 8"):
        run("set", "deploy", "--team", "search", stdin="short", monkeypatch=monkeypatch)
    with pytest.raises(CommandError, match="no 'nothing'"):
        run("grant", "nothing", "weather", "--reason", "r")


def test_a_wrong_or_missing_key_is_told_when_it_starts(secret, settings):
    def ids():
        return {found.id: found for found in run_checks() if found.id.startswith("registry.")}

    assert ids() == {}
    settings.SECRETS_KEYS = f"{home.cipher_key()} {settings.SECRETS_KEYS}"
    assert set(ids()) == {"registry.W001"}
    settings.SECRETS_KEYS = home.cipher_key()
    assert set(ids()) == {"registry.E002"}
    assert "rotate" in ids()["registry.E002"].hint
    settings.SECRETS_KEYS = "nonsense"
    assert set(ids()) == {"registry.E001"}
    assert "nonsense" not in str(ids())


def test_the_homes_own_keys_are_its_users_alone(tmp_path):
    made = home.secret(tmp_path, "secrets_keys", home.cipher_key)
    assert home.secret(tmp_path, "secrets_keys", home.cipher_key) == made
    assert (tmp_path / "secrets_keys").stat().st_mode & 0o777 == 0o600

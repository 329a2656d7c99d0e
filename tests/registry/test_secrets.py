"""Secrets: set by their team, granted tool by tool, given whole or not at all."""

import pytest
from django.db import connection
from kernel import ciphers
from kernel.actor import SYSTEM
from kernel.problems import Conflict, Forbidden, Invalid
from portal import home

from governance.models import AuditEvent
from registry import secrets
from registry.models import Secret, SecretGrant, SecretValue
from tests import factories

pytestmark = pytest.mark.django_db
VALUE = "hunter2-hunter2"


@pytest.fixture
def tool(team):
    return factories.make_tool("weather", team=team, executor="http")


@pytest.fixture
def secret(team, alice):
    made = Secret.objects.create(name="weather_key", team=team)
    secrets.put(made, VALUE, by=alice.actor)
    return made


def _events(name):
    return AuditEvent.objects.filter(event=name).count()


def test_a_granted_secret_is_loaded(tool, secret, alice):
    secrets.give(secret, tool, by=alice.actor, reason="it asks for the weather")
    assert secrets.load(tool, frozenset({"weather_key"})) == {"weather_key": VALUE}
    assert _events("secret.set") == 1
    assert _events("secret.granted") == 1


def test_what_isnt_granted_is_named_and_nothing_is_given(tool, secret, alice, team):
    other = Secret.objects.create(name="other", team=team)
    secrets.put(other, "other-value-other", by=alice.actor)
    secrets.give(secret, tool, by=alice.actor, reason="r")
    with pytest.raises(secrets.NotGranted, match="'other' isn't granted") as error:
        secrets.load(tool, frozenset({"weather_key", "other"}))
    assert VALUE not in str(error.value)


def test_a_secret_without_a_value_is_named(tool, team, alice):
    empty = Secret.objects.create(name="empty", team=team)
    secrets.give(empty, tool, by=alice.actor, reason="r")
    with pytest.raises(secrets.NotGranted, match="has no value yet"):
        secrets.load(tool, frozenset({"empty"}))


def test_a_revoked_grant_gives_nothing_and_ends_once(tool, secret, alice):
    grant = secrets.give(secret, tool, by=alice.actor, reason="r")
    assert secrets.revoke(grant, by=alice.actor)
    assert not secrets.revoke(grant, by=alice.actor)
    assert secrets.ungranted(tool, {"headers": {"A": "${secret:weather_key}"}}) == ("weather_key",)
    assert _events("secret.revoked") == 1


def test_a_grant_ends_when_the_tool_changes_hands(tool, secret, alice, other_team):
    secrets.give(secret, tool, by=alice.actor, reason="r")
    tool.team = other_team
    tool.save()
    with pytest.raises(secrets.NotGranted):
        secrets.load(tool, frozenset({"weather_key"}))


def test_a_tool_is_granted_a_secret_once(tool, secret, alice):
    secrets.give(secret, tool, by=alice.actor, reason="r")
    with pytest.raises(Conflict):
        secrets.give(secret, tool, by=alice.actor, reason="r")


def test_an_outsider_neither_sets_nor_grants(tool, secret, charlie):
    with pytest.raises(Forbidden):
        secrets.put(secret, "another-value", by=charlie.actor)
    with pytest.raises(Forbidden):
        secrets.give(secret, tool, by=charlie.actor, reason="r")


def test_only_the_platform_grants_to_another_teams_tool(secret, alice, root, other_team):
    foreign = factories.make_tool("foreign", team=other_team, executor="http")
    with pytest.raises(Forbidden, match="Ask the platform team"):
        secrets.give(secret, foreign, by=alice.actor, reason="r")
    assert secrets.give(secret, foreign, by=root.actor, reason="r").granted_by == "user:root"


@pytest.mark.parametrize(
    "value", ["short", "", "with\0nul-and-more", "${secret:another}", "x" * 70_000]
)
def test_a_value_that_cant_be_kept_safe_is_refused(secret, alice, value):
    with pytest.raises(Invalid):
        secrets.put(secret, value, by=alice.actor)


def test_no_table_holds_the_value_and_history_not_even_the_ciphertext(tool, secret, alice):
    secrets.put(secret, VALUE + "2", by=alice.actor)
    secrets.give(secret, tool, by=alice.actor, reason="r")
    ciphertext = SecretValue.objects.get().ciphertext
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            text = str(cursor.fetchall())
        assert VALUE not in text, table
        assert ciphertext not in text or table == "registry_secretvalue", table


@pytest.fixture
def keys(settings):
    """Two keys; the second one comes into force when it is put first."""
    first, second = (home.cipher_key() for _ in range(2))
    settings.SECRETS_KEYS = first
    return first, second


def test_rotation_re_encrypts_in_batches_and_goes_on_where_it_was(keys, settings, team):
    for number in range(7):
        made = Secret.objects.create(name=f"s{number}", team=team)
        secrets.put(made, f"{VALUE}-{number}", by=SYSTEM)
    settings.SECRETS_KEYS = f"{keys[1]},{keys[0]}"

    class Ended(Exception):
        pass

    def end(done):
        if done >= 3:
            raise Ended

    assert ciphers.stale() == 7
    with pytest.raises(Ended):
        ciphers.rotate(batch=3, told=end)
    assert ciphers.stale() == 4
    assert ciphers.rotate(batch=3) == 4
    assert ciphers.stale() == 0 and ciphers.rotate() == 0
    settings.SECRETS_KEYS = keys[1]
    assert {ciphers.opened(row.ciphertext) for row in SecretValue.objects.all()} == {
        f"{VALUE}-{number}" for number in range(7)
    }


def test_without_its_key_a_value_is_counted_and_a_call_is_told_the_name(
    keys, settings, team, tool, alice
):
    secret = Secret.objects.create(name="weather_key", team=team)
    secrets.put(secret, VALUE, by=alice.actor)
    secrets.give(secret, tool, by=alice.actor, reason="r")
    settings.SECRETS_KEYS = keys[1]
    assert list(ciphers.unknown().values()) == [1]
    with pytest.raises(secrets.NotGranted, match="can't be decrypted"):
        secrets.load(tool, frozenset({"weather_key"}))


@pytest.mark.parametrize("text", ["", "abc", "x" * 44])
def test_a_key_that_isnt_one_is_named_by_its_place(settings, text):
    settings.SECRETS_KEYS = text
    with pytest.raises(ciphers.KeyFault) as error:
        ciphers.fingerprints()
    assert not text or text not in str(error.value)


def test_only_people_of_the_team_see_it(secret, alice, bob, charlie, rita, audra, root, agent):
    seen = {
        who.actor.name
        for who in (alice, bob, charlie, rita, audra, root, agent)
        if Secret.objects.visible_to(who.actor).exists()
    }
    assert seen == {"alice", "bob", "audra", "root"}
    assert SecretGrant.objects.visible_to(agent.actor).count() == 0

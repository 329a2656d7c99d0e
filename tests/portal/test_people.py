"""Operators add people, and first people are made once."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from portal import installation

from registry.models import Team, User

pytestmark = pytest.mark.django_db


def run(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("users", *words, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_a_new_person_signs_in_with_the_password_that_was_shown(team: Team) -> None:
    shown = run("add", "bob", "--role", "reviewer", "--team", team.name)
    assert Client().login(username="bob", password=shown["password"])
    assert User.objects.get(username="bob").actor.teams == {team.id}
    assert shown["role"] == "reviewer"


def test_a_new_password_ends_the_old_one(alice: User) -> None:
    old = run("password", "alice")["password"]
    new = run("password", "alice")["password"]
    assert not Client().login(username="alice", password=old)
    assert Client().login(username="alice", password=new)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "alice"), "already exists"),
        (("add", "bob", "--team", "nowhere"), "There is no team 'nowhere'. There are: search"),
        (("password", "nobody"), "There is nobody called 'nobody'. There are: alice"),
    ],
)
def test_what_is_wrong_is_named(alice: User, words: tuple[str, ...], said: str) -> None:
    before = User.objects.count()
    with pytest.raises(CommandError, match=said):
        run(*words)
    assert User.objects.count() == before


def test_people_are_listed_with_their_teams(alice: User) -> None:
    assert run("list")["people"] == [
        {"name": "alice", "role": "member", "active": True, "teams": ["search"]}
    ]


def test_the_first_people_are_made_once() -> None:
    first = installation.prepare()
    assert [(who.name, who.role) for who in first.people] == [
        ("admin", "platform"),
        ("reviewer", "reviewer"),
        ("member", "member"),
    ]
    assert Client().login(username="admin", password=first.people[0].password)
    again = installation.prepare()
    assert again.people == ()
    assert User.objects.count() == 3

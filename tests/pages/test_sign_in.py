"""Signing in and out, and the pages that say no."""

from collections.abc import Callable

import pytest
from django.template.loader import render_to_string
from django.test import Client
from portal import navigation

from registry.models import User
from tests import factories

pytestmark = pytest.mark.django_db

Browse = Callable[[User | None], Client]


def _sign_in(client: Client, password: str, following: str = "") -> str:
    data = {"username": "alice", "password": password, "next": following}
    answer = client.post("/login/", data)
    return f"{answer.status_code} {answer.get('Location', '')}".strip()


def test_alice_signs_in_and_lands_at_home(alice: User) -> None:
    assert _sign_in(Client(), factories.PASSWORD) == "302 /"


def test_alice_lands_where_she_wanted_to_go(alice: User) -> None:
    assert _sign_in(Client(), factories.PASSWORD, "/runs/") == "302 /runs/"


def test_nobody_is_led_to_another_site(alice: User) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        assert _sign_in(Client(), factories.PASSWORD, elsewhere) == "302 /"


def test_a_wrong_password_says_so_and_keeps_the_page(alice: User) -> None:
    client = Client()
    answer = client.post("/login/", {"username": "alice", "password": "wrong"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert _sign_in(client, "wrong") == "200"


def test_signing_out_takes_a_post(alice: User, browse: Browse) -> None:
    client = browse(alice)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_a_page_that_isnt_there_is_still_one_of_ours(alice: User, browse: Browse) -> None:
    answer = browse(alice).get("/nothing/here/")
    assert answer.status_code == 404
    assert "<h1>Not here</h1>" in answer.content.decode()
    assert 'aria-label="Main"' in answer.content.decode()


def test_the_page_of_a_failure_needs_nothing() -> None:
    text = render_to_string("500.html")
    assert "<h1>Something broke</h1>" in text
    assert 'aria-label="Main"' not in text


def test_the_policy_of_every_page_is_strict(alice: User, browse: Browse) -> None:
    client = browse(alice)
    for path in ("/", "/login/", "/approvals/", "/runs/", "/nothing/"):
        policy = client.get(path)["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'self'" in policy


def test_the_bar_marks_where_one_is(alice: User) -> None:
    marked = [link.title for link in navigation.bar(alice.actor, "/runs/1/") if link.active]
    assert marked == ["Runs"]
    assert [link.title for link in navigation.bar(alice.actor, "/") if link.active] == ["Home"]


def test_every_link_of_the_admins_sidebar_leads_somewhere(root: User, browse: Browse) -> None:
    client = browse(root)
    for links in navigation.SIDEBAR.values():
        for name, _, address in links:
            assert client.get(address).status_code == 200, name

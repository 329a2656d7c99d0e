"""Whatever agents, tools and repositories write, a page shows it as text, bounded and visible."""

from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from portal.templatetags import gatehouse

from context import changesets
from context.changesets import DecisionEntry, FileChange
from governance.models import Approval
from registry.models import Agent, Team, User
from tests import factories
from tests.pages import scenes

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
RTL = "access = \u202e'nimda' \u2066if x\u2069"
ANSI = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x00\x08"


def _page(user: User, url: str) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("view", ["split", "unified"])
def test_a_hostile_proposal_is_shown_as_text(
    team: Team, alice: User, rita: User, view: str
) -> None:
    scene = scenes.gate(team, alice)
    shown: dict[str, Any] = scene.approval.shown
    hostile = SCRIPT + RTL + ANSI
    shown["code"] |= {
        "summary": hostile,
        "candidate": {"module": SCRIPT, "group": '" autofocus onfocus=alert(3) x="'},
        "notes": [hostile, {"deep": hostile}],
    }
    shown["tests"] |= {"output": hostile * 5000, "killed": {hostile: [hostile]}}
    shown["other"] = hostile
    path = "src/'onmouseover=alert(4)/<b>.py"
    made = changesets.apply(
        scene.project.id,
        base_rev=2,
        by=alice.actor,
        files={path: FileChange((hostile + "\n" + "x" * 100_000).encode())},
        decisions=[DecisionEntry(decision=SCRIPT, rationale=RTL, agent="<i>agent</i>")],
    )
    shown["tests"]["rev"] = made.rev
    Approval.objects.filter(id=scene.approval.id).update(
        shown=shown, title=hostile[:300], question=hostile, requester_name=SCRIPT
    )
    text = _page(rita, f"/approvals/{scene.approval.id}/?view={view}")
    for live in (
        "<script>alert",
        "<img src=x",
        "<b>.py",
        "<i>agent",
        '" autofocus',
        "\u202e",
        "\x1b",
    ):
        assert live not in text, live
    assert "⟦U+202E⟧" in text
    assert len(text) < 400_000


@pytest.mark.django_db
@pytest.mark.parametrize(
    "shown",
    [
        [],
        {"code": None, "tests": 7},
        {"code": {"base_rev": "1", "rev": [2], "tests": {"before": 3, "after": {"passed": {}}}}},
        {"code": {"base_rev": -1, "rev": 10**30, "candidate": {"module": {}, "group": ""}}},
        {"code": {"base_rev": 1, "rev": 2_000_000_000}},
        {"base_rev": True, "rev": 1.5, "killed": {"a": None}, "notes": {"x": 1}, "output": 3},
    ],
)
def test_a_proposal_of_the_wrong_shape_is_still_a_page(
    team: Team, alice: User, rita: User, shown: Any
) -> None:
    scene = scenes.gate(team, alice)
    Approval.objects.filter(id=scene.approval.id).update(shown=shown)
    assert "Your decision" in _page(rita, f"/approvals/{scene.approval.id}/")


@pytest.mark.django_db
def test_hostile_arguments_of_a_parked_call_are_shown_exactly_but_dead(
    agent: Agent, rita: User
) -> None:
    tool = factories.make_tool("query_database")
    approval = scenes.parked_call(agent, tool, **{"sql": SCRIPT + RTL, SCRIPT: {"a": [RTL]}})
    text = _page(rita, f"/approvals/{approval.id}/")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text


@given(st.text())
def test_no_control_or_direction_mark_survives(text: str) -> None:
    cleaned = gatehouse.plain(text)
    assert not set(cleaned) & set(
        "\x00\x07\x08\x1b\u202a\u202b\u202d\u202e\u2066\u2067\u200b\ufeff"
    )
    assert gatehouse.plain(cleaned) == cleaned


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "Zs"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert gatehouse.plain(text) == text


@given(st.text(min_size=1), st.integers(min_value=1, max_value=50))
def test_text_is_bounded(text: str, limit: int) -> None:
    # Each character is spelled out with at most ten, and the rest is counted.
    assert len(gatehouse.plain(text * 20, limit)) <= limit * 10 + 40


def test_output_loses_its_colours_and_code_loses_nothing() -> None:
    assert gatehouse.terminal("\x1b[31mred\x1b[0m") == "red"
    assert gatehouse.plain("\x1b[31mred") == "␛[31mred"


def test_emoji_and_other_scripts_stay_readable() -> None:
    for text in ("déjà vu", "日本語", "שלום", "🚀 done"):
        assert gatehouse.plain(text) == text


def test_a_template_escapes_what_the_filter_leaves() -> None:
    made = Template("{% load gatehouse %}{{ text|plain }}").render(Context({"text": SCRIPT}))
    assert "<" not in made

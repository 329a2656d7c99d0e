"""The page of a tool's lifecycle: who sees it, what it does, and what it says no to."""

import pytest
from django.test import Client

from registry import bindings, publishing
from registry.models import Tool, ToolAlias, VersionPin
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "/tools/old/lifecycle/"


@pytest.fixture
def tool(team):
    tool = factories.make_tool("old", team=team)
    tool.version, tool.cost_micros = "2.0", 20_000
    publishing.publish(tool, by="test")
    return tool


def entered(user):
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_owner_deprecates_and_undoes(tool, alice):
    page = entered(alice)
    assert b"Who is hit" in page.get(PAGE).content
    answer = page.post(PAGE, {"act": "deprecate", "message": "Slow <b>.", "sunset": "2999-01-01"})
    assert answer.status_code == 302
    tool.refresh_from_db()
    assert (tool.deprecated, tool.sunset_at.isoformat()) == (True, "2999-01-01T00:00:00+00:00")
    shown = page.get(PAGE).content
    assert b"Undo the deprecation" in shown
    assert b"Slow <b>" not in shown
    page.post(PAGE, {"act": "undo"})
    tool.refresh_from_db()
    assert not tool.deprecated


def test_a_day_that_is_over_is_asked_about_first(tool, alice):
    page, sent = entered(alice), {"act": "deprecate", "sunset": "2020-01-01"}
    answer = page.post(PAGE, sent)
    assert answer.status_code == 409
    assert b"end the calls now" in answer.content
    tool.refresh_from_db()
    assert not tool.deprecated
    assert page.post(PAGE, sent | {"confirmed": "yes"}).status_code == 302
    assert page.post(PAGE, {"act": "remove"}).status_code == 302
    tool.refresh_from_db()
    assert tool.removed_at is not None
    assert b"List it again" in page.get(PAGE).content


def test_versions_aliases_and_pins_are_set_here(tool, alice, agent):
    page = entered(alice)
    page.post(PAGE, {"act": "retire", "versions": "1.x", "message": "Old."})
    page.post(PAGE, {"act": "point", "alias": "stable", "version": "1.0"})
    page.post(PAGE, {"act": "pin", "agent": agent.name, "selector": "stable"})
    tool.refresh_from_db()
    assert [each["versions"] for each in tool.retired] == ["1.x"]
    assert ToolAlias.objects.get().version.version == "1.0"
    assert VersionPin.objects.get().selector == "stable"
    shown = page.get(PAGE).content
    assert b"stable" in shown
    assert agent.name.encode() in shown
    assert page.post(PAGE, {"act": "unpoint", "alias": "stable"}).status_code == 409
    page.post(PAGE, {"act": "unpin", "agent": agent.name})
    page.post(PAGE, {"act": "unpoint", "alias": "stable"})
    page.post(PAGE, {"act": "reinstate", "versions": "1.x"})
    tool.refresh_from_db()
    assert (tool.retired, ToolAlias.objects.count(), VersionPin.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"act": "retire", "versions": "2.x"}, b"live version 2.0 is within"),
        ({"act": "deprecate", "replacement": "nothing"}, b"There is no tool"),
        ({"act": "deprecate", "sunset": "tomorrow"}, b"Write the day as"),
        ({"act": "pin", "agent": "nobody", "selector": "1.x"}, b"There is no agent"),
        ({"act": "explode"}, b"There is no act"),
    ],
)
def test_what_is_refused_is_told_on_the_page(tool, alice, sent, told):
    answer = entered(alice).post(PAGE, sent)
    assert answer.status_code == 409
    assert told in answer.content


def test_outsiders_read_and_change_nothing(tool, charlie):
    page = entered(charlie)
    shown = page.get(PAGE)
    assert shown.status_code == 200
    assert b'value="deprecate"' not in shown.content
    assert page.post(PAGE, {"act": "deprecate"}).status_code == 403
    Tool.objects.update(is_shared=False)
    assert page.get(PAGE).status_code == 404
    assert Client().get(PAGE).status_code == 302


def test_a_member_of_another_team_binds_its_own_agent(tool, charlie, other_agent):
    entered(charlie).post(PAGE, {"act": "pin", "agent": other_agent.name, "selector": "1.x"})
    assert VersionPin.objects.get().agent == other_agent


def test_the_diff_page_classes_and_shows_both(tool, alice, charlie):
    shown = entered(alice).get("/tools/old/diff/?from=1.0&to=2.0")
    assert shown.status_code == 200
    assert b"each call is dearer" in shown.content
    assert b"Who is hit" in shown.content
    assert entered(alice).get("/tools/old/diff/").status_code == 200
    assert entered(charlie).get("/tools/old/diff/?from=1.0&to=2.0").status_code == 200
    assert entered(charlie).get("/tools/old/diff/").status_code == 422
    assert Client().get("/tools/old/diff/").status_code == 302


def test_the_admin_shows_who_is_hit_before_anybody_publishes(tool, root, agent):
    bindings.pin(agent, tool, "1.x")
    tool.cost_micros = 30_000
    tool.save()
    shown = entered(root).get(f"/admin/registry/tool/{tool.pk}/change/").content.decode()
    assert "give it 3.0 or above" in shown
    assert "pin worker" in shown
    place = f"/admin/registry/tool/{tool.pk}"
    assert entered(root).get(f"{place}/lifecycle/", follow=False).url == PAGE
    assert entered(root).get(f"{place}/compare/").url == "/tools/old/diff/"

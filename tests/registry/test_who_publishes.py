"""The platform team publishes; the owning team edits its draft and submits it for review."""

import json

import pytest
from kernel import actor as actors
from kernel.problems import Forbidden

from registry import publishing
from registry.models import Tool, ToolProposal
from tests.registry.curating import make_own_tool
from tests.registry.test_registry_admin import enter, form_of

pytestmark = pytest.mark.django_db
__all__ = ["enter"]

TOOL = "/admin/registry/tool/"
PUBLISH = {"registry_tool_save_and_publish": "1"}
SUBMIT = {"registry_tool_submit_for_review": "1"}


def send(page, tool: Tool, **changes: object):
    values = {"description": "Better.", "version": "1.1"} | changes
    return page.post(f"{TOOL}{tool.pk}/change/", form_of(tool, **values))


@pytest.mark.parametrize("who", ["alice", "bob", "charlie", "audra", "rita", "agent"])
def test_nobody_but_the_platform_team_publishes(request, team, who):
    tool = make_own_tool(team)
    tool.version, tool.description = "1.1", "Better."
    with actors.acting(request.getfixturevalue(who).actor), pytest.raises(Forbidden):
        publishing.publish(tool, by=f"user:{who}")
    tool.refresh_from_db()
    assert tool.live_version.version == "1.0"


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_member_sees_no_publish_button_and_pressing_it_anyway_publishes_nothing(
    request, enter, team, who
):
    tool = make_own_tool(team)
    page = enter(request.getfixturevalue(who))
    shown = page.get(f"{TOOL}{tool.pk}/change/").content.decode()
    assert "registry_tool_save_and_publish" not in shown
    assert "registry_tool_submit_for_review" in shown
    assert send(page, tool, **PUBLISH).status_code == 302
    tool.refresh_from_db()
    assert tool.description == "Better."
    assert tool.live_version.version == "1.0"


@pytest.mark.parametrize("who", ["alice", "bob", "root"])
def test_submitting_the_form_opens_a_proposal_of_what_it_holds(request, enter, team, who):
    tool = make_own_tool(team)
    answer = send(enter(request.getfixturevalue(who)), tool, **SUBMIT, release_notes="Says more.")
    row = ToolProposal.objects.get()
    assert answer["Location"] == f"/tools/proposals/{row.id}/"
    assert (row.contract["description"], row.notes) == ("Better.", "Says more.")
    assert row.requester_name == who
    tool.refresh_from_db()
    assert tool.live_version.version == "1.0"


def test_outsiders_and_nobody_submit_nothing(client, enter, team, charlie, audra):
    tool = make_own_tool(team)
    assert send(client, tool, **SUBMIT).status_code == 302
    for who in (charlie, audra):
        page = enter(who)
        shown = page.get(f"{TOOL}{tool.pk}/change/").content.decode()
        assert "registry_tool_submit_for_review" not in shown
        send(page, tool, **SUBMIT)
    tool.refresh_from_db()
    assert tool.description != "Better."
    assert not ToolProposal.objects.exists()


def test_a_member_renames_no_tool_and_gives_none_away(enter, team, other_team, alice):
    tool = make_own_tool(team)
    other_team.add(alice)
    send(enter(alice), tool, name="other", team=str(other_team.pk), origin='{"kind": "x"}')
    tool.refresh_from_db()
    assert (tool.name, tool.team, tool.origin) == ("lint", team, {})
    assert tool.description == "Better."


def test_a_refused_submission_keeps_the_draft_and_says_why(enter, team, alice):
    tool = make_own_tool(team)
    page = enter(alice)
    narrower = json.dumps({"type": "object", "properties": {}, "additionalProperties": False})
    send(page, tool, **SUBMIT, parameters=narrower)
    shown = page.get(f"{TOOL}{tool.pk}/change/").content.decode()
    assert "Not submitted." in shown
    assert "2.0" in shown
    assert not ToolProposal.objects.exists()


def test_an_edit_in_review_warns_and_a_new_submission_takes_the_proposals_place(enter, team, alice):
    tool = make_own_tool(team)
    page = enter(alice)
    send(page, tool, **SUBMIT)
    send(page, tool, description="Better still.")
    shown = page.get(f"{TOOL}{tool.pk}/change/").content.decode()
    assert "A proposal of this tool is in review" in shown
    assert ToolProposal.objects.get().contract["description"] == "Better."
    send(page, tool, **SUBMIT, description="Better still.")
    rows = ToolProposal.objects.order_by("id").values_list("status", "contract__description")
    assert list(rows) == [("superseded", "Better."), ("open", "Better still.")]


def test_root_publishes_at_once(enter, team, root):
    tool = make_own_tool(team)
    send(enter(root), tool, **PUBLISH)
    tool.refresh_from_db()
    assert tool.live_version.version == "1.1"

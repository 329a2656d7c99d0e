"""The registry as the platform team edits it."""

import json

import pytest
from django.test import Client

from registry.models import Agent, Credential, Tool
from tests import factories

pytestmark = pytest.mark.django_db

TOOL = "/admin/registry/tool/"


@pytest.fixture
def enter(client: Client):
    def signed_in(user) -> Client:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


def form_of(tool: Tool, **changes) -> dict[str, object]:
    values = {
        "name": tool.name,
        "description": tool.description,
        "team": str(tool.team_id),
        "is_shared": "on",
        "tags": json.dumps(tool.tags),
        "parameters": json.dumps(tool.parameters),
        "result_schema": "",
        "examples": "[]",
        "data_class": tool.data_class,
        "audit": "on",
        "executor": tool.executor,
        "executor_config": json.dumps(tool.executor_config),
        "sandbox_config": json.dumps(tool.sandbox_config),
        "compensation": "",
        "cost": "0.01",
        "version": tool.version,
        "deprecation_message": "",
        "sunset_at_0": "",
        "sunset_at_1": "",
    }
    return values | changes


def test_root_lists_searches_and_opens_tools(enter, root):
    tool = factories.make_tool()
    page = enter(root)
    assert b"execute_python" in page.get(f"{TOOL}?q=python").content
    assert page.get(f"{TOOL}{tool.pk}/change/").status_code == 200


def test_an_edit_leaves_a_diff_in_the_history(enter, root):
    tool = factories.make_tool()
    answer = enter(root).post(f"{TOOL}{tool.pk}/change/", form_of(tool, description="Runs code."))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    tool.refresh_from_db()
    assert tool.description == "Runs code."
    newest, before = tool.history.all()[:2]
    assert "description" in newest.diff_against(before).changed_fields
    assert enter(root).get(f"{TOOL}{tool.pk}/history/").status_code == 200


def test_save_and_publish_makes_the_next_version_live(enter, root):
    tool = factories.make_tool()
    changes = form_of(
        tool, description="Runs code.", version="1.1", registry_tool_save_and_publish="1"
    )
    enter(root).post(f"{TOOL}{tool.pk}/change/", changes)
    tool.refresh_from_db()
    assert tool.live_version.version == "1.1"
    assert tool.live_version.published_by == "user:root"


def test_a_publication_has_the_permissions_of_the_same_form(enter, root):
    tool, permission = factories.make_tool(), factories.make_permission("code_execution")
    changes = form_of(tool, version="2.0", registry_tool_save_and_publish="1")
    changes["permissions_required"] = [str(permission.pk)]
    enter(root).post(f"{TOOL}{tool.pk}/change/", changes)
    tool.refresh_from_db()
    assert tool.live_version.contract["permissions_required"] == ["code_execution"]


def test_a_schema_that_is_none_is_a_form_error_with_its_place(enter, root):
    tool = factories.make_tool()
    broken = '{"type": "object", "properties": {"a": {"type": "int"}}}'
    answer = enter(root).post(f"{TOOL}{tool.pk}/change/", form_of(tool, parameters=broken))
    assert answer.status_code == 200
    assert "/properties/a/type" in str(answer.context["adminform"].form.errors["parameters"])
    tool.refresh_from_db()
    assert tool.parameters == factories.ECHO_SCHEMA


def test_a_member_reads_shared_tools_but_edits_none_of_others(enter, alice):
    tool = factories.make_tool()
    page = enter(alice)
    assert page.get(f"{TOOL}{tool.pk}/change/").status_code == 200
    page.post(f"{TOOL}{tool.pk}/change/", form_of(tool, description="Mine now."))
    tool.refresh_from_db()
    assert tool.description != "Mine now."


def test_an_outsider_finds_no_private_tool(enter, charlie, team):
    tool = factories.make_tool("private_tool", team=team, is_shared=False)
    answer = enter(charlie).get(f"{TOOL}{tool.pk}/change/")
    assert answer.status_code in {302, 403, 404}
    assert b"private_tool" not in answer.content


def test_nobody_is_sent_to_sign_in(client):
    assert client.get(TOOL).status_code == 302


def test_a_new_key_is_shown_once(enter, root, agent):
    page, address = enter(root), f"/admin/registry/agent/{agent.pk}/issue-key/"
    assert page.get(address).status_code == 200
    assert not Credential.objects.exists()
    shown = page.post(address)
    assert b'<code id="key">gh_' in shown.content
    assert "no-store" in shown["Cache-Control"]
    assert Credential.objects.filter(agent=agent).count() == 1
    assert "gh_" not in page.get(f"/admin/registry/agent/{agent.pk}/change/").content.decode()


def test_a_member_cannot_issue_a_key_for_another_team(enter, charlie, agent):
    answer = enter(charlie).post(f"/admin/registry/agent/{agent.pk}/issue-key/")
    assert answer.status_code in {302, 403, 404}
    assert not Credential.objects.exists()


def test_an_owner_sees_the_teams_agents_alone(enter, alice, agent, other_agent):
    shown = enter(alice).get("/admin/registry/agent/").content.decode()
    assert agent.name in shown
    assert f">{other_agent.name}<" not in shown
    assert Agent.objects.count() == 2

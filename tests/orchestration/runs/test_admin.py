"""Workflows in the admin: edited with form errors that name the place, and published."""

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.models import AgentTask, Workflow
from registry.models import Agent, Team, User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db
READ_ONLY = ("workflowrun", "step", "runevent", "agenttask", "workflowversion")


@pytest.fixture
def form(team: Team, agents: dict[str, Agent]) -> dict[str, str]:
    return {"name": "refactor", "team": str(team.id), "is_shared": "on", "source": stories.SOURCE}


def test_a_definition_is_saved_and_published(
    client: Client, root: User, form: dict[str, str]
) -> None:
    client.force_login(root)
    add = reverse("admin:orchestration_workflow_add")
    assert client.post(add, form | {"_save": "Save"}).status_code == 302
    workflow = Workflow.objects.get()
    assert workflow.live_version is None
    change = reverse("admin:orchestration_workflow_change", args=(workflow.id,))
    client.post(change, form | {"orchestration_workflow_save_and_publish": "1"})
    workflow.refresh_from_db()
    assert workflow.live_version is not None
    assert workflow.history.count() >= 1


def test_a_fault_is_a_form_error_with_line_and_place(
    client: Client, root: User, form: dict[str, str]
) -> None:
    client.force_login(root)
    broken = form | {"source": stories.SOURCE.replace('"approve"', "approve")}
    page = client.post(reverse("admin:orchestration_workflow_add"), broken)
    assert page.status_code == 200
    errors = page.context["adminform"].form.errors["source"]
    assert "/steps/3/when: line 32:" in errors[0]
    assert not Workflow.objects.exists()


def test_happenings_are_read_and_never_edited(client: Client, root: User, start: Start) -> None:
    run = start()
    client.force_login(root)
    for model in READ_ONLY:
        listing = reverse(f"admin:orchestration_{model}_changelist")
        assert client.get(listing).status_code == 200, model
        assert client.get(reverse(f"admin:orchestration_{model}_add")).status_code == 403, model
    page = client.get(reverse("admin:orchestration_workflowrun_change", args=(run.id,)))
    assert page.status_code == 200
    task = AgentTask.objects.get(run=run)
    shown = client.get(reverse("admin:orchestration_agenttask_change", args=(task.id,)))
    assert "token_digest" not in shown.content.decode()


def test_outsiders_see_none_of_it(client: Client, charlie: User, start: Start) -> None:
    run = start()
    Workflow.objects.update(is_shared=False)
    client.force_login(charlie)
    page = client.get(reverse("admin:orchestration_workflowrun_change", args=(run.id,)))
    assert page.status_code in (302, 403, 404)
    workflow = Workflow.objects.get()
    page = client.get(reverse("admin:orchestration_workflow_change", args=(workflow.id,)))
    assert page.status_code in (302, 403, 404)

"""The first run of a new home, and one whose start was interrupted."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from portal import demo
from portal.demo import first

from context import projects
from context.models import Project
from orchestration.models import WorkflowRun
from registry.models import Team, User
from tests import factories, services

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _home(settings: Any, tmp_path: Path) -> None:
    services.need("bubblewrap")
    services.need("git")
    settings.VAR = tmp_path / "var"
    call_command("catalogue", "apply", str(settings.ROOT / "platform/starter/catalogue"))
    factories.make_user("member", team=Team.objects.get(name="search"))


def test_a_new_home_has_one_first_run() -> None:
    started = demo.first_run()
    assert started is not None
    assert str(WorkflowRun.objects.get().id) in started.url
    assert demo.first_run() is None
    assert WorkflowRun.objects.count() == 1


def test_an_interrupted_start_is_taken_up() -> None:
    member = User.objects.get(username="member")
    projects.create(
        first.PROJECT, team=Team.objects.get(name="search"), description="", by=member.actor
    )
    assert demo.first_run() is not None
    assert Project.objects.get(name=first.PROJECT).repository
    assert WorkflowRun.objects.count() == 1

"""The first run of a new home: the article's own story, left waiting at its human gate."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings
from kernel import actor as actors

from context import projects
from context.models import Project
from orchestration import repositories, runs
from orchestration.models import Workflow, WorkflowRun
from portal.demo import sample
from registry.models import Team, User

log = structlog.get_logger(__name__)

PROJECT = "auth-refactor"
WORKFLOW = "refactor_and_test"


@dataclass(frozen=True)
class FirstRun:
    """Where the first run can be seen."""

    url: str


def first_run() -> FirstRun | None:
    """Import the sample and start the workflow on it, as the first team member.

    Each part that is there already is left alone, so that a start that was interrupted is taken up.
    A home that has had its first run: None.
    """
    member = User.objects.filter(username="member").first()
    if member is None or WorkflowRun.objects.filter(project__name=PROJECT).exists():
        return None
    with actors.acting(member.actor), tempfile.TemporaryDirectory() as folder:
        project = Project.objects.filter(name=PROJECT).first()
        if project is None or not project.repository:
            source = sample.make_repository(Path(folder) / "authservice")
            project = import_project(PROJECT, source, team=_team_of(member), by=member.actor)
        run = start(project, by=member.actor)
    return FirstRun(f"{settings.BASE_URL}/runs/{run.id}/")


def _team_of(member: User) -> Team:
    team: Team = Team.objects.get(group__user=member)
    return team


def import_project(name: str, source: Path, *, team: Team, by: actors.Actor) -> Project:
    """The project with the HEAD commit of the repository at `source`; made if it isn't there."""
    project = Project.objects.filter(name=name, team=team).first() or projects.create(
        name, team=team, description="Move a cohesive group to a module of its own.", by=by
    )
    repositories.import_repository(project, source, by=by)
    project.refresh_from_db()
    return project


def start(project: Project, *, by: actors.Actor) -> WorkflowRun:
    workflow = Workflow.objects.get(name=WORKFLOW)
    return runs.start(workflow, input={"project": project.name}, project=project, by=by)

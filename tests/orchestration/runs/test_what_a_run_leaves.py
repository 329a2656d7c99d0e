"""What a run that didn't succeed leaves in its project."""

import pytest

from context import changesets, files, projects
from context.changesets import FileChange
from context.models import Project
from orchestration import runs
from orchestration.models import RunEvent, Workflow, WorkflowRun
from registry.models import Agent, Team, User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ROLLING_BACK = stories.SOURCE.replace("name: refactor", "name: cautious").replace(
    "      on_request_changes", "      on_reject: roll_back\n      on_request_changes"
)


@pytest.fixture
def project(team: Team, alice: User) -> Project:
    made = projects.create("shared", team=team, description="", by=alice.actor)
    write(made, alice, content=b"before", status="new", next_step="write")
    made.refresh_from_db()
    return made


@pytest.fixture
def rolling_back(team: Team, agents: dict[str, Agent]) -> Workflow:
    return stories.install(ROLLING_BACK, team)


def write(
    project: Project,
    user: User,
    *,
    content: bytes,
    path: str = "a.txt",
    run: WorkflowRun | None = None,
    **fields: str,
) -> None:
    project.refresh_from_db()
    changesets.apply(
        project.id,
        base_rev=project.rev,
        by=user.actor,
        files={path: FileChange(content)},
        run_id=run.id if run else None,
        **fields,
    )


def rejected(run: WorkflowRun, rita: User) -> None:
    stories.do("writer", {"words": 1})
    stories.do("checker", {"ok": True})
    stories.vote(run, rita, "reject", "No.")


def text(project: Project) -> bytes:
    return files.read(project.id, "a.txt")[1]


def test_a_rejected_run_is_rolled_back_where_its_gate_says_so(
    start: Start, project: Project, rolling_back: Workflow, alice: User, rita: User
) -> None:
    run = start(workflow=rolling_back, project=project)
    write(project, alice, content=b"rejected", run=run, status="in_progress", next_step="review")
    rejected(run, rita)
    project.refresh_from_db()
    assert text(project) == b"before"
    assert (project.rev, project.status, project.next_step) == (3, "new", "write")
    assert RunEvent.objects.filter(run=run, name="run.rolled_back").count() == 1
    assert runs.verify(run.id) == []


def test_nobody_elses_change_is_rolled_back(
    start: Start, project: Project, rolling_back: Workflow, alice: User, rita: User
) -> None:
    run = start(workflow=rolling_back, project=project)
    write(project, alice, content=b"rejected", run=run, status="in_progress")
    write(project, alice, content=b"mine", path="b.txt")
    rejected(run, rita)
    project.refresh_from_db()
    assert files.read(project.id, "b.txt")[1] == b"mine"
    assert text(project) == b"rejected"
    assert project.rev == 3


def test_without_a_word_in_the_gate_the_changes_stay_and_the_status_is_told(
    start: Start, project: Project, alice: User, rita: User
) -> None:
    run = start(project=project)
    write(project, alice, content=b"kept", run=run, status="in_progress", next_step="review")
    rejected(run, rita)
    project.refresh_from_db()
    assert text(project) == b"kept"
    assert (project.status, project.next_step) == ("rejected", "")


def test_a_run_that_wrote_nothing_leaves_nothing(
    start: Start, project: Project, rolling_back: Workflow, rita: User
) -> None:
    rejected(start(workflow=rolling_back, project=project), rita)
    project.refresh_from_db()
    assert (project.rev, project.status) == (1, "new")


def test_a_cancelled_run_is_told_in_the_projects_status(
    start: Start, project: Project, alice: User
) -> None:
    run = start(project=project)
    write(project, alice, content=b"half", run=run, status="in_progress", next_step="check")
    runs.cancel(run.id, by=alice.actor, reason="enough")
    project.refresh_from_db()
    assert (project.status, project.next_step) == ("cancelled", "")

"""The bundled `refactor_and_test`: the article's four steps, as its catalogue entry says."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kernel import outbox

from context import projects
from governance.models import Approval, Grant
from orchestration import runs, workflows
from orchestration.models import AgentTask, Workflow, WorkflowRun
from registry.models import Team, User
from tests import factories
from tests.orchestration.runs import stories

pytestmark = pytest.mark.django_db

FILE = Path(__file__).resolve().parents[3] / "platform/starter/catalogue/workflows"
CODE = {
    "rev": 2,
    "base_rev": 1,
    "module": "src/auth/login.py",
    "target": "src/auth/jwt.py",
    "candidate": {"module": "src/auth/login.py", "group": "jwt"},
    "files": ["src/auth/jwt.py", "src/auth/login.py"],
}
TESTS = {"rev": 3, "written": 4, "tests": {"before": {"passed": 9}, "after": {"passed": 13}}}
MERGE = {"repository": "auth-refactor.git", "branch": "gatehouse/1", "commit": "c0ffee"}
NEEDED = {
    "refactor_agent": ("code_refactoring", "test_execution"),
    "test_agent": ("test_execution",),
    "merge_agent": ("repository_write",),
}


@pytest.fixture
def entry() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FILE / "refactor_and_test.yaml").read_text())
    return loaded


@pytest.fixture
def started(entry: dict[str, Any], platform_team: Team, team: Team, alice: User) -> WorkflowRun:
    for name, permissions in NEEDED.items():
        agent = factories.make_agent(name, platform_team)
        for permission in permissions:
            factories.grant(agent, permission)
    assert workflows.apply_entry(entry).act == "create"
    assert workflows.apply_entry(entry).act == "unchanged"
    project = projects.create("auth-refactor", team=team, description="", by=alice.actor)
    workflow = Workflow.objects.get(name="refactor_and_test")
    run = runs.start(workflow, input={"project": project.name}, project=project, by=alice.actor)
    outbox.drain()
    return run


def to_the_gate() -> None:
    stories.do("refactor_agent", CODE)
    stories.do("test_agent", TESTS)


def test_the_articles_steps_and_tasks(started: WorkflowRun, rita: User) -> None:
    to_the_gate()
    stories.vote(started, rita, "approve")
    stories.do("merge_agent", MERGE)
    assert stories.status(started) == "succeeded"
    assert list(stories.statuses(started)) == [
        "refactor_agent",
        "test_agent",
        "human_review",
        "merge_agent",
    ]
    tasks = list(
        AgentTask.objects.filter(run=started).order_by("id").values_list("task", flat=True)
    )
    assert tasks == [
        "Refactor the authentication module",
        "Write tests for the refactored code",
        "Merge the code and tests into the repository",
    ]
    assert started.output["merge"] == MERGE
    assert runs.verify(started.id) == []


def test_the_gate_shows_what_the_reviewers_page_needs(started: WorkflowRun) -> None:
    to_the_gate()
    asked = Approval.objects.get()
    assert asked.question == "Review both and approve or request changes"
    shown = asked.shown
    assert (shown["project"], shown["base_rev"], shown["rev"]) == ("auth-refactor", 1, 3)
    assert (shown["modified_code"], shown["test_cases"]) == (CODE, TESTS)


def test_the_first_task_names_what_the_agent_may_choose(started: WorkflowRun) -> None:
    given = stories.claim("refactor_agent").task.input
    assert given == {"project": "auth-refactor", "module": None, "group": None, "exclude": []}


def test_an_agent_without_its_grant_is_named(started: WorkflowRun, alice: User) -> None:
    Grant.objects.all().delete()
    workflow = Workflow.objects.get(name="refactor_and_test")
    run = runs.start(workflow, input={"project": "x"}, project=None, by=_root().actor)
    outbox.drain()
    assert stories.status(run) == "failed"
    assert "lacks code_refactoring, test_execution" in run.reason


def _root() -> User:
    return factories.make_user("root", role="platform")


def test_what_is_exported_is_what_was_applied(started: WorkflowRun, entry: dict[str, Any]) -> None:
    assert workflows.export() == [entry]

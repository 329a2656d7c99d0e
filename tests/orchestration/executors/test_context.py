"""Files of a shared context, read and written by calls."""

import base64

import pytest
from kernel.actor import SYSTEM

from context import changesets, files, projects
from context.models import Changeset, Project
from context.proposals import FileChange
from orchestration.calls import Refused
from registry.models import Agent, Team
from tests import factories
from tests.orchestration.executors.calling import ANYTHING, call, fault, value

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(team: Team) -> Project:
    for operation in ("read_file", "write_file"):
        factories.make_tool(
            operation,
            executor="context",
            executor_config={"operation": operation},
            parameters=ANYTHING,
        )
    found = projects.create("auth-refactor", team=team, by=SYSTEM)
    content = {"a.py": FileChange(b"x = 1\n"), "raw": FileChange(b"\xff\x00")}
    changesets.apply(found.id, base_rev=0, by=SYSTEM, files=content)
    return found


def test_a_file_is_read_with_its_version_and_rev(agent: Agent, project: Project) -> None:
    found = value(call(agent, "read_file", project="auth-refactor", path="a.py"))
    assert (found["content"], found["version"], found["rev"]) == ("x = 1\n", 1, 1)
    raw = value(call(agent, "read_file", project="auth-refactor", path="raw"))
    assert (raw["encoding"], base64.b64decode(raw["content"])) == ("base64", b"\xff\x00")


def test_a_file_that_was_read_may_be_written(agent: Agent, project: Project) -> None:
    call(agent, "read_file", project="auth-refactor", path="a.py")
    made = call(agent, "write_file", project="auth-refactor", path="a.py", content="x = 2\n")
    assert value(made)["version"] == 2
    assert files.read(project.id, "a.py")[1] == b"x = 2\n"
    assert Changeset.objects.get(rev=2).call_id == made.id
    old = value(call(agent, "read_file", project="auth-refactor", path="a.py", rev=1))
    assert old["content"] == "x = 1\n"


def test_a_file_that_was_never_read_is_not_overwritten(agent: Agent, project: Project) -> None:
    found = call(agent, "write_file", project="auth-refactor", path="a.py", content="mine")
    assert fault(found) == "precondition_required"
    assert found.payload.error["status"] == 428


def test_work_on_an_old_rev_is_refused_with_what_changed(agent: Agent, project: Project) -> None:
    new = {"a.py": FileChange(b"x = 9\n")}
    changesets.apply(project.id, base_rev=1, by=SYSTEM, files=new)
    found = call(
        agent, "write_file", project="auth-refactor", path="a.py", content="mine", base_rev=1
    )
    assert found.status == "failed"
    assert found.payload.error["status"] == 409
    assert files.read(project.id, "a.py")[1] == b"x = 9\n"


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", ".git/config", "a\\b", ""])
def test_a_path_that_leaves_the_project_is_refused(
    agent: Agent, project: Project, path: str
) -> None:
    found = call(agent, "write_file", project="auth-refactor", path=path, content="x", base_rev=1)
    assert found.status == "failed"
    assert found.payload.error["status"] == 422
    assert Changeset.objects.count() == 1


def test_a_file_that_is_not_there_is_told(agent: Agent, project: Project) -> None:
    assert fault(call(agent, "read_file", project="auth-refactor", path="b.py")) == "not_found"


def test_another_teams_project_is_not_there(other_agent: Agent, project: Project) -> None:
    with pytest.raises(Refused) as refused:
        call(other_agent, "read_file", project="auth-refactor", path="a.py")
    assert refused.value.errors[0].pointer == "/project"


@pytest.mark.parametrize("rev", [-1, 2, 10**12])
def test_a_rev_that_is_not_there_is_refused(agent: Agent, project: Project, rev: int) -> None:
    with pytest.raises(Refused) as refused:
        call(agent, "read_file", project="auth-refactor", path="a.py", rev=rev)
    assert refused.value.errors[0].pointer == "/rev"

"""A project's rev goes to a branch of its managed repository, and from there back to where it came
from; hostile repositories included."""

from pathlib import Path
from typing import Any

import pytest
from kernel.actor import SYSTEM
from kernel.problems import Conflict, Invalid

from context import changesets, projects
from context.models import Project
from context.proposals import FileChange
from orchestration import repositories
from orchestration.executors import programs
from registry.models import Agent, Team
from tests import factories
from tests.orchestration.executors import repos
from tests.orchestration.executors.calling import ANYTHING, call, fault, value
from tests.orchestration.executors.repos import git, make, printed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
BRANCH = "gatehouse/run-1"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    inner = make(tmp_path / "inner", {"x": "1"})
    found = make(tmp_path / "r", {"src/auth.py": "x = 1\n", "gone.py": "", "a/b": "file"})
    git(found, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    return repos.commit(found, {"c": "c"})


@pytest.fixture
def project(team: Team, source: Path) -> Project:
    found = projects.create("auth-refactor", team=team, by=SYSTEM)
    repositories.import_repository(found, source, by=SYSTEM)
    found.refresh_from_db()
    return found


@pytest.fixture(autouse=True)
def tool(db: None) -> None:
    factories.make_tool(
        "git_merge",
        executor="git",
        executor_config={"operation": "merge", "workspace": True},
        sandbox_config={"timeout": 60, "memory_limit": "512MB"},
        parameters=ANYTHING,
        idempotent=True,
    )


def change(project: Project, **contents: Any) -> int:
    """A new rev in which these files are as given; None deletes one."""
    project.refresh_from_db()
    found = {
        path: content if isinstance(content, FileChange) else FileChange(content)
        for path, content in contents.items()
    }
    return changesets.apply(project.id, base_rev=project.rev, by=SYSTEM, files=found).rev


def merge(agent: Agent, rev: int, branch: str = BRANCH, **more: Any) -> Any:
    return call(
        agent, "git_merge", project="auth-refactor", rev=rev, branch=branch, message="Move", **more
    )


def managed() -> Path:
    return repositories.folder() / "auth-refactor.git"


def test_a_rev_is_committed_and_merged(agent: Agent, project: Project, source: Path) -> None:
    rev = change(
        project,
        **{
            "src/auth.py": b"from jwt import x\n",
            "src/jwt.py": b"x = 1\n",
            "gone.py": None,
            "run.sh": FileChange(b"#!/bin/sh\n", "100755"),
            "link": FileChange(b"/etc/passwd", "120000"),
        },
    )
    result = value(merge(agent, rev))
    assert result["merged_into"] == "main"
    assert set(result["files"]) == {"src/auth.py", "src/jwt.py", "gone.py", "run.sh", "link"}
    commit = git(managed(), "rev-parse", BRANCH)
    assert result["commit"] == commit == git(managed(), "rev-parse", "main")
    assert git(managed(), "rev-parse", f"{commit}^") == git(source, "rev-parse", "HEAD")
    told = git(managed(), "diff-tree", "-r", "--name-status", f"{commit}^", commit)
    assert sorted(told.split("\n")) == [
        "A\tlink", "A\trun.sh", "A\tsrc/jwt.py", "D\tgone.py", "M\tsrc/auth.py"
    ]  # fmt: skip
    modes = git(managed(), "ls-tree", commit, "link", "run.sh", "sub")
    assert [line.split()[0] for line in modes.split("\n")] == ["120000", "100755", "160000"]
    assert git(managed(), "cat-file", "-p", f"{commit}:link") == "/etc/passwd"
    assert git(managed(), "show", "-s", "--format=%an <%ae> %s", commit) == (
        "worker <worker@gatehouse.invalid> Move"
    )
    git(managed(), "fsck", "--strict")


def test_doing_it_twice_makes_the_same_commit(agent: Agent, project: Project) -> None:
    rev = change(project, **{"src/auth.py": b"x = 2\n"})
    first, second = value(merge(agent, rev)), value(merge(agent, rev))
    assert first["commit"] == second["commit"]
    assert git(managed(), "rev-list", "--count", "main") == "3"


def test_a_file_may_become_a_folder(agent: Agent, project: Project) -> None:
    rev = change(project, **{"a/b": None})
    rev = change(project, **{"a/b/c": b"1"})
    result = value(merge(agent, rev))
    assert git(managed(), "cat-file", "-p", f"{result['commit']}:a/b/c") == "1"


def test_a_second_branch_merges_beside_the_first(agent: Agent, project: Project) -> None:
    first = change(project, **{"one.py": b"1\n"})
    value(merge(agent, first, "gatehouse/one"))
    second = change(project, **{"two.py": b"2\n"})
    result = value(merge(agent, second, "gatehouse/two"))
    head = git(managed(), "rev-parse", "main")
    assert result["commit"] == head
    assert len(git(managed(), "show", "-s", "--format=%P", head).split()) == 2
    assert value(merge(agent, second, "gatehouse/two"))["commit"] == head
    git(managed(), "fsck", "--strict")


def test_sides_that_changed_the_same_lines_conflict(agent: Agent, project: Project) -> None:
    value(merge(agent, change(project, **{"src/auth.py": b"x = 2\n"}), "gatehouse/one"))
    rev = change(project, **{"src/auth.py": b"x = 3\n"})
    before = git(managed(), "for-each-ref")
    found = merge(agent, rev, "gatehouse/two")
    assert fault(found) == "merge_conflict"
    assert found.payload.error["paths"] == ["src/auth.py"]
    assert git(managed(), "for-each-ref") == before


@pytest.mark.parametrize(
    "branch", ["main", "../x", "a..b", "x.lock", "-x", "a b", "x@{1}", "refs/../x", "a//b", "x\ny"]
)
def test_names_that_are_no_branch_are_refused(agent: Agent, project: Project, branch: str) -> None:
    before = git(managed(), "for-each-ref")
    assert fault(merge(agent, 1, branch)) == "invalid_branch"
    assert git(managed(), "for-each-ref") == before


def test_a_branch_with_another_commit_is_not_overwritten(agent: Agent, project: Project) -> None:
    value(merge(agent, change(project, **{"one.py": b"1\n"})))
    assert fault(merge(agent, change(project, **{"two.py": b"2\n"}))) == "branch_taken"


def test_a_project_without_a_repository_has_nothing_to_merge_into(agent: Agent, team: Team) -> None:
    projects.create("auth-refactor", team=team, by=SYSTEM)
    from orchestration.calls import Refused  # noqa: PLC0415

    with pytest.raises(Refused) as refused:
        merge(agent, 0)
    assert refused.value.reason == "unavailable"


def test_a_project_of_another_team_is_not_there(other_agent: Agent, project: Project) -> None:
    from orchestration.calls import Refused  # noqa: PLC0415

    with pytest.raises(Refused) as refused:
        merge(other_agent, 1)
    assert refused.value.reason == "invalid_arguments"
    assert refused.value.errors[0].pointer == "/project"


def test_attributes_and_filters_of_the_project_do_nothing(
    agent: Agent, team: Team, tmp_path: Path
) -> None:
    trap = tmp_path / "sprung"
    evil = repos.booby_trapped(tmp_path / "evil", trap)
    project = projects.create("auth-refactor", team=team, by=SYSTEM)
    repositories.import_repository(project, evil, by=SYSTEM)
    rev = change(project, **{"a.py": b"x = 2\r\n", ".gitattributes": b"* text=auto ident\n"})
    result = value(merge(agent, rev))
    assert not trap.exists()
    raw = git(managed(), "cat-file", "-s", f"{result['commit']}:a.py")
    assert raw == "7"


def test_the_branch_comes_back_and_nothing_else_is_touched(
    agent: Agent, project: Project, source: Path
) -> None:
    (source / "src" / "auth.py").write_text("not committed")
    result = value(merge(agent, change(project, **{"src/auth.py": b"x = 2\n"})))
    before = printed(source)
    commit = repositories.fetch_branch(managed(), source, BRANCH)
    assert commit == result["commit"]
    after = printed(source)
    new = {path for path in after if path not in before}
    assert {path: after[path] for path in before} == before
    packs = {path for path in new if path.startswith(".git/objects/pack/pack-")}
    assert new - packs == {".git/refs/heads/gatehouse", f".git/refs/heads/{BRANCH}"}
    assert len(packs) == 2
    assert git(source, "rev-parse", BRANCH) == commit
    git(source, "fsck", "--strict")
    assert repositories.fetch_branch(managed(), source, BRANCH) == commit
    assert printed(source) == after


def test_nothing_runs_when_a_branch_comes_back_to_a_trap(
    agent: Agent, team: Team, tmp_path: Path
) -> None:
    trap = tmp_path / "sprung"
    evil = repos.booby_trapped(tmp_path / "evil", trap)
    project = projects.create("auth-refactor", team=team, by=SYSTEM)
    repositories.import_repository(project, evil, by=SYSTEM)
    value(merge(agent, change(project, **{"a.py": b"x = 2\n"})))
    commit = repositories.fetch_branch(managed(), evil, BRANCH)
    assert not trap.exists()
    assert (evil / ".git" / "refs" / "heads" / BRANCH).read_text() == f"{commit}\n"


def test_a_branch_that_is_taken_over_there_is_left_alone(
    agent: Agent, project: Project, source: Path
) -> None:
    value(merge(agent, change(project, **{"src/auth.py": b"x = 2\n"})))
    git(source, "branch", BRANCH)
    with pytest.raises(Conflict):
        repositories.fetch_branch(managed(), source, BRANCH)
    git(source, "branch", "-D", BRANCH)
    git(source, "branch", "gatehouse")
    for _ in range(2):
        with pytest.raises(Conflict):
            repositories.fetch_branch(managed(), source, BRANCH)
        git(source, "pack-refs", "--all")
    with pytest.raises(Invalid):
        repositories.fetch_branch(managed(), source, "no-such-branch")


def test_references_that_are_a_link_elsewhere_are_not_written_through(
    agent: Agent, project: Project, source: Path, tmp_path: Path
) -> None:
    value(merge(agent, change(project, **{"src/auth.py": b"x = 2\n"})))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (source / ".git" / "refs" / "heads" / "gatehouse").symlink_to(elsewhere)
    with pytest.raises(Conflict):
        repositories.fetch_branch(managed(), source, BRANCH)
    assert list(elsewhere.iterdir()) == []


def test_the_programs_need_nothing_but_the_standard_library() -> None:
    allowed = {"collections", "json", "os", "re", "stat", "subprocess", "sys", "typing", ""}
    for path in Path(str(programs.__file__)).parent.glob("*.py"):
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                assert line.split()[1].split(".")[0] in allowed, (path.name, line)

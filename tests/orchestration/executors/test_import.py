"""Somebody else's repository comes in whole, runs nothing, and is left as it was."""

import os
from pathlib import Path

import pytest
from kernel.actor import SYSTEM
from kernel.problems import Conflict, Invalid

from context import files, projects
from context.models import Project
from governance.models import AuditEvent
from orchestration import repositories
from registry.models import Team
from tests.orchestration.executors import repos
from tests.orchestration.executors.repos import git, make, printed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


@pytest.fixture
def project(team: Team) -> Project:
    return projects.create("auth-refactor", team=team, by=SYSTEM)


def paths(project: Project) -> dict[str, str]:
    return {entry.path: entry.mode for entry in files.listing(project.id)}


def test_the_files_of_head_become_rev_one(project: Project, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {"src/a.py": "x = 1\n", "b.txt": "é\n"}, branch="trunk")
    (source / "b.txt").write_text("not committed")
    before = printed(source)
    changeset = repositories.import_repository(project, source, by=SYSTEM)
    project.refresh_from_db()
    assert (changeset.rev, changeset.kind) == (1, "import")
    assert (project.repository, project.branch) == ("auth-refactor.git", "trunk")
    assert files.read(project.id, "b.txt")[1] == "é\n".encode()
    assert printed(source) == before
    managed = repositories.folder() / project.repository
    assert git(managed, "rev-parse", "refs/heads/trunk") == git(source, "rev-parse", "HEAD")
    git(managed, "fsck", "--strict")
    assert AuditEvent.objects.filter(event="repository.imported").count() == 1


def test_nothing_in_a_booby_trapped_repository_runs(project: Project, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    source = repos.booby_trapped(tmp_path / "evil", trap)
    before = printed(source)
    repositories.import_repository(project, source, by=SYSTEM)
    assert not trap.exists()
    assert printed(source) == before
    config = (repositories.folder() / "auth-refactor.git" / "config").read_text()
    assert "evil" not in config
    assert not (repositories.folder() / "auth-refactor.git" / "hooks").exists()


def test_history_comes_with_it(project: Project, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {"a": "1"})
    repos.commit(source, {"a": "2"})
    repositories.import_repository(project, source, by=SYSTEM)
    managed = repositories.folder() / "auth-refactor.git"
    assert git(managed, "rev-list", "--count", "main") == "2"


def test_a_bare_repository_and_a_linked_worktree_are_read_too(team: Team, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {"a": "1"})
    git(tmp_path, "clone", "--quiet", "--bare", str(source), "bare.git")
    git(source, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    repos.commit(tmp_path / "tree", {"b": "2"})
    git(source, "pack-refs", "--all")
    for name, path, expected in (
        ("bare", tmp_path / "bare.git", {"a"}),
        ("linked", tmp_path / "tree", {"a", "b"}),
    ):
        project = projects.create(name, team=team, by=SYSTEM)
        repositories.import_repository(project, path, by=SYSTEM)
        assert set(paths(project)) == expected


def test_a_detached_head_and_a_shallow_clone_are_read_too(team: Team, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {"a": "1"})
    repos.commit(source, {"a": "2"})
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{source}", "shallow")
    git(source, "checkout", "--quiet", "--detach")
    for name, path in (("detached", source), ("shallow", tmp_path / "shallow")):
        project = projects.create(name, team=team, by=SYSTEM)
        repositories.import_repository(project, path, by=SYSTEM)
        assert paths(project) == {"a": "100644"}
        git(repositories.folder() / f"{name}.git", "fsck", "--strict")


def test_links_modes_submodules_and_large_files_are_told_apart(
    project: Project, tmp_path: Path
) -> None:
    inner = make(tmp_path / "inner", {"x": "1"})
    source = make(tmp_path / "r", {"run.sh": "#!/bin/sh\n", "large": "x" * (17 << 20)})
    (source / "run.sh").chmod(0o755)
    (source / "passwords").symlink_to("/etc/passwd")
    git(
        source, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub"
    )
    repos.commit(source, {"lfs.bin": "version https://git-lfs.github.com/spec/v1\n"})
    report = repositories.import_with_report(project, source, by=SYSTEM)
    assert paths(project) == {
        ".gitmodules": "100644",
        "lfs.bin": "100644",
        "passwords": "120000",
        "run.sh": "100755",
    }
    assert files.read(project.id, "passwords")[1] == b"/etc/passwd"
    assert dict(report.skipped) == {
        "sub": "it is a submodule",
        "large": f"it has {17 << 20} bytes, over {16 << 20}",
    }


def test_five_thousand_files_come_in(project: Project, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {f"d{n % 50}/f{n}.py": f"x = {n}\n" for n in range(5_000)})
    repositories.import_repository(project, source, by=SYSTEM)
    assert len(paths(project)) == 5_000


def test_paths_that_no_project_may_hold_stay_out(project: Project, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {"a": "1"})
    blob = git(source, "hash-object", "-w", "a")
    evil = git(source, "hash-object", "-t", "tree", "-w", "--literally", str(_tree(source, blob)))
    commit = git(source, "commit-tree", evil, "-m", "evil")
    git(source, "update-ref", "refs/heads/main", commit)
    report = repositories.import_with_report(project, source, by=SYSTEM)
    assert set(paths(project)) == {"fine"}
    assert {path for path, _ in report.skipped} == {"..", ".git", "a\\b"}


def _tree(source: Path, blob: str) -> Path:
    raw = b"".join(
        b"100644 " + name + b"\0" + bytes.fromhex(blob)
        for name in (b"..", b".git", b"a\\b", b"fine")
    )
    path = source.parent / "tree"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("kind", ["nothing", "link", "foreign", "empty", "borrowed", "looped"])
def test_what_is_no_repository_of_its_own_is_refused(
    project: Project, tmp_path: Path, kind: str
) -> None:
    secret = make(tmp_path / "secret", {"key": "s3cr3t"})
    folder = tmp_path / "r"
    if kind == "borrowed":
        git(tmp_path, "clone", "--quiet", "--shared", str(secret), "r")
    else:
        folder.mkdir()
    if kind == "link":
        (folder / ".git").symlink_to(secret / ".git")
    elif kind == "foreign":
        (folder / ".git").write_text(f"gitdir: {secret}/.git\n")
    elif kind == "empty":
        git(folder, "init", "--quiet")
    elif kind == "looped":
        git(folder, "init", "--quiet")
        (folder / ".git" / "refs" / "heads" / "main").write_text("ref: refs/heads/main\n")
        (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    with pytest.raises(Invalid):
        repositories.import_repository(project, folder, by=SYSTEM)
    project.refresh_from_db()
    assert (project.rev, project.repository) == (0, "")
    assert os.listdir(repositories.folder()) == [] if repositories.folder().exists() else True


def test_objects_that_are_a_link_elsewhere_are_not_followed(
    project: Project, tmp_path: Path
) -> None:
    secret = make(tmp_path / "secret", {"key": "s3cr3t"})
    source = make(tmp_path / "r", {"a": "1"})
    head = git(secret, "rev-parse", "HEAD")
    (source / ".git" / "refs" / "heads" / "main").write_text(head + "\n")
    alternates = source / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(f"{secret}/.git/objects\n")
    with pytest.raises(Invalid):
        repositories.import_repository(project, source, by=SYSTEM)
    (source / ".git" / "objects").rename(source / ".git" / "old")
    (source / ".git" / "objects").symlink_to(secret / ".git" / "objects")
    with pytest.raises(Invalid):
        repositories.import_repository(project, source, by=SYSTEM)


def test_a_project_has_one_repository(project: Project, tmp_path: Path) -> None:
    source = make(tmp_path / "r", {"a": "1"})
    repositories.import_repository(project, source, by=SYSTEM)
    project.refresh_from_db()
    with pytest.raises(Conflict):
        repositories.import_repository(project, source, by=SYSTEM)

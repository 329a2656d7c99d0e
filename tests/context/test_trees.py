"""A project's files as a folder: whole, addressed by content, bounded, safe from its own links."""

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from context import changesets, trees
from context.changesets import FileChange
from context.models import Project
from registry.models import Agent
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "trees"


def old(tree: Path) -> None:
    """As if the tree was last used a day ago."""
    day_ago = time.time() - 86_400
    os.utime(tree.parent, (day_ago, day_ago))


def homes(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_the_tree_is_what_the_project_holds(change: Change, project: Project, root: Path) -> None:
    change({"src/a.py": "1", "data.bin": b"\x00\xff", "empty": ""})
    change({"src/a.py": "2", "empty": None})
    first, second = (trees.materialise(project.id, rev, root=root) for rev in (1, 2))
    assert (first / "src/a.py").read_bytes() == b"1"
    assert (first / "data.bin").read_bytes() == b"\x00\xff"
    assert (first / "empty").read_bytes() == b""
    assert (second / "src/a.py").read_bytes() == b"2"
    assert not (second / "empty").exists()


def test_an_empty_project_has_an_empty_tree(project: Project, root: Path) -> None:
    assert list(trees.materialise(project.id, 0, root=root).iterdir()) == []


def test_the_same_files_are_laid_out_once(change: Change, project: Project, root: Path) -> None:
    change({"a": "1"})
    change({"a": "2"})
    change({"a": "1"})
    found = [trees.materialise(project.id, rev, root=root) for rev in (1, 2, 3)]
    assert found[0] == found[2] != found[1]
    assert len(homes(root)) == 2


def test_another_user_can_read_it_whatever_the_umask(
    project: Project, agent: Agent, root: Path
) -> None:
    files = {"bin/run": FileChange(b"#!/bin/sh\n", "100755"), "a/b/c": FileChange(b"1")}
    changesets.apply(project.id, base_rev=0, by=agent.actor, files=files)
    before = os.umask(0o077)
    try:
        tree = trees.materialise(project.id, 1, root=root)
    finally:
        os.umask(before)
    modes = {str(p.relative_to(tree)): stat.S_IMODE(p.stat().st_mode) for p in tree.rglob("*")}
    assert modes == {"bin": 0o755, "bin/run": 0o755, "a": 0o755, "a/b": 0o755, "a/b/c": 0o644}
    assert [stat.S_IMODE(p.stat().st_mode) for p in (tree, tree.parent)] == [0o755, 0o755]


def test_links_are_kept_and_never_followed(
    project: Project, agent: Agent, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    files = {
        "a-link": FileChange(str(outside).encode(), "120000"),
        "dir": FileChange(b"/etc", "120000"),
        "z": FileChange(b"1"),
    }
    changesets.apply(project.id, base_rev=0, by=agent.actor, files=files)
    tree = trees.materialise(project.id, 1, root=root)
    assert os.readlink(tree / "a-link") == str(outside)
    assert os.readlink(tree / "dir") == "/etc"
    assert outside.read_text() == "untouched"


def test_the_longest_unused_goes_first(change: Change, project: Project, root: Path) -> None:
    change({"a": "1"})
    change({"a": "2"})
    change({"a": "3"})
    found = [trees.materialise(project.id, rev, root=root) for rev in (1, 2, 3)]
    for tree in found:
        old(tree)
    trees.materialise(project.id, 1, root=root)
    old(found[0])
    os.utime(found[1].parent, (1, 1))
    assert trees.evict(root, most_trees=2) == 1
    assert [tree.exists() for tree in found] == [True, False, True]
    assert trees.evict(root, most_bytes=1) == 1
    assert len(homes(root)) == 1


def test_what_is_held_or_fresh_stays(change: Change, project: Project, root: Path) -> None:
    change({"a": "1"})
    with trees.held(project.id, 1, root=root) as tree:
        old(tree)
        assert trees.evict(root, most_trees=0) == 0
        assert (tree / "a").read_text() == "1"
    trees.materialise(project.id, 1, root=root)
    assert trees.evict(root, most_trees=0) == 0
    old(tree)
    assert trees.evict(root, most_trees=0) == 1
    assert homes(root) == []


def test_a_dead_writers_draft_is_swept_and_never_used(
    change: Change, project: Project, root: Path
) -> None:
    change({"a": "1"})
    draft = root / ".new-1-dead"
    (draft / "files").mkdir(parents=True)
    (draft / "files" / "a").write_text("half")
    os.utime(draft, (1, 1))
    tree = trees.materialise(project.id, 1, root=root)
    assert (tree / "a").read_text() == "1"
    assert homes(root) == [tree.parent.name]


def test_many_at_once_lay_out_one_tree(change: Change, project: Project, root: Path) -> None:
    entries_of = {f"f{n}": str(n) for n in range(50)}
    change(dict(entries_of))
    entries = trees.files.listing(project.id)
    home = root / trees.digest(entries)
    contents = dict(trees.blobs.stream(entry.sha256 for entry in entries))
    failures: list[BaseException] = []

    def lay_out() -> None:
        try:
            trees._lay_out(entries, home)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees.blobs, "stream", lambda digests: list(contents.items()))
        threads = [threading.Thread(target=lay_out) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert homes(root) == [home.name]
    assert {p.name: p.read_text() for p in (home / "files").iterdir()} == entries_of

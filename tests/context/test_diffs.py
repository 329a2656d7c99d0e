"""What differs between two revs: rows for people, a patch that git applies, a bounded cost."""

import difflib
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel.problems import Invalid

from context import changesets, diffs, files, lines, trees
from context.changesets import FileChange
from context.models import Project
from registry.models import Agent
from tests.context.conftest import Change

TEXTS = st.lists(
    st.sampled_from(["a\n", "b\n", "c\n", "a b\n", "\x0c\n", "é\u2028\n"]), max_size=25
)


def rebuilt(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    before: list[str] = []
    after: list[str] = []
    for tag, i1, i2, j1, j2 in lines.opcodes(old, new):
        assert tag != "equal" or old[i1:i2] == new[j1:j2]
        before += old[i1:i2]
        after += new[j1:j2]
    return before, after


@given(TEXTS, TEXTS)
def test_the_blocks_cover_both_texts(old: list[str], new: list[str]) -> None:
    assert rebuilt(old, new) == (old, new)


@given(TEXTS, TEXTS)
def test_no_shorter_edit_is_missed(old: list[str], new: list[str]) -> None:
    """Myers' is the shortest edit script: never longer than difflib's."""

    def edits(codes: list[lines.Opcode]) -> int:
        return sum(i2 - i1 + j2 - j1 for tag, i1, i2, j1, j2 in codes if tag != "equal")

    other = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    assert edits(lines.opcodes(old, new)) <= edits(other)


@given(st.text(alphabet="a\n\r\x0b\x0c\u2028", max_size=40))
def test_lines_break_at_line_feeds_alone(text: str) -> None:
    found = lines.split(text)
    assert "".join(found) == text
    assert all(line.index("\n") == len(line) - 1 for line in found if "\n" in line)


def test_a_hostile_pair_costs_little() -> None:
    old = [f"{n % 7}\n" for n in range(20_000)]
    new = [f"{n % 11}\n" for n in range(20_000)]
    started = time.perf_counter()
    assert rebuilt(old, new) == (old, new)
    assert time.perf_counter() - started < 10


@pytest.mark.django_db
def test_rows_stand_side_by_side(change: Change, project: Project) -> None:
    change({"a": "one\ntwo\nthree\n"})
    change({"a": "one\nTWO\n2\nthree\n"})
    [found] = diffs.between(project.id, 1, 2)
    assert (found.kind, found.added, found.deleted) == ("modified", 2, 1)
    assert found.rows == (
        diffs.Row("gap", None, "@@ -1,3 +1,4 @@", None, ""),
        diffs.Row("ctx", 1, "one", 1, "one"),
        diffs.Row("mod", 2, "two", 2, "TWO"),
        diffs.Row("add", None, "", 3, "2"),
        diffs.Row("ctx", 3, "three", 4, "three"),
    )


@pytest.mark.django_db
def test_each_kind_is_told(change: Change, project: Project, agent: Agent) -> None:
    change({"gone": "1", "same": "1", "there-and-back": "1", "run": "1"})
    change({"there-and-back": "2", "gone": None, "new": "1"})
    change({"there-and-back": "1"})
    executable = {"run": FileChange(b"1", "100755")}
    changesets.apply(project.id, base_rev=3, by=agent.actor, files=executable)
    found = {d.path: d for d in diffs.between(project.id, 1, 4)}
    assert {path: d.kind for path, d in found.items()} == {
        "gone": "deleted",
        "new": "added",
        "run": "modified",
    }
    assert (found["gone"].new_text, found["new"].old_text) == (None, None)
    assert (found["run"].old_mode, found["run"].new_mode) == ("100644", "100755")
    backwards = {d.path: d.kind for d in diffs.between(project.id, 4, 1)}
    assert backwards == {"gone": "added", "new": "deleted", "run": "modified"}
    assert [d.path for d in diffs.between(project.id, 1, 4, paths=["new", "same"])] == ["new"]


@pytest.mark.django_db
def test_binary_and_oversized_content_is_not_compared(change: Change, project: Project) -> None:
    change({"bin": b"\x00", "latin": "é".encode("latin-1"), "long": "x\n" * 25_000, "big": "1"})
    large = {"big": "x" * (2 * 1024 * 1024), "long": "y\n" * 25_000}
    change({"bin": b"\x01", "latin": b"\xff"})
    change(dict(large), kind="import")
    found = {d.path: d for d in diffs.between(project.id, 1, 3)}
    assert (found["latin"].binary, found["latin"].rows) == (True, ())
    assert found["bin"].binary
    assert all(found[p].oversized and found[p].rows == () for p in ("big", "long"))
    assert found["big"].new_size == 2 * 1024 * 1024
    assert all("differ" in d.unified for d in found.values())


@pytest.mark.django_db
def test_an_unknown_rev_is_refused(project: Project) -> None:
    with pytest.raises(Invalid):
        diffs.between(project.id, 0, 1)


FILES = st.dictionaries(
    st.sampled_from(["a", "b c", 'd"e', "f/g.py", "é"]),
    st.tuples(st.text(alphabet="ab\n\r\x0c", max_size=30), st.sampled_from(["100644", "100755"])),
    max_size=5,
)


@pytest.mark.django_db
# Each example goes on from the rev where the one before it ended.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=FILES, second=FILES)
def test_git_applies_what_it_is_given(
    project: Project,
    agent: Agent,
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, tuple[str, str]],
    second: dict[str, tuple[str, str]],
) -> None:
    scratch: Path = tmp_path_factory.mktemp("git")
    start = files.current_rev(project.id)
    revs = [_become(project, agent, wanted) for wanted in (first, second)]
    before, after = (trees.materialise(project.id, rev, root=scratch) for rev in revs)
    patch = "".join(d.unified for d in diffs.between(project.id, revs[0], revs[1]))
    assert start <= revs[0] <= revs[1]
    if patch:
        command = ["git", "apply", "--whitespace=nowarn", "-"]
        # Outside of any repository git takes the folder as it is.
        env = {"GIT_CEILING_DIRECTORIES": str(scratch), "PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
        subprocess.run(command, input=patch.encode(), cwd=before, env=env, check=True)
    assert _tree(before) == _tree(after)


def _become(project: Project, agent: Agent, wanted: dict[str, tuple[str, str]]) -> int:
    there = {entry.path: FileChange(None) for entry in files.listing(project.id)}
    new = {path: FileChange(text.encode(), mode) for path, (text, mode) in wanted.items()}
    rev = files.current_rev(project.id)
    entry = changesets.DecisionEntry("next")
    made = changesets.apply(
        project.id, base_rev=rev, by=agent.actor, files=there | new, decisions=[entry]
    )
    return made.rev


def _tree(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), _executable(p))
        for p in folder.rglob("*")
        if p.is_file()
    }


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)

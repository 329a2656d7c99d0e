"""Whatever is written, deleted and rolled back: the state at every rev is what it was."""

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kernel.problems import Invalid

from context import changesets, diffs, files, projects, rollback
from context.changesets import FileChange
from context.models import Changeset, File
from tests import factories

PATHS = st.sampled_from(["a", "b", "dir/a", "dir/b", "A"])
TEXTS = st.sampled_from([b"", b"1", b"2", b"\x00"])
WRITES = st.dictionaries(PATHS, st.one_of(st.none(), TEXTS), min_size=1, max_size=4)
State = dict[str, bytes]


class History(RuleBasedStateMachine):
    """A dict for each rev stands beside the project."""

    numbers = iter(range(1_000_000))

    @initialize()
    def start(self) -> None:
        self.team = factories.make_team("search")
        agent = factories.make_agent(f"worker_{next(self.numbers)}", self.team)
        self.by = agent.actor
        name = f"history-{next(self.numbers)}"
        self.project = projects.create(name, team=self.team, by=self.by)
        self.revs: list[State] = [{}]

    @rule(writes=WRITES)
    def write(self, writes: dict[str, bytes | None]) -> None:
        state = {path: text for path, text in (self.revs[-1] | writes).items() if text is not None}
        changes = {path: FileChange(text) for path, text in writes.items()}
        rev = len(self.revs) - 1
        if state == self.revs[-1]:
            self._nothing(rev, changes)
            return
        made = changesets.apply(self.project.id, base_rev=rev, by=self.by, files=changes)
        self._made(made, state)

    def _nothing(self, rev: int, changes: dict[str, FileChange]) -> None:
        if rev == 0:
            with pytest.raises(Invalid):
                changesets.apply(self.project.id, base_rev=0, by=self.by, files=changes)
        else:
            made = changesets.apply(self.project.id, base_rev=rev, by=self.by, files=changes)
            assert made.rev == rev

    @rule(path=PATHS, text=TEXTS)
    def write_unseen(self, path: str, text: bytes) -> None:
        """The writer has seen what it wrote itself, so the ledger lets it write again."""
        if self.revs[-1].get(path) == text:
            return
        files_ = {path: FileChange(text)}
        made = changesets.apply(self.project.id, base_rev=None, by=self.by, files=files_)
        self._made(made, self.revs[-1] | {path: text})

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        if len(self.revs) == 1:
            return
        rev = data.draw(st.integers(0, len(self.revs) - 2))
        made = rollback.to(self.project.id, rev, by=self.by, reason="")
        seen = {path for path, _, _ in diffs.changes(self.project.id, made.rev - 1, made.rev)}
        for path in seen:
            try:
                files.read(self.project.id, path, reader_id=self.by.id)
            except files.NotFound:
                assert path not in self.revs[rev]
        self._made(made, self.revs[rev])

    @rule(path=PATHS, text=TEXTS, data=st.data())
    def write_on_an_old_base(self, path: str, text: bytes, data: st.DataObject) -> None:
        base = data.draw(st.integers(1, len(self.revs) - 1)) if len(self.revs) > 1 else 0
        states = [state.get(path) for state in self.revs[base:]]
        touched = any(one != other for one, other in pairwise(states))
        if not base or not touched:
            return
        before = len(self.revs)
        with pytest.raises(changesets.Stale):
            changesets.apply(
                self.project.id, base_rev=base, by=self.by, files={path: FileChange(text)}
            )
        assert Changeset.objects.filter(project=self.project).count() == before - 1

    def _made(self, made: Changeset, state: State) -> None:
        assert made.rev == len(self.revs)
        self.revs.append(state)

    def teardown(self) -> None:
        for rev in range(len(getattr(self, "revs", []))):
            self._reads_as_it_was(rev)

    def _reads_as_it_was(self, rev: int) -> None:
        listed = files.listing(self.project.id, at_rev=rev)
        assert {entry.path for entry in listed} == set(self.revs[rev])
        for entry in listed:
            version, content = files.read(self.project.id, entry.path, at_rev=rev)
            assert content == self.revs[rev][entry.path]
            assert (version.version, version.rev) == (entry.version, entry.rev)

    @invariant()
    def the_rows_of_now_are_those_of_the_last_rev(self) -> None:
        if not hasattr(self, "revs"):
            return
        now = files.listing(self.project.id)
        assert now == files.listing(self.project.id, at_rev=len(self.revs) - 1)
        past = list(files._past(self.project.id, len(self.revs) - 1, ""))
        assert sorted(files._entry(row).path for row in past) == [e.path for e in now]
        assert File.objects.filter(project=self.project).count() == len(self.revs[-1])

    @invariant()
    def revs_have_no_gap(self) -> None:
        if hasattr(self, "revs"):
            rows = Changeset.objects.filter(project=self.project).order_by("rev")
            expected = list(range(1, len(self.revs)))
            assert list(rows.values_list("rev", flat=True)) == expected


class TestHistory(History.TestCase, TestCase):  # type: ignore[misc,name-defined]
    """Each sequence runs in a transaction of its own."""

    settings = settings(max_examples=25, stateful_step_count=15, deadline=None)

"""A decision's status moves along a closed table, and every rev keeps what it was."""

from itertools import product
from uuid import UUID, uuid4

import pytest
from kernel.problems import Invalid

from context import changesets, decisions, projects
from context.changesets import DecisionEntry
from context.decisions import MOVES, IllegalMove
from context.models import Project
from context.models.changes import DecisionStatus
from governance.models import AuditEvent
from registry.models import User
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db

FIRST = ("proposed", "accepted", "implemented", "rejected")


def decide(change: Change, status: str = "proposed", text: str = "Split it") -> UUID:
    changeset = change({}, decisions=[DecisionEntry(decision=text, status=status)])
    return changeset.decisions.get().key


def test_the_table_covers_every_status() -> None:
    assert set(MOVES) == set(DecisionStatus.values)
    assert all(moves <= set(DecisionStatus.values) for moves in MOVES.values())


@pytest.mark.parametrize(("old", "new"), [*product(FIRST, DecisionStatus.values)])
def test_a_move_is_made_only_if_the_table_holds_it(change: Change, old: str, new: str) -> None:
    key = decide(change, old)
    move = {"decisions": [DecisionEntry(key=key, status=new)], "summary": "move"}
    if new in MOVES[old]:
        assert change({}, **move).rev == 2
    elif new == old:
        assert change({}, **move).rev == 1
    else:
        with pytest.raises(IllegalMove) as refused:
            change({"a": "1"}, **move)
        assert refused.value.extra["allowed"] == sorted(MOVES[old])


def test_a_decision_ends_superseded(change: Change) -> None:
    key = decide(change)
    change({}, decisions=[DecisionEntry(key=key, status="superseded")])
    for status in FIRST:
        with pytest.raises(IllegalMove, match="can't change any more"):
            change({}, decisions=[DecisionEntry(key=key, status=status)])


def test_a_decision_keeps_who_and_when_and_any_rev_reads_back(
    change: Change, project: Project, alice: User
) -> None:
    key = decide(change)
    accepted = DecisionEntry(key=key, status="accepted", rationale="Reviewed")
    change({}, decisions=[accepted], by=alice.actor)
    before, after = (decisions.at(project.id, rev)[0] for rev in (1, 2))
    assert (before.status, after.status) == ("proposed", "accepted")
    assert (after.agent, after.decided_at) == ("worker", before.decided_at)
    assert (after.decision, after.rationale) == ("Split it", "Reviewed")
    assert decisions.at(project.id, 0) == []


def test_a_new_decision_supersedes_an_old_one(change: Change, project: Project) -> None:
    key = decide(change, "accepted")
    change({}, decisions=[DecisionEntry("Merge it again", supersedes=key, status="accepted")])
    shown = projects.as_json(project)["decisions"]
    assert [(d["decision"], d["status"]) for d in shown] == [
        ("Split it", "superseded"),
        ("Merge it again", "accepted"),
    ]
    assert shown[1]["supersedes"] == str(key)


def test_a_decision_and_its_files_stand_or_fall_together(change: Change, project: Project) -> None:
    key = decide(change, "rejected")
    with pytest.raises(IllegalMove):
        change({"a": "1"}, decisions=[DecisionEntry(key=key, status="accepted")])
    assert projects.as_json(project)["files"] == []


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (DecisionEntry(""), "/decisions/0/decision"),
        (DecisionEntry("x", status="done"), "/decisions/0/status"),
        (DecisionEntry("x", status="superseded"), "/decisions/0/status"),
        (DecisionEntry("x", supersedes=uuid4()), "/decisions/0/supersedes"),
        (DecisionEntry("x" * 10_001), "/decisions/0/decision"),
        (DecisionEntry("x\x00"), "/decisions/0/decision"),
    ],
)
def test_a_fault_names_its_place(change: Change, entry: DecisionEntry, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        change({}, decisions=[entry])
    assert refused.value.errors[0].pointer == place


def test_one_changeset_moves_a_decision_once(change: Change) -> None:
    key = decide(change)
    both = [DecisionEntry(key=key, status=status) for status in ("accepted", "implemented")]
    with pytest.raises(Invalid, match="touches the same decision twice"):
        change({}, decisions=both)


def test_another_projects_decision_cannot_be_moved(
    change: Change, project: Project, alice: User
) -> None:
    other = projects.create("other", team=project.team, by=alice.actor)
    key = decide(change)
    with pytest.raises(Invalid, match="has no decision"):
        changesets.apply(
            other.id,
            base_rev=None,
            by=alice.actor,
            decisions=[DecisionEntry(key=key, status="accepted")],
        )


def test_each_decision_leaves_a_line_in_the_audit_log(change: Change) -> None:
    decide(change)
    line = AuditEvent.objects.get(event="decision.recorded")
    assert (line.data["decision"], line.data["status"]) == ("Split it", "proposed")

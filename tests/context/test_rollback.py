"""A rollback is one more changeset: it restores, it is undoable, and it forgets nothing."""

import pytest
from kernel.problems import Invalid

from context import files, projects, rollback
from context.changesets import DecisionEntry
from context.models import FileVersion, Project
from governance.models import AuditEvent
from registry.models import User
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db


@pytest.fixture
def changed(change: Change, project: Project) -> Project:
    change({"a": "1", "b": "1", "c": "1"}, kind="import", base=0)
    decision = [DecisionEntry("Drop c", status="implemented")]
    change({"a": "2", "c": None}, decisions=decision, status="in_progress", next_step="test")
    change({"a": "3", "d": "1"}, status="done")
    project.refresh_from_db()
    return project


def shown(project: Project, rev: int | None = None) -> dict[str, tuple[bytes, str]]:
    return {
        entry.path: (files.read(project.id, entry.path, at_rev=rev)[1], entry.modified_by)
        for entry in files.listing(project.id, at_rev=rev)
    }


def test_a_rollback_restores_files_status_and_next_step(changed: Project, alice: User) -> None:
    made = rollback.to(changed.id, 1, by=alice.actor, reason="It broke.")
    assert (made.rev, made.kind, made.base_rev) == (4, "rollback", 3)
    assert shown(changed) == shown(changed, 1) == dict.fromkeys("abc", (b"1", ""))
    after = projects.as_json(changed)
    assert (after["status"], after["next_step"]) == ("new", "")
    assert [file["state"] for file in after["files"]] == ["unchanged"] * 3
    assert [file["version"] for file in after["files"]] == [4, 1, 3]


def test_a_rollback_can_be_rolled_back(changed: Project, alice: User) -> None:
    before = shown(changed)
    rollback.to(changed.id, 1, by=alice.actor, reason="")
    undone = rollback.to(changed.id, 3, by=alice.actor, reason="It didn't.")
    assert undone.rev == 5
    assert shown(changed) == before
    assert (undone.status, undone.next_step) == ("done", "test")


def test_decisions_are_history_and_one_is_added(changed: Project, alice: User) -> None:
    rollback.to(changed.id, 1, by=alice.actor, reason="It broke.")
    made = projects.as_json(changed)["decisions"]
    assert [(d["decision"], d["status"], d["agent"], d["rationale"]) for d in made] == [
        ("Drop c", "implemented", "worker", ""),
        ("Rolled back to rev 1", "implemented", "alice", "It broke."),
    ]


def test_what_was_rolled_back_can_still_be_read(changed: Project, alice: User) -> None:
    before = [shown(changed, rev) for rev in range(4)]
    rollback.to(changed.id, 1, by=alice.actor, reason="")
    assert [shown(changed, rev) for rev in range(4)] == before


def test_only_what_differs_gets_a_version(changed: Project, alice: User) -> None:
    rollback.to(changed.id, 1, by=alice.actor, reason="")
    paths = FileVersion.objects.filter(rev=4).values_list("path", flat=True)
    assert sorted(paths) == ["a", "c", "d"]


def test_a_rollback_to_the_beginning_empties_the_project(changed: Project, alice: User) -> None:
    rollback.to(changed.id, 0, by=alice.actor, reason="")
    assert shown(changed) == {}


@pytest.mark.parametrize("rev", [3, 4, -1])
def test_a_rev_that_is_no_past_one_is_refused(changed: Project, alice: User, rev: int) -> None:
    with pytest.raises(Invalid):
        rollback.to(changed.id, rev, by=alice.actor, reason="")
    changed.refresh_from_db()
    assert changed.rev == 3


def test_a_rollback_leaves_its_line_in_the_audit_log(changed: Project, alice: User) -> None:
    rollback.to(changed.id, 1, by=alice.actor, reason="It broke.")
    line = AuditEvent.objects.get(event="project.rolled_back")
    assert line.data["summary"] == "Roll back to rev 1: It broke."

"""A changeset is applied whole or not at all, makes one rev, and never loses somebody's work."""

from uuid import uuid4

import pytest
from kernel.problems import Conflict, Invalid, TooLarge

from context import changesets, files, projects, reads
from context.changesets import FileChange
from context.models import Blob, Changeset, File, FileVersion, Project
from governance.models import AuditEvent
from registry.models import Agent, User
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db


def contents(project: Project, at_rev: int | None = None) -> dict[str, bytes]:
    listed = files.listing(project.id, at_rev=at_rev)
    return {e.path: files.read(project.id, e.path, at_rev=at_rev)[1] for e in listed}


def test_each_change_makes_the_next_rev(change: Change, project: Project) -> None:
    revs = [change({"a": str(n)}).rev for n in range(3)]
    assert revs == [1, 2, 3]
    assert contents(project) == {"a": b"2"}
    assert [contents(project, rev)["a"] for rev in revs] == [b"0", b"1", b"2"]


def test_disjoint_changes_merge(change: Change, project: Project, alice: User) -> None:
    change({"a": "1", "b": "1"})
    change({"a": "2"}, base=1)
    merged = change({"b": "2"}, base=1, by=alice.actor)
    assert (merged.rev, merged.base_rev) == (3, 1)
    assert contents(project) == {"a": b"2", "b": b"2"}


def test_a_change_of_what_somebody_changed_is_stale(
    change: Change, project: Project, alice: User
) -> None:
    change({"a": "one\ntwo\n", "b": "1"})
    change({"a": "one\nTWO\n"}, base=1, by=alice.actor, summary="Shout")
    with pytest.raises(changesets.Stale) as stale:
        change({"a": "one\nzwei\n", "b": "2"}, base=1)
    found = stale.value.as_json()
    assert (found["status"], found["rev"], found["base_rev"]) == (409, 2, 1)
    [conflict] = found["conflicts"]
    assert conflict["changed_by"] == {"kind": "user", "name": "alice"}
    assert (conflict["base_version"], conflict["current_version"]) == (1, 2)
    assert conflict["current"]["content"] == "one\nTWO\n"
    assert conflict["summary"] == "Shout"
    assert "-two\n+TWO\n" in conflict["diff"]
    assert contents(project) == {"a": b"one\nTWO\n", "b": b"1"}
    assert Changeset.objects.count() == 2


def test_two_who_add_the_same_path_are_in_conflict(change: Change) -> None:
    change({"a": "1"})
    change({"new": "mine"}, base=1)
    with pytest.raises(changesets.Stale):
        change({"new": "yours"}, base=1)


def test_a_change_of_a_deleted_file_is_stale(change: Change) -> None:
    change({"a": "1"})
    change({"a": None}, base=1)
    with pytest.raises(changesets.Stale) as stale:
        change({"a": "2"}, base=1)
    assert stale.value.as_json()["conflicts"][0]["current"] is None


def test_two_who_delete_the_same_file_agree(change: Change, project: Project) -> None:
    change({"a": "1", "b": "1"})
    change({"a": None}, base=1)
    assert change({"a": None, "b": "2"}, base=1).rev == 3
    assert contents(project) == {"b": b"2"}


def expecting(version: int | None, text: bytes | None = b"new") -> dict[str, FileChange]:
    return {"a": FileChange(text, expected_version=version)}


def test_a_named_version_that_is_not_current_fails(
    change: Change, project: Project, agent: Agent
) -> None:
    change({"a": "1"})
    change({"a": "2"})
    with pytest.raises(changesets.PreconditionFailed) as failed:
        changesets.apply(project.id, base_rev=2, by=agent.actor, files=expecting(1))
    [conflict] = failed.value.as_json()["conflicts"]
    assert conflict["current_version"] == 2
    assert "-1" in conflict["diff"]
    assert "+2" in conflict["diff"]
    applied = changesets.apply(project.id, base_rev=1, by=agent.actor, files=expecting(2))
    assert applied.rev == 3


def test_version_zero_means_that_the_path_is_free(
    change: Change, project: Project, agent: Agent
) -> None:
    changesets.apply(project.id, base_rev=None, by=agent.actor, files=expecting(0))
    with pytest.raises(changesets.PreconditionFailed):
        changesets.apply(project.id, base_rev=None, by=agent.actor, files=expecting(0))


def test_an_existing_file_is_not_overwritten_unseen(
    change: Change, project: Project, alice: User
) -> None:
    change({"a": "1"})
    for base in (None, 0):
        with pytest.raises(changesets.PreconditionRequired) as required:
            change({"a": "2"}, base=base, by=alice.actor)
        assert required.value.as_json()["conflicts"][0]["current"]["content"] == "1"
    files.read(project.id, "a", reader_id=alice.id)
    assert change({"a": "2"}, base=None, by=alice.actor).rev == 2


def test_without_a_base_the_ledger_says_what_was_seen(
    change: Change, project: Project, alice: User
) -> None:
    change({"a": "1"})
    files.read(project.id, "a", reader_id=alice.id)
    change({"a": "2"})
    with pytest.raises(changesets.Stale) as stale:
        change({"a": "3"}, base=None, by=alice.actor)
    assert stale.value.as_json()["conflicts"][0]["base_version"] == 1


def test_a_writer_has_seen_what_it_wrote(change: Change) -> None:
    change({"a": "1"}, base=None)
    change({"a": "2"}, base=None)
    assert change({"a": None}, base=None).rev == 3
    assert change({"a": "again"}, base=None).rev == 4


def test_a_run_has_a_ledger_of_its_own(change: Change, project: Project, agent: Agent) -> None:
    change({"a": "1"})
    run = uuid4()
    with pytest.raises(changesets.PreconditionRequired):
        change({"a": "2"}, base=None, run_id=run)
    files.read(project.id, "a", reader_id=run)
    assert change({"a": "2"}, base=None, run_id=run).run_id == run


def test_the_ledger_never_goes_back(change: Change, project: Project, alice: User) -> None:
    change({"a": "1"})
    change({"a": "2"})
    files.read(project.id, "a", reader_id=alice.id)
    files.read(project.id, "a", at_rev=1, reader_id=alice.id)
    assert change({"a": "3"}, base=None, by=alice.actor).rev == 3


def test_readers_learn_what_moved_on(change: Change, project: Project, alice: User) -> None:
    change({"a": "1", "b": "1"})
    for path in ("a", "b"):
        files.read(project.id, path, reader_id=alice.id)
    change({"a": "2"})
    change({"b": None})
    assert [(s.path, s.read_version, s.now_version, s.rev) for s in reads.stale(alice.id)] == [
        ("a", 1, 2, 2),
        ("b", 1, 2, 3),
    ]


def test_the_same_content_makes_no_version(change: Change, project: Project) -> None:
    first = change({"a": "1", "b": "1"})
    second = change({"a": "1", "b": "2"})
    assert FileVersion.objects.filter(path="a").count() == 1
    assert second.rev == 2
    assert change({"b": "2"}) == second
    assert Changeset.objects.count() == 2
    assert first.rev == 1


def test_the_same_content_on_a_stale_base_is_still_stale(change: Change) -> None:
    """Two who count up from the same number write the same text; one count would be lost."""
    change({"counter": "1"})
    change({"counter": "2"}, base=1)
    with pytest.raises(changesets.Stale) as stale:
        change({"counter": "2"}, base=1)
    assert stale.value.as_json()["conflicts"][0]["identical"] is True


def test_nothing_at_all_is_refused_on_an_empty_project(change: Change) -> None:
    with pytest.raises(Invalid, match="changes nothing"):
        change({})


def test_a_call_writes_once(change: Change, project: Project) -> None:
    call = uuid4()
    first = change({"a": "1"}, call_id=call)
    change({"a": "2"})
    assert change({"a": "1"}, base=0, call_id=call) == first
    assert contents(project) == {"a": b"2"}


def test_a_mode_is_kept_and_changed(change: Change, project: Project, agent: Agent) -> None:
    run = {"run.sh": FileChange(b"#!/bin/sh\n", mode="100755")}
    changesets.apply(project.id, base_rev=0, by=agent.actor, files=run)
    change({"run.sh": "#!/bin/bash\n"})
    assert [entry.mode for entry in files.listing(project.id)] == ["100755"]
    plain = {"run.sh": FileChange(b"#!/bin/bash\n", mode="100644")}
    assert changesets.apply(project.id, base_rev=2, by=agent.actor, files=plain).rev == 3


def test_content_is_stored_once(change: Change) -> None:
    change({"a": "same", "b": "same"})
    change({"c": "same", "a": "other"})
    assert Blob.objects.count() == 2


def test_a_deleted_path_goes_on_counting(change: Change, project: Project) -> None:
    change({"a": "1"})
    change({"a": None})
    change({"a": "2"})
    assert File.objects.get(path="a").version == 3
    assert "a" not in contents(project, 2)


def test_status_moved_by_somebody_else_is_stale(change: Change, alice: User) -> None:
    change({"a": "1"}, status="in_progress")
    change({}, base=1, status="blocked", by=alice.actor)
    with pytest.raises(changesets.Stale, match="blocked"):
        change({"a": "2"}, base=1, status="done")
    assert change({"a": "2"}, base=1).status == "blocked"


def test_a_rev_that_is_not_there_is_refused(change: Change) -> None:
    with pytest.raises(Invalid, match="Rev 7 doesn't exist"):
        change({"a": "1"}, base=7)


def test_a_change_leaves_its_line_in_the_audit_log(change: Change, project: Project) -> None:
    change({"a": "1"}, summary="First")
    line = AuditEvent.objects.get(event="project.changed")
    assert (line.actor_name, line.target_name, line.team_id) == (
        "worker",
        "auth-refactor",
        project.team_id,
    )
    assert (line.data["rev"], line.data["files"], line.data["summary"]) == (1, ["a"], "First")


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../b",
        "./a",
        "a//b",
        "a/",
        "",
        ".",
        "a\\b",
        "a\x00b",
        "a\nb",
        ".git/config",
        "sub/.GIT/hooks/pre-commit",
        ".git./config",
        "git~1/config",
        ".g\u200cit/config",
        ".git::$INDEX_ALLOCATION/config",
        "x" * 501,
        "y" * 256,
        "\ud800",
    ],
)
def test_a_bad_path_is_refused_and_nothing_is_written(change: Change, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        change({"good": "1", path: "1"})
    [issue] = refused.value.errors
    assert issue.pointer.startswith("/files/")
    assert Changeset.objects.count() == File.objects.count() == Blob.objects.count() == 0


@pytest.mark.parametrize("path", ["a b", "ü/é.py", "...", "a.git/b", "x/.gitignore", "-rf", '"'])
def test_an_odd_but_good_path_is_kept_as_it_is(change: Change, project: Project, path: str) -> None:
    change({path: "1"})
    assert contents(project) == {path: b"1"}


def test_paths_differ_by_case(change: Change, project: Project) -> None:
    change({"Readme": "1", "readme": "2", "src/a": "3"})
    change({"SRC": "a file"})
    assert set(contents(project)) == {"Readme", "readme", "src/a", "SRC"}


@pytest.mark.parametrize("files", [{"a": "1", "a/b": "1"}, {"a/b/c": "1", "a/b": "1"}])
def test_a_path_is_not_both_file_and_folder(change: Change, files: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="would be a file and"):
        change(dict(files))
    first, second = files
    change({first: "1"})
    with pytest.raises(Invalid, match="would be a file and"):
        change({second: "1"})
    assert change({first: None, second: "1"}).rev == 2


def test_limits_are_named(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    mib = 1024 * 1024
    with pytest.raises(TooLarge, match="the limit is 1 MiB") as refused:
        change({"big": b"x" * (mib + 1)})
    assert refused.value.extra == {"limit": mib}
    assert change({"big": b"x" * (2 * mib)}, kind="import").rev == 1
    monkeypatch.setattr("context.limits.FILES", 3)
    with pytest.raises(TooLarge, match="would hold 4 files; the limit is 3"):
        change({"a": "", "b": "", "c": ""})
    assert change({"a": "", "b": "", "c": "", "big": None}).rev == 2


@pytest.mark.parametrize("target", [b"", b"a\x00b", b"x" * 5000])
def test_a_link_points_at_something(project: Project, agent: Agent, target: bytes) -> None:
    link = {"link": FileChange(target, mode="120000")}
    with pytest.raises(Invalid, match="symbolic link"):
        changesets.apply(project.id, base_rev=0, by=agent.actor, files=link)


def test_an_unknown_mode_is_refused(project: Project, agent: Agent) -> None:
    device = {"dev": FileChange(b"", mode="060000")}
    with pytest.raises(Invalid, match="isn't one of 100644"):
        changesets.apply(project.id, base_rev=0, by=agent.actor, files=device)


def test_two_projects_do_not_share_a_call(change: Change, project: Project, alice: User) -> None:
    other = projects.create("other", team=project.team, by=alice.actor)
    call = uuid4()
    change({"a": "1"}, call_id=call)
    with pytest.raises(Conflict, match="another project"):
        changesets.apply(
            other.id,
            base_rev=0,
            by=alice.actor,
            files={"a": FileChange(b"1")},
            call_id=call,
        )

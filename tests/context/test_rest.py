"""What agents do with a project over REST: read, write, follow, decide, roll back."""

import base64
import json
import random
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from kernel import api as registers
from rest_framework.test import APIClient

from context import briefs
from context.changesets import DecisionEntry
from context.models import Changeset, Project
from registry.models import Agent, User
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db

Client = Callable[[str | User | None], APIClient]
BASE = "/api/v1/projects/auth-refactor/"


@pytest.fixture
def mine(api: Client, key: str, project: Project) -> APIClient:
    return api(key)


def put(client: APIClient, path: str, content: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(BASE + "files/" + path, {"content": content}, format="json", headers=named)


def post(client: APIClient, door: str, **body: Any) -> Any:
    return client.post(f"{BASE}{door}/", body, format="json")


def test_a_file_is_made_read_and_changed(mine: APIClient) -> None:
    made = put(mine, "src/a.py", "one\n", If_None_Match="*")
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    read = mine.get(BASE + "files/src/a.py")
    assert read.headers["ETag"] == '"1"'
    assert read.json() == made.json() | {
        "path": "src/a.py",
        "version": 1,
        "content": "one\n",
        "encoding": "utf-8",
        "mode": "100644",
        "modified_by": "worker",
        "state": "modified_by: worker",
        "rev": 1,
    }
    changed = put(mine, "src/a.py", "two\n", If_Match='"1"')
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert mine.get(BASE + "files/src/a.py?at_rev=1").json()["content"] == "one\n"
    assert put(mine, "src/a.py", "two\n", If_Match='"2"').json()["version"] == 2


def test_a_known_version_is_not_sent_again(mine: APIClient, change: Change) -> None:
    change({"a": "1"})
    answer = mine.get(BASE + "files/a", headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.content) == (304, b"")


def test_binary_content_travels_as_base64(mine: APIClient, change: Change) -> None:
    content = bytes(range(256))
    body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    assert mine.put(BASE + "files/b", body, format="json").status_code == 201
    read = mine.get(BASE + "files/b").json()
    assert (read["encoding"], base64.b64decode(read["content"])) == ("base64", content)


def test_a_write_tells_who_was_first(mine: APIClient, change: Change, alice: User) -> None:
    change({"a": "1\n"}, by=alice.actor)
    unseen = put(mine, "a", "x")
    assert (unseen.status_code, unseen.json()["reason"]) == (428, "precondition_required")
    mine.get(BASE + "files/a")
    change({"a": "2\n"}, by=alice.actor, summary="Two")
    for headers, status in (({}, 409), ({"If_Match": '"1"'}, 412), ({"If_None_Match": "*"}, 412)):
        answer = put(mine, "a", "x", **headers)
        [conflict] = answer.json()["conflicts"]
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert conflict["changed_by"] == {"kind": "user", "name": "alice"}
        assert conflict["current"]["content"] == "2\n"
    assert put(mine, "a", "x", If_Match='"2"').status_code == 200


def test_a_deletion_needs_to_know_what_it_deletes(mine: APIClient, change: Change) -> None:
    change({"a": "1"}, kind="import")
    assert mine.delete(BASE + "files/a").status_code == 428
    mine.get(BASE + "files/a")
    assert mine.delete(BASE + "files/a").status_code == 200
    assert mine.get(BASE + "files/a").status_code == 404
    assert mine.delete(BASE + "files/a").status_code == 404
    assert "deleted in rev 2" in mine.get(BASE + "files/a").json()["detail"]


@pytest.mark.parametrize("match", ["*", "x", '"1", "2"', "-1"])
def test_a_match_names_one_version(mine: APIClient, change: Change, match: str) -> None:
    change({"a": "1"})
    answer = put(mine, "a", "x", If_Match=match)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/If-Match")


@pytest.mark.parametrize("path", ["../../etc/passwd", "a/../../b", "a//b", "a%5Cb", "a%00b", "x/"])
def test_a_bad_path_is_refused_by_every_method(mine: APIClient, path: str) -> None:
    for answer in (
        mine.get(BASE + "files/" + path),
        put(mine, path, "x"),
        mine.delete(BASE + "files/" + path),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"]
    assert Changeset.objects.count() == 0


def test_a_changeset_writes_everything_at_once(mine: APIClient, change: Change) -> None:
    change({"gone": "1", "kept": "1"})
    answer = post(
        mine,
        "changesets",
        base_rev=1,
        files={"gone": None, "new.sh": {"content": "#!/bin/sh\n", "mode": "100755"}},
        decisions=[{"decision": "Move it", "rationale": "Shorter", "status": "implemented"}],
        status="in_progress",
        next_step="test_agent",
        summary="Moved",
    )
    made = answer.json()
    assert (answer.status_code, made["rev"], made["actor"]["name"]) == (201, 2, "worker")
    assert [(f["path"], f["act"]) for f in made["files"]] == [
        ("gone", "deleted"),
        ("new.sh", "added"),
    ]
    shown = mine.get(BASE).json()
    assert [file["path"] for file in shown["files"]] == ["kept", "new.sh"]
    assert (shown["status"], shown["next_step"], shown["rev"]) == ("in_progress", "test_agent", 2)
    assert [(d["agent"], d["status"]) for d in shown["decisions"]] == [("worker", "implemented")]


def test_a_changeset_with_a_key_is_written_once(mine: APIClient, api: Client, bob: User) -> None:
    first = post(mine, "changesets", base_rev=0, files={"a": {"content": "1"}}, key="k")
    again = post(mine, "changesets", base_rev=0, files={"a": {"content": "1"}}, key="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = post(api(bob), "changesets", base_rev=1, files={"b": {"content": "1"}}, key="k")
    assert other.json()["rev"] == 2


def test_a_stale_changeset_writes_nothing(mine: APIClient, change: Change, alice: User) -> None:
    change({"a": "1", "b": "1"})
    change({"a": "2"}, by=alice.actor)
    files = {"a": {"content": "3"}, "b": {"content": "3"}}
    answer = post(mine, "changesets", base_rev=1, files=files, status="done")
    assert (answer.status_code, answer.json()["reason"], answer.json()["rev"]) == (
        409,
        "conflict",
        2,
    )
    assert mine.get(BASE).json()["status"] == "new"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"files": {"../x": {"content": "1"}}}, "/files/..~1x"),
        ({"files": {"x": {"content": 1}}}, "/files/x/content"),
        ({"files": {"x": {"content": "é", "encoding": "base64"}}}, "/files/x/content"),
        ({"files": {"x": {"content": "\ud800"}}}, "/files/x/content"),
        ({"files": {"x": {"content": "1", "mode": "040000"}}}, "/files/x/mode"),
        ({"files": {"x": {"content": "1", "version": -1}}}, "/files/x/version"),
        ({"files": []}, "/files"),
        ({"base_rev": 99}, "/base_rev"),
        ({"base_rev": 2**40}, "/base_rev"),
        ({"base_rev": "1"}, "/base_rev"),
        ({"status": ""}, "/status"),
        ({"status": "x" * 61}, "/status"),
        ({"status": "\x00"}, "/status"),
        ({"decisions": [{"decision": "x", "key": "no"}]}, "/decisions/0/key"),
        ({"nonsense": 1}, ""),
    ],
)
def test_a_fault_names_its_place(mine: APIClient, body: dict[str, Any], pointer: str) -> None:
    answer = mine.generic(
        "POST", BASE + "changesets/", json.dumps(body), content_type="application/json"
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert Changeset.objects.count() == 0


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "{", ""])
def test_a_body_that_is_no_object_is_refused(mine: APIClient, body: str) -> None:
    answer = mine.generic("POST", BASE + "changesets/", body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer.json()["reason"] in ("bad_request", "invalid")


def test_a_file_over_the_limit_is_refused(mine: APIClient) -> None:
    answer = put(mine, "big", "x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["limit"]) == (413, 1024 * 1024)


def test_nobody_speaks_for_another(mine: APIClient) -> None:
    answer = post(mine, "decisions", decision="x", agent="somebody_else")
    assert answer.status_code == 422
    post(mine, "decisions", decision="x")
    assert mine.get(BASE + "decisions/").json()["decisions"][0]["agent"] == "worker"


def test_a_decision_moves_by_its_key(mine: APIClient, api: Client, alice: User) -> None:
    made = post(mine, "decisions", decision="Split", rationale="Too long").json()["decisions"][0]
    moved = post(api(alice), "decisions", key=made["key"], status="accepted")
    assert moved.status_code == 201
    assert mine.get(BASE + "decisions/").json()["decisions"][0]["status"] == "accepted"
    back = post(mine, "decisions", key=made["key"], status="proposed")
    assert (back.status_code, back.json()["allowed"]) == (
        409,
        ["implemented", "rejected", "superseded"],
    )


def test_the_feed_tells_what_happened_since(mine: APIClient, change: Change, alice: User) -> None:
    change({"a": "1", "b": "1"})
    mine.get(BASE + "files/a")
    change({"a": "2"}, by=alice.actor, summary="Two")
    change({"b": None}, by=alice.actor, decisions=[DecisionEntry("Drop b")])
    feed = mine.get(BASE + "changes/?since=1").json()
    assert [change["rev"] for change in feed["changes"]] == [2, 3]
    assert feed["changes"][0]["files"] == [{"path": "a", "version": 2, "act": "modified"}]
    assert feed["changes"][1]["decisions"][0]["decision"] == "Drop b"
    assert feed["stale"] == [
        {"path": "a", "read_version": 1, "now_version": 2, "modified_by": "alice", "rev": 2},
        {"path": "b", "read_version": 1, "now_version": 2, "modified_by": "alice", "rev": 3},
    ]
    assert feed["rev"] == 3


def test_a_feed_without_news_asks_to_wait(mine: APIClient, change: Change) -> None:
    change({"a": "1"})
    answer = mine.get(BASE + "changes/?since=1&wait=30")
    assert answer.headers["X-Gatehouse-Wait"] == "pending"
    assert answer.json() == {"rev": 1, "changes": [], "stale": []}
    assert "X-Gatehouse-Wait" not in mine.get(BASE + "changes/?since=0&wait=30").headers


def test_a_long_feed_goes_on_from_its_rev(mine: APIClient, change: Change) -> None:
    for number in range(103):
        change({"a": str(number)})
    first = mine.get(BASE + "changes/").json()
    rest = mine.get(BASE + f"changes/?since={first['rev']}").json()
    assert (len(first["changes"]), first["rev"]) == (100, 100)
    assert ([change["rev"] for change in rest["changes"]], rest["rev"]) == ([101, 102, 103], 103)


def test_a_new_file_in_place_of_a_deleted_one_is_added(mine: APIClient, change: Change) -> None:
    for content in ("1", None, "2"):
        change({"a": content})
    feed = mine.get(BASE + "changes/").json()
    assert [c["files"][0]["act"] for c in feed["changes"]] == ["added", "deleted", "added"]


def test_a_rollback_makes_a_new_rev(mine: APIClient, change: Change) -> None:
    change({"a": "1"})
    change({"a": "2"})
    made = post(mine, "rollback", rev=1, reason="No", key="r")
    assert (made.status_code, made.json()["rev"], made.json()["kind"]) == (201, 3, "rollback")
    assert post(mine, "rollback", rev=1, reason="No", key="r").json() == made.json()
    assert mine.get(BASE + "files/a").json()["content"] == "1"


def test_a_difference_is_a_patch(mine: APIClient, change: Change) -> None:
    change({"a": "1\n", "b": "1\n"})
    change({"a": "2\n", "b": "2\n"})
    shown = mine.get(BASE + "diff/").json()
    assert (shown["from"], shown["to"]) == (1, 2)
    assert [file["path"] for file in shown["files"]] == ["a", "b"]
    assert shown["files"][0]["unified"].endswith("@@ -1 +1 @@\n-1\n+2\n")
    assert len(mine.get(BASE + "diff/?path=b").json()["files"]) == 1
    assert mine.get(BASE + "diff/?path=c").status_code == 404


@pytest.mark.parametrize(
    "query", ["?at_rev=9", "?at_rev=x", "?at_rev=-1", f"?at_rev={10**30}", "?at_rev=%00"]
)
def test_a_rev_that_is_none_is_refused(mine: APIClient, query: str) -> None:
    answer = mine.get(BASE + query)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/at_rev")


def test_a_name_that_can_be_none_is_not_found(mine: APIClient) -> None:
    assert mine.get("/api/v1/projects/%00/").status_code == 404


def test_files_are_listed_by_page_and_prefix(
    mine: APIClient, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("context.api.FILES_PER_PAGE", 2)
    change(dict.fromkeys(("a", "SRC/x", "src/a", "src/b", "src/c"), "1"))
    first = mine.get(BASE + "files/?prefix=src/").json()
    assert [file["path"] for file in first["files"]] == ["src/a", "src/b"]
    assert (first["total"], first["next_after"]) == (3, "src/b")
    rest = mine.get(BASE + "files/?prefix=src/&after=src/b").json()
    assert ([file["path"] for file in rest["files"]], rest["next_after"]) == (["src/c"], None)


def test_a_run_is_known_by_what_the_caller_proves(mine: APIClient, agent: Agent) -> None:
    run = uuid4()
    claimed = mine.put(
        BASE + "files/a",
        {"content": "1", "run": str(run)},
        format="json",
        headers={"X-Gatehouse-Run": str(run)},
    )
    assert claimed.status_code == 201
    assert Changeset.objects.get(rev=1).run_id is None
    before = list(registers._run_resolvers)
    registers.resolve_runs_by(lambda request: run)
    try:
        assert put(mine, "a", "2").status_code == 428
        mine.get(BASE + "files/a")
        assert put(mine, "a", "2").status_code == 200
    finally:
        registers._run_resolvers[:] = before
    assert Changeset.objects.get(rev=2).run_id == run


def test_a_brief_tells_what_changed_and_what_holds(
    mine: APIClient, change: Change, alice: User
) -> None:
    change({"a": "1\n", "b": "1\n"}, status="in_progress", next_step="test_agent")
    for path in ("a", "b"):
        mine.get(BASE + "files/" + path)
    made = [DecisionEntry("Keep it", status="accepted"), DecisionEntry("Or not", status="proposed")]
    change({"a": "2\n"}, by=alice.actor, decisions=made)
    brief = post(mine, "brief", budget_tokens=2000).json()
    assert (brief["status"], brief["next_step"]) == ("in_progress", "test_agent")
    assert (brief["rev"], brief["since_rev"], brief["dropped"]) == (2, 1, [])
    assert [item["source"] for item in brief["items"]] == [
        "stale",
        "changed",
        "decision",
        "diff",
        "decision",
    ]
    assert brief["items"][0] == {"source": "stale", "path": "a", "was": 1, "version": 2}
    assert brief["items"][2]["decision"] == "Keep it"
    assert "+2" in brief["items"][3]["unified"]
    assert post(mine, "brief", budget_tokens=2000).json() == brief


def test_a_first_brief_lists_the_files(mine: APIClient, change: Change) -> None:
    change({"a": "1"}, kind="import")
    brief = post(mine, "brief").json()
    assert brief["items"] == [{"source": "file", "path": "a", "state": "unchanged", "version": 1}]


def test_a_brief_never_exceeds_its_budget(mine: APIClient, change: Change) -> None:
    rng = random.Random(7)
    words = ["\x01é\u2028", "x" * 400, '"\\', "日本" * 50]
    change({f"{rng.choice('ab')}{n}": rng.choice(words) for n in range(60)}, status="é" * 60)
    texts = {f"é{n}": rng.choice(words) * rng.randint(1, 30) for n in range(80)}
    decided = [
        DecisionEntry(rng.choice(words), rng.choice(words), rng.choice(["accepted", "rejected"]))
        for _ in range(40)
    ]
    change(dict(texts), decisions=decided)
    full = 0
    for budget in (1000, 1500, 4000, 20_000, 100_000):
        answer = post(mine, "brief", budget_tokens=budget, since_rev=1)
        brief = answer.json()
        assert briefs.tokens(brief) <= budget
        assert len(answer.content) <= budget * briefs.BYTES_PER_TOKEN
        assert len(brief["items"]) >= full
        full = len(brief["items"])
        offered = full + sum(each["count"] for each in brief["dropped"])
        assert offered == 80 + 40 + 80
    assert full == 200


def test_a_brief_has_a_least_budget(mine: APIClient) -> None:
    answer = post(mine, "brief", budget_tokens=10)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/budget_tokens")

"""Proposals, reports and requests through the API: by owner, member, outsider, nobody, agent."""

import pytest

from registry import reports
from registry.models import ToolProposal, ToolReport
from tests.registry.curating import entry_of, make_own_tool, new_entry, submit

pytestmark = pytest.mark.django_db

PROPOSALS = "/api/v1/tools/proposals/"
REPORT = {"title": "It hangs", "text": "With an empty file."}


def who_is(request, name):
    return None if name == "nobody" else request.getfixturevalue(name)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 201),
        ("bob", 201),
        ("root", 201),
        ("key", 201),
        ("charlie", 403),
        ("other_key", 403),
        ("audra", 403),
        ("nobody", 401),
    ],
)
def test_who_proposes_a_change(request, api, team, who, status):
    tool = make_own_tool(team)
    body = {"document": entry_of(tool, description="Better."), "notes": "Why."}
    answer = api(who_is(request, who)).post("/api/v1/tools/lint/proposals/", body, format="json")
    assert answer.status_code == status, answer.json()
    assert ToolProposal.objects.count() == (status == 201)
    if status == 201:
        told = answer.json()
        assert (told["tool"], told["base"], told["version"]) == ("lint", "1.0", "1.1")
        assert (told["status"], told["notes"]) == ("open", "Why.")
        assert [each["kind"] for each in told["differences"]] == ["cosmetic"]


@pytest.mark.parametrize(
    ("who", "status"),
    [("alice", 201), ("key", 201), ("root", 201), ("charlie", 422), ("nobody", 401)],
)
def test_who_proposes_a_new_tool(request, api, team, who, status):
    body = {"document": new_entry(team)}
    answer = api(who_is(request, who)).post(PROPOSALS, body, format="json")
    assert answer.status_code == status


def test_a_fault_is_a_problem_with_pointers(api, key, team):
    entry = new_entry(team, parameters={"type": "object", "properties": {"a": {"type": "int"}}})
    answer = api(key).post(PROPOSALS, {"document": entry}, format="json")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert "/parameters/properties/a/type" in [each["pointer"] for each in answer.json()["errors"]]
    for body in ({}, {"document": []}, {"document": entry, "more": 1}, [1], "x"):
        assert api(key).post(PROPOSALS, body, format="json").status_code == 422
    named = api(key).post("/api/v1/tools/else/proposals/", {"document": entry}, format="json")
    assert {"/name"} <= {each["pointer"] for each in named.json()["errors"]}


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 200),
        ("bob", 200),
        ("key", 200),
        ("root", 200),
        ("audra", 200),
        ("charlie", 404),
        ("other_key", 404),
        ("rita", 404),
        ("nobody", 401),
    ],
)
def test_who_reads_a_proposal(request, api, team, alice, who, status):
    row = submit(alice, new_entry(team))
    client = api(who_is(request, who))
    assert client.get(f"{PROPOSALS}{row.id}/").status_code == status
    for path in (PROPOSALS, "/api/v1/tools/lint/proposals/", f"{PROPOSALS}?status=open&tool=lint"):
        listed = client.get(path)
        if status == 401:
            assert listed.status_code == 401
        else:
            assert len(listed.json()["results"]) == (status == 200)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 200),
        ("bob", 200),
        ("root", 200),
        ("key", 403),
        ("audra", 403),
        ("charlie", 404),
        ("other_key", 404),
        ("nobody", 401),
    ],
)
def test_who_withdraws(request, api, team, alice, who, status):
    row = submit(alice, new_entry(team))
    client = api(who_is(request, who))
    assert client.post(f"{PROPOSALS}{row.id}/withdraw/").status_code == status
    if status == 200:
        assert client.post(f"{PROPOSALS}{row.id}/withdraw/").status_code == 409


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 201),
        ("charlie", 201),
        ("key", 201),
        ("other_key", 201),
        ("audra", 201),
        ("nobody", 401),
    ],
)
def test_anyone_who_sees_a_tool_reports_a_problem_with_it(request, api, team, who, status):
    make_own_tool(team)
    client = api(who_is(request, who))
    answer = client.post("/api/v1/tools/lint/reports/", REPORT, format="json")
    assert answer.status_code == status
    if status == 201:
        assert (answer.json()["owner"], answer.json()["status"]) == ("search", "open")
        wish = client.post("/api/v1/tools/requests/", REPORT | {"team": "search"}, format="json")
        assert (wish.status_code, wish.json()["owner"]) == (201, "search")


def test_a_tool_that_is_not_visible_takes_no_report(api, other_key, charlie, team):
    make_own_tool(team, is_shared=False)
    for who in (other_key, charlie):
        answer = api(who).post("/api/v1/tools/lint/reports/", REPORT, format="json")
        assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_tool")
    assert not ToolReport.objects.exists()


@pytest.mark.parametrize(
    ("who", "reads", "answers"),
    [
        ("alice", 200, 200),
        ("bob", 200, 200),
        ("root", 200, 200),
        ("key", 200, 403),
        ("audra", 200, 403),
        ("other_key", 200, 403),
        ("charlie", 404, 404),
        ("nobody", 401, 401),
    ],
)
def test_who_reads_and_answers_a_report(request, api, team, other_agent, who, reads, answers):
    make_own_tool(team)
    row = reports.report_problem("lint", **REPORT, by=other_agent.actor)
    client = api(who_is(request, who))
    path = f"/api/v1/tools/reports/{row.id}/"
    assert client.get(path).status_code == reads
    if reads != 401:
        assert len(client.get("/api/v1/tools/reports/").json()["results"]) == (reads == 200)
    body = {"status": "answered", "comment": "Fixed."}
    assert client.post(f"{path}answer/", body, format="json").status_code == answers


def test_answers_go_one_way_and_the_first_one_counts(api, team, alice, bob, other_key, other_agent):
    make_own_tool(team)
    row = reports.report_problem("lint", **REPORT, by=other_agent.actor)
    path = f"/api/v1/tools/reports/{row.id}/answer/"

    def send(who, **body):
        return api(who).post(path, body, format="json").status_code

    assert send(alice, status="answered") == 422
    assert send(alice, status="open", comment="x") == 422
    assert send(alice, status="taken_up", comment="x") == 422
    assert send(alice, status="answered", comment="Fixed.") == 200
    assert send(bob, status="answered", comment="Not so.") == 409
    proposal = submit(alice, new_entry(team, "other"))
    assert send(bob, status="taken_up", proposal=str(proposal.id)) == 200
    assert send(other_key, status="answered", comment="Mine.") == 403
    assert send(other_key, status="closed") == 200
    assert send(other_key, status="closed") == 409
    assert send(alice, status="answered", comment="Late.") == 409
    row.refresh_from_db()
    assert (row.status, row.answer, row.answered_by) == ("closed", "Fixed.", "user:alice")
    assert row.proposal == proposal


def test_a_proposal_may_answer_a_report(api, team, alice, charlie):
    tool = make_own_tool(team)
    row = reports.report_problem("lint", **REPORT, by=charlie.actor)
    body = {"document": entry_of(tool, description="Better."), "report": str(row.id)}
    assert api(alice).post(PROPOSALS, body, format="json").status_code == 201
    told = api(charlie).get(f"/api/v1/tools/reports/{row.id}/").json()
    assert told["status"] == "taken_up"
    assert told["proposal"] == str(ToolProposal.objects.get().id)


def test_an_actor_reports_so_much_an_hour(api, key, other_key, team, monkeypatch):
    monkeypatch.setattr(reports, "PER_HOUR", 2)
    make_own_tool(team)
    statuses = [
        api(key).post("/api/v1/tools/requests/", REPORT, format="json").status_code
        for _ in range(3)
    ]
    assert statuses == [201, 201, 429]
    limited = api(key).post("/api/v1/tools/lint/reports/", REPORT, format="json")
    assert 0 < int(limited["Retry-After"]) <= 3601
    assert api(other_key).post("/api/v1/tools/requests/", REPORT, format="json").status_code == 201
    assert ToolReport.objects.count() == 3


def test_a_report_is_bounded(api, key):
    for body in (
        {"title": "x"},
        REPORT | {"text": " "},
        REPORT | {"title": "x" * 201},
        REPORT | {"text": "x" * 10_001},
        REPORT | {"name": "No Name"},
        REPORT | {"team": "nonesuch"},
        [],
    ):
        assert api(key).post("/api/v1/tools/requests/", body, format="json").status_code == 422
    strange = REPORT | {"text": "a\x00b"}
    answer = api(key).post("/api/v1/tools/requests/", strange, format="json")
    assert answer.json()["text"] == "ab"

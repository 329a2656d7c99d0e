"""Who gets what at each REST door: owner, member, outsider, anonymous, reviewer, auditor, agent."""

from collections.abc import Callable
from typing import Any

import pytest
from kernel import clock, ids
from rest_framework.test import APIClient

from governance import audit, budgets
from governance.models import Approval, Vote
from registry.models import Agent, Team, User
from tests.governance.rows import ask, in_an_hour, make_budget, make_policy

pytestmark = pytest.mark.django_db

Api = Callable[[Any], APIClient]
RULES = [{"name": "short", "message": "Be quick", "limit": {"timeout": 5}}]


@pytest.fixture
def cast(
    alice: User,
    bob: User,
    charlie: User,
    rita: User,
    root: User,
    audra: User,
    key: str,
    other_key: str,
) -> dict[str, Any]:
    return {
        "owner": alice,
        "member": bob,
        "outsider": charlie,
        "reviewer": rita,
        "platform": root,
        "auditor": audra,
        "agent": key,
        "other_agent": other_key,
        "anonymous": None,
    }


@pytest.mark.parametrize("path", ["approvals/", "policies/", "budgets/", "audit/"])
def test_a_stranger_is_asked_who_they_are(api: Api, path: str) -> None:
    answer = api(None).get(f"/api/v1/{path}")
    assert answer.status_code == 401
    assert answer.json()["reason"] == "unauthenticated"
    assert api("gh_000_nonsense").get(f"/api/v1/{path}").status_code == 401


APPROVAL = {
    "owner": 200,
    "member": 200,
    "outsider": 404,
    "reviewer": 200,
    "platform": 200,
    "auditor": 200,
    "agent": 200,
    "other_agent": 404,
    "anonymous": 401,
}


@pytest.mark.parametrize(("who", "status"), APPROVAL.items())
def test_who_reads_an_approval(
    api: Api, cast: dict[str, Any], agent: Agent, who: str, status: int
) -> None:
    approval = ask(agent)
    client = api(cast[who])
    answer = client.get(f"/api/v1/approvals/{approval.id}/")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["shown"] == {"files": ["a.py"]}
        assert answer.json()["may_vote"] is (who == "reviewer")
    listed = client.get("/api/v1/approvals/")
    assert listed.status_code == (401 if who == "anonymous" else 200)
    if listed.status_code == 200:
        assert len(listed.json()["results"]) == (1 if status == 200 else 0)


VOTE = {
    "owner": 403,
    "member": 403,
    "outsider": 404,
    "reviewer": 201,
    "platform": 403,
    "auditor": 403,
    "agent": 403,
    "other_agent": 404,
    "anonymous": 401,
}


@pytest.mark.parametrize(("who", "status"), VOTE.items())
def test_who_votes(api: Api, cast: dict[str, Any], agent: Agent, who: str, status: int) -> None:
    approval = ask(agent)
    body = {"decision": "approve", "comment": "Fine."}
    answer = api(cast[who]).post(f"/api/v1/approvals/{approval.id}/votes/", body, format="json")
    assert answer.status_code == status
    approval.refresh_from_db()
    assert approval.status == ("approved" if status == 201 else "open")
    assert Vote.objects.count() == (1 if status == 201 else 0)
    if status == 201:
        assert answer.json()["votes"][0]["by"] == "rita"


def test_who_started_it_gets_403(api: Api, agent: Agent, rita: User) -> None:
    approval = ask(agent, requester=rita.actor)
    url = f"/api/v1/approvals/{approval.id}/votes/"
    answer = api(rita).post(url, {"decision": "approve"}, format="json")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "You asked for this, so somebody else decides it."


def test_a_second_vote_is_a_conflict(api: Api, agent: Agent, rita: User) -> None:
    url = f"/api/v1/approvals/{ask(agent).id}/votes/"
    body = {"decision": "reject", "comment": "No."}
    assert api(rita).post(url, body, format="json").status_code == 201
    again = api(rita).post(url, body, format="json")
    assert (again.status_code, again.json()["reason"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"decision": "perhaps"}, "/decision"),
        ({"decision": "approve", "comment": 1}, "/comment"),
        ({"decision": "approve", "fields": []}, "/fields"),
        ({"decision": "request_changes", "comment": "x"}, "/decision"),
        ([], ""),
        ("approve", ""),
    ],
)
def test_a_vote_that_does_not_fit_names_the_place(
    api: Api, agent: Agent, rita: User, body: Any, pointer: str
) -> None:
    url = f"/api/v1/approvals/{ask(agent).id}/votes/"
    answer = api(rita).post(url, body, format="json")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_approvals_are_filtered(api: Api, agent: Agent, rita: User) -> None:
    first, second = ask(agent), ask(agent, kind="tool_call")
    client = api(rita)
    client.post(f"/api/v1/approvals/{first.id}/votes/", {"decision": "approve"}, format="json")

    def found(query: str) -> list[str]:
        answer = client.get(f"/api/v1/approvals/?{query}")
        assert answer.status_code == 200, answer.json()
        return [each["id"] for each in answer.json()["results"]]

    assert found("") == [str(second.id), str(first.id)]
    assert found("status=open") == found("waiting=true") == [str(second.id)]
    assert found("kind=gate") == [str(first.id)]
    assert found(f"subject={second.subject_id}") == [str(second.id)]
    for query in ("status=shut", "subject=x"):
        assert client.get(f"/api/v1/approvals/?{query}").status_code == 422


def test_an_approval_that_is_not_there_is_404(api: Api, rita: User) -> None:
    for path in (f"{ids.uuid7()}/", f"{ids.uuid7()}/votes/"):
        url = f"/api/v1/approvals/{path}"
        answer = api(rita).get(url) if "votes" not in path else api(rita).post(url, {})
        assert answer.status_code == 404


POLICY = dict(APPROVAL) | {"reviewer": 404}


@pytest.mark.parametrize(("who", "status"), POLICY.items())
def test_who_reads_a_teams_policy(
    api: Api, cast: dict[str, Any], team: Team, who: str, status: int
) -> None:
    make_policy("of_search", RULES, team=team)
    make_policy("of_all", RULES)
    client = api(cast[who])
    assert client.get("/api/v1/policies/of_search/").status_code == status
    everybody = client.get("/api/v1/policies/of_all/")
    assert everybody.status_code == (401 if who == "anonymous" else 200)
    if status == 200:
        answer = client.get("/api/v1/policies/of_search/").json()
        assert answer["document"]["rules"] == RULES
        assert [each["version"] for each in answer["versions"]] == ["1.0"]
    if who != "anonymous":
        names = [each["name"] for each in client.get("/api/v1/policies/").json()["results"]]
        assert names == (["of_all", "of_search"] if status == 200 else ["of_all"])


def test_policies_are_filtered_by_status(api: Api, root: User) -> None:
    make_policy("one", RULES)
    make_policy("two", RULES, status="shadow")
    answer = api(root).get("/api/v1/policies/?status=shadow").json()
    assert [each["name"] for each in answer["results"]] == ["two"]
    assert api(root).get("/api/v1/policies/?status=x").status_code == 422


@pytest.mark.parametrize(("who", "status"), POLICY.items())
def test_who_reads_a_budget(
    api: Api, cast: dict[str, Any], agent: Agent, who: str, status: int
) -> None:
    make_budget("search_q3", agent.team, 50_000_000)
    budgets.reserve(
        team_id=agent.team_id,
        agent_id=agent.id,
        amount_micros=1_500_000,
        subject_kind="tool_call",
        subject_id=ids.uuid7(),
        expires_at=in_an_hour(),
        at=clock.now(),
    )
    answer = api(cast[who]).get("/api/v1/budgets/")
    assert answer.status_code == (401 if who == "anonymous" else 200)
    if who == "anonymous":
        return
    found = answer.json()["results"]
    assert len(found) == (1 if status == 200 else 0)
    if found:
        figures = {key: found[0][key] for key in ("limit", "spent", "held", "left")}
        assert figures == {"limit": "50.00", "spent": "0.00", "held": "1.50", "left": "48.50"}


def test_budgets_cost_the_same_queries_however_many(
    api: Api, root: User, team: Team, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        make_budget(f"budget_{number}", team, 1)
    client = api(root)
    with django_assert_max_num_queries(8):
        assert len(client.get("/api/v1/budgets/").json()["results"]) == 20


@pytest.mark.parametrize(
    ("who", "lines"),
    [
        ("owner", 1),
        ("member", 1),
        ("outsider", 0),
        ("reviewer", 0),
        ("agent", 0),
        ("auditor", 2),
        ("platform", 2),
    ],
)
def test_who_reads_the_log(
    api: Api, cast: dict[str, Any], team: Team, who: str, lines: int
) -> None:
    audit.record("run.started", target_kind="run", target_name="refactor", team_id=team.id)
    audit.record("run.paused", target_kind="run", target_name="refactor")
    answer = api(cast[who]).get("/api/v1/audit/?event=run.*")
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == lines


def test_the_log_is_filtered_and_paged(api: Api, audra: User) -> None:
    target = ids.uuid7()
    for number in range(3):
        audit.record(
            "run.started", target_kind="run", target_id=target, target_name=f"run {number}"
        )
    audit.record("run.finished", target_kind="run", target_id=ids.uuid7(), target_name="other")
    client = api(audra)

    def names(query: str) -> list[str]:
        answer = client.get(f"/api/v1/audit/?{query}")
        assert answer.status_code == 200, answer.json()
        return [each["target"]["name"] for each in answer.json()["results"]]

    assert names(f"target={target}") == ["run 2", "run 1", "run 0"]
    assert names("target=other") == names("event=run.finished") == ["other"]
    assert names("actor=gatehouse&event=run.started&target=run 1") == ["run 1"]
    assert len(names("since=2026-01-01&event=run.*")) == 4
    assert names("until=2020-01-01T00:00:00Z") == []
    page = client.get("/api/v1/audit/?page_size=2&event=run.*").json()
    assert len(page["results"]) == 2
    assert len(client.get(page["next"]).json()["results"]) == 2
    for query in ("event=run.flew", "since=yesterday", "until=2026-13-01", "since=99999999999"):
        answer = client.get(f"/api/v1/audit/?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


@pytest.mark.parametrize("path", ["approvals/", "policies/", "budgets/", "audit/"])
@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_lists_are_read_only(api: Api, root: User, path: str, verb: str) -> None:
    assert getattr(api(root), verb)(f"/api/v1/{path}").status_code == 405
    assert Approval.objects.count() == 0

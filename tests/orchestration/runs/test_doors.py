"""Who may do what at the REST doors of workflows, runs and tasks."""

from collections.abc import Callable
from typing import Any

import pytest
from kernel import outbox
from rest_framework.test import APIClient

from orchestration.models import AgentTask, Workflow, WorkflowRun
from registry.models import Agent, User
from tests import factories
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db
Api = Callable[[str | User | None], APIClient]
BASE = "/api/v1"


@pytest.fixture
def people(
    alice: User, bob: User, charlie: User, rita: User, root: User, audra: User,
    agents: dict[str, Agent], other_key: str,
) -> dict[str, Any]:  # fmt: skip
    return {
        "alice": alice,
        "bob": bob,
        "charlie": charlie,
        "rita": rita,
        "root": root,
        "audra": audra,
        "writer": factories.make_key(agents["writer"]),
        "checker": factories.make_key(agents["checker"]),
        "other": other_key,
        "nobody": None,
    }


def ask(api: Api, who: Any, method: str, path: str, body: Any = None) -> Any:
    return getattr(api(who), method)(BASE + path, body, format="json")


def answers(
    api: Api, people: dict[str, Any], method: str, path: Callable[[], str], body: Any = None
) -> dict[str, int]:
    return {name: ask(api, who, method, path(), body).status_code for name, who in people.items()}


READ = {
    "alice": 200, "bob": 200, "charlie": 404, "rita": 404, "root": 200, "audra": 200,
    "writer": 200, "checker": 200, "other": 404, "nobody": 401,
}  # fmt: skip


@pytest.mark.parametrize("tail", ["", "events/"])
def test_who_reads_a_run(api: Api, people: dict[str, Any], start: Start, tail: str) -> None:
    run = start()
    assert answers(api, people, "get", lambda: f"/runs/{run.id}/{tail}") == READ


def test_lists_show_only_what_is_ones_own(api: Api, people: dict[str, Any], start: Start) -> None:
    start()
    seen = {}
    for name, who in people.items():
        if who is not None:
            seen[name] = len(ask(api, who, "get", "/runs/").json()["results"])
    assert seen == {name: int(code == 200) for name, code in READ.items() if code != 401}


@pytest.mark.parametrize("act", ["cancel", "resume", "fork"])
def test_who_steers_a_run(api: Api, people: dict[str, Any], start: Start, act: str) -> None:
    body = {"step": "write"} if act == "fork" else {}
    fine = {"cancel": 200, "resume": 200, "fork": 201}[act]

    def fresh() -> str:
        run = start()
        if act == "resume":
            WorkflowRun.objects.filter(id=run.id).update(status="paused")
            run.steps.filter(name="write").update(status="paused")
        return f"/runs/{run.id}/{act}/"

    assert answers(api, people, "post", fresh, body) == {
        "alice": fine, "bob": fine, "charlie": 404, "rita": 404, "root": fine, "audra": 403,
        "writer": 403, "checker": 403, "other": 404, "nobody": 401,
    }  # fmt: skip


def test_who_starts_a_run_of_a_shared_workflow(
    api: Api, people: dict[str, Any], workflow: Workflow
) -> None:
    body = {"input": {"topic": "doors"}}
    found = answers(api, people, "post", lambda: "/workflows/refactor/runs/", body)
    assert found == {
        "alice": 201, "bob": 201, "charlie": 201, "rita": 403, "root": 201, "audra": 403,
        "writer": 201, "checker": 201, "other": 201, "nobody": 401,
    }  # fmt: skip


def test_a_workflow_of_ones_own_isnt_there_for_others(
    api: Api, people: dict[str, Any], workflow: Workflow
) -> None:
    Workflow.objects.update(is_shared=False)
    assert answers(api, people, "get", lambda: "/workflows/refactor/") == READ
    body = {"input": {"topic": "doors"}}
    charlies = ask(api, people["charlie"], "post", "/workflows/refactor/runs/", body)
    assert charlies.status_code == 404


def test_who_hands_an_agent_a_task(api: Api, people: dict[str, Any]) -> None:
    found = answers(api, people, "post", lambda: "/agents/writer/tasks/", {"task": "Do it"})
    assert found == {
        "alice": 201, "bob": 201, "charlie": 404, "rita": 404, "root": 201, "audra": 403,
        "writer": 201, "checker": 201, "other": 404, "nobody": 401,
    }  # fmt: skip


def test_who_reads_a_task(api: Api, people: dict[str, Any], start: Start) -> None:
    start()
    task = AgentTask.objects.get()
    assert answers(api, people, "get", lambda: f"/tasks/{task.id}/") == READ
    assert answers(api, people, "get", lambda: "/agents/writer/tasks/") == READ


@pytest.mark.parametrize(
    ("act", "body", "fine"),
    [
        ("heartbeat", {"progress": {"doing": "x"}}, 200),
        ("events", {"event": {"said": "x"}}, 201),
        ("complete", {"output": {"text": "x"}}, 200),
        ("fail", {"error": {"message": "x"}, "retryable": True}, 200),
    ],
)
def test_only_the_agent_itself_reports(
    api: Api, people: dict[str, Any], start: Start, act: str, body: dict[str, Any], fine: int
) -> None:
    start()
    claimed = stories.claim("writer")
    path = f"/tasks/{claimed.task.id}/{act}/"
    body |= {"token": claimed.token}
    others = {name: who for name, who in people.items() if name != "writer"}
    assert answers(api, others, "post", lambda: path, body) == {
        "alice": 403, "bob": 403, "charlie": 404, "rita": 404, "root": 403, "audra": 403,
        "checker": 403, "other": 404, "nobody": 401,
    }  # fmt: skip
    wrong = ask(api, people["writer"], "post", path, body | {"token": "gt_wrong"})
    assert (wrong.status_code, wrong.json()["reason"]) == (409, "stale_token")
    assert ask(api, people["writer"], "post", path, body).status_code == fine


def test_only_agents_claim_and_only_their_own(
    api: Api, people: dict[str, Any], start: Start
) -> None:
    start()
    claims = answers(api, people | {"writer": None}, "post", lambda: "/tasks/claim/", {})
    assert claims == {
        "alice": 403, "bob": 403, "charlie": 403, "rita": 403, "root": 403, "audra": 403,
        "writer": 401, "checker": 204, "other": 204, "nobody": 401,
    }  # fmt: skip
    foreign = ask(api, people["checker"], "post", "/tasks/claim/", {"agents": ["writer"]})
    assert foreign.status_code == 403
    mine = ask(api, people["writer"], "post", "/tasks/claim/", {"agents": ["writer"], "lease": 30})
    assert (mine.status_code, mine.json()["lease"]) == (200, 30)
    assert mine.json()["token"].startswith("gt_")


def test_the_key_of_one_task_opens_no_other(
    api: Api, agents: dict[str, Agent], start: Start
) -> None:
    start()
    start()
    first, second = stories.claim("writer"), stories.claim("writer")
    bound = factories.make_key(agents["writer"], task_id=first.task.id)
    body = {"token": second.token, "output": 1}
    assert ask(api, bound, "post", f"/tasks/{second.task.id}/complete/", body).status_code == 403
    assert ask(api, bound, "post", "/tasks/claim/", {}).status_code == 403
    start_body = {"input": {"topic": "x"}}
    begun = ask(api, bound, "post", "/workflows/refactor/runs/", start_body)
    assert begun.status_code == 403
    body = {"token": first.token, "output": 1}
    assert ask(api, bound, "post", f"/tasks/{first.task.id}/complete/", body).status_code == 200


def test_a_whole_run_through_the_doors(
    api: Api, people: dict[str, Any], workflow: Workflow, rita: User
) -> None:
    body = {"input": {"topic": "doors"}}
    begun = ask(api, people["alice"], "post", "/workflows/refactor/runs/", body)
    run_id = begun.json()["id"]
    assert begun.headers["Location"] == f"/api/v1/runs/{run_id}/"
    outbox.drain()
    key = people["writer"]
    task = ask(api, key, "post", "/tasks/claim/", {"wait": 5}).json()
    assert (task["step_name"], task["run"], task["next_steps"]) == ("write", run_id, ["check"])
    done = {"token": task["token"], "output": {"text": "a draft"}}
    ask(api, key, "post", f"/tasks/{task['id']}/complete/", done)
    outbox.drain()
    stories.do("checker", {"passed": 3})
    run = WorkflowRun.objects.get(id=run_id)
    shown = ask(api, people["bob"], "get", f"/runs/{run_id}/").json()
    assert shown["status"] == "waiting"
    assert [step["status"] for step in shown["steps"]] == [
        "succeeded", "succeeded", "waiting", "pending",
    ]  # fmt: skip
    assert shown["steps"][2]["approval"]["status"] == "open"
    assert (shown["cost"], shown["decisions"]) == ("0.00", [])
    stories.vote(run, rita, "approve")
    events = ask(api, people["bob"], "get", f"/runs/{run_id}/events/?since=2").json()
    assert [event["seq"] for event in events["results"]][:2] == [3, 4]


def test_nothing_to_tell_asks_to_be_asked_again(
    api: Api, people: dict[str, Any], start: Start
) -> None:
    run = start()
    empty = ask(api, people["checker"], "post", "/tasks/claim/", {"wait": 10})
    assert (empty.status_code, empty.headers["X-Gatehouse-Wait"]) == (204, "pending")
    run.refresh_from_db()
    path = f"/runs/{run.id}/events/?since={run.last_seq}&wait=10"
    quiet = ask(api, people["bob"], "get", path)
    assert (quiet.json()["results"], quiet.headers["X-Gatehouse-Wait"]) == ([], "pending")
    assert "X-Gatehouse-Wait" not in ask(api, people["checker"], "post", "/tasks/claim/").headers


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"input": {}}, "/input"),
        ({"input": {"topic": 3}}, "/input/topic"),
        ({"input": {"topic": "x", "tpic": 1}}, "/input"),
        ({"inptu": {}}, "/inptu"),
        ({"input": []}, "/input"),
        ({"input": {"topic": "x"}, "environment": "moon"}, "/environment"),
    ],
)
def test_an_input_that_doesnt_fit_names_the_place(
    api: Api, people: dict[str, Any], workflow: Workflow, body: Any, pointer: str
) -> None:
    refused = ask(api, people["alice"], "post", "/workflows/refactor/runs/", body)
    assert refused.status_code in (400, 422)
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert not WorkflowRun.objects.exists()


def test_a_staging_agent_starts_nothing_in_production(
    api: Api, people: dict[str, Any], workflow: Workflow
) -> None:
    body = {"input": {"topic": "x"}, "environment": "production"}
    refused = ask(api, people["writer"], "post", "/workflows/refactor/runs/", body)
    assert refused.status_code == 403


def test_a_result_that_is_too_large_is_refused_with_what_to_do(
    api: Api, people: dict[str, Any], start: Start
) -> None:
    start()
    claimed = stories.claim("writer")
    body = {"token": claimed.token, "output": "x" * (4 * 1024 * 1024)}
    path = f"/tasks/{claimed.task.id}/complete/"
    refused = ask(api, people["writer"], "post", path, body)
    assert refused.status_code == 413
    assert "Write it to the project" in refused.json()["detail"]

"""Every door of a project, as everybody: its team and its agents pass, nobody else sees it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient

from context import projects
from context.changesets import DecisionEntry
from context.models import Changeset, Project
from registry.models import User
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db

Client = Callable[[str | User | None], APIClient]
BASE = "/api/v1/projects/auth-refactor/"


@dataclass(frozen=True)
class Call:
    """One request, and what it answers to somebody who may make it."""

    method: str
    path: str
    body: dict[str, Any] | None
    status: int
    writes: bool


CALLS = [
    Call("get", "", None, 200, False),
    Call("get", "files/", None, 200, False),
    Call("get", "files/a.py", None, 200, False),
    Call("get", "changes/?since=0", None, 200, False),
    Call("get", "decisions/", None, 200, False),
    Call("get", "diff/?from=0&to=1", None, 200, False),
    Call("post", "brief/", {"budget_tokens": 2000}, 200, False),
    Call("put", "files/new.py", {"content": "1"}, 201, True),
    Call("delete", "files/a.py", None, 200, True),
    Call("post", "changesets/", {"base_rev": 1, "files": {"b": {"content": "1"}}}, 201, True),
    Call("post", "decisions/", {"decision": "Go"}, 201, True),
    Call("post", "rollback/", {"rev": 0}, 201, True),
]
# Who, and whether they may see and change the project.
CAST = [
    ("alice", True, True),
    ("bob", True, True),
    ("key", True, True),
    ("root", True, True),
    ("audra", True, False),
    ("rita", False, False),
    ("charlie", False, False),
    ("other_key", False, False),
]


@pytest.fixture
def filled(change: Change, project: Project) -> Project:
    change({"a.py": "1"}, decisions=[DecisionEntry("Start")])
    return project


def send(client: APIClient, call: Call) -> Any:
    """The call as JSON; a deletion names the version that it has seen."""
    headers = {"If-Match": '"1"'} if call.method == "delete" else {}
    body = "" if call.body is None else json.dumps(call.body)
    return client.generic(
        call.method.upper(), BASE + call.path, body, "application/json", headers=headers
    )


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
@pytest.mark.parametrize(("who", "sees", "changes"), CAST)
def test_a_door_opens_for_those_who_may(
    filled: Project,
    api: Client,
    request: pytest.FixtureRequest,
    call: Call,
    who: str,
    sees: bool,
    changes: bool,
) -> None:
    answer = send(api(request.getfixturevalue(who)), call)
    allowed = sees and (changes or not call.writes)
    assert answer.status_code == (call.status if allowed else 403 if sees else 404)
    assert Changeset.objects.count() == (2 if allowed and call.writes else 1)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_nobody_without_a_name_passes(filled: Project, api: Client, call: Call) -> None:
    assert send(api(None), call).status_code == 401


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_a_project_that_is_not_there_looks_like_one_that_is_not_visible(
    filled: Project, api: Client, other_key: str, call: Call
) -> None:
    hidden = send(api(other_key), call).json()
    missing = api(other_key).get("/api/v1/projects/no-such/").json()
    assert hidden["detail"].replace("auth-refactor", "no-such") == missing["detail"]


@pytest.mark.parametrize(("who", "sees", "changes"), CAST)
def test_the_list_shows_what_is_visible(
    filled: Project,
    api: Client,
    request: pytest.FixtureRequest,
    who: str,
    sees: bool,
    changes: bool,
) -> None:
    found = api(request.getfixturevalue(who)).get("/api/v1/projects/").json()["results"]
    assert [row["project"] for row in found] == (["auth-refactor"] if sees else [])


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 201),
        ("bob", 201),
        ("root", 201),
        ("charlie", 422),
        ("rita", 422),
        ("audra", 403),
        ("key", 403),
    ],
)
def test_the_people_of_a_team_make_its_projects(
    project: Project, api: Client, request: pytest.FixtureRequest, who: str, status: int
) -> None:
    body = {"name": "new-one", "team": "search", "description": "d"}
    answer = api(request.getfixturevalue(who)).post("/api/v1/projects/", body, format="json")
    assert answer.status_code == status
    assert Project.objects.filter(name="new-one").exists() is (status == 201)


def test_a_project_is_not_made_by_nobody(api: Client, project: Project) -> None:
    body = {"name": "new-one", "team": "search"}
    assert api(None).post("/api/v1/projects/", body, format="json").status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"name": "Not A Name", "team": "search"}, 422, "/name"),
        ({"name": "auth-refactor", "team": "search"}, 409, "/name"),
        ({"name": "x", "team": "nowhere"}, 422, "/team"),
        ({"team": "search"}, 422, ""),
    ],
)
def test_a_project_that_cannot_be_says_why(
    project: Project, api: Client, alice: User, body: dict[str, str], status: int, pointer: str
) -> None:
    answer = api(alice).post("/api/v1/projects/", body, format="json")
    assert answer.status_code == status
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("alice", 200),
        ("bob", 200),
        ("root", 200),
        ("audra", 200),
        ("rita", 404),
        ("charlie", 404),
        (None, 302),
    ],
)
@pytest.mark.parametrize("page", ["", "diff/?to=1", "files/a.py"])
def test_the_pages_open_for_those_who_may_see(
    filled: Project,
    api: Client,
    request: pytest.FixtureRequest,
    who: str | None,
    status: int,
    page: str,
) -> None:
    user = request.getfixturevalue(who) if who else None
    assert api(user).get("/projects/auth-refactor/" + page).status_code == status


def test_the_list_of_projects_is_a_page(filled: Project, api: Client, alice: User) -> None:
    answer = api(alice).get("/projects/")
    assert b"auth-refactor" in answer.content


HOSTILE = "<script>alert('x')</script>\u202e"


def test_what_agents_write_is_only_text_on_the_pages(
    change: Change, project: Project, api: Client, alice: User
) -> None:
    path = "<img src=x onerror=alert(1)>.py"
    change(
        {path: HOSTILE},
        decisions=[DecisionEntry(HOSTILE, HOSTILE)],
        summary=HOSTILE,
        status=HOSTILE,
        next_step=HOSTILE,
    )
    projects.Project.objects.update(description=HOSTILE)
    quoted = path.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    for page in ("", "diff/", f"files/{quoted}", "?q=%3Cscript%3E"):
        answer = api(alice).get("/projects/auth-refactor/" + page)
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "\u202e" not in text
        assert "style=" not in text
    assert "<script" not in api(alice).get("/projects/").content.decode()


def test_the_pages_are_paged(change: Change, api: Client, alice: User) -> None:
    change({f"f{n:04}.py": str(n) for n in range(250)}, kind="import")
    for number in range(25):
        change({"f0000.py": f"v{number}"}, summary=f"Change {number}")
    page = api(alice).get("/projects/auth-refactor/")
    assert page.content.count(b"/projects/auth-refactor/files/") == 100
    assert b"Change 24" in page.content
    assert b"Change 2<" not in page.content
    second = api(alice).get("/projects/auth-refactor/?files=3&changes=2")
    assert second.content.count(b"/projects/auth-refactor/files/") == 50
    assert b"Change 2<" in second.content
    found = api(alice).get("/projects/auth-refactor/?q=F0249")
    assert found.content.count(b"/projects/auth-refactor/files/") == 1


def test_a_search_goes_on_over_pages(change: Change, api: Client, alice: User) -> None:
    change({f"a&b {n:03}": "1" for n in range(120)}, kind="import")
    first = api(alice).get("/projects/auth-refactor/?q=a%26b").content.decode()
    assert 'href="?files=2&amp;q=a%26b"' in first
    second = api(alice).get("/projects/auth-refactor/?files=2&q=a%26b")
    assert second.content.count(b"/projects/auth-refactor/files/") == 20

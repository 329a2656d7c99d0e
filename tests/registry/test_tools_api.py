import pytest

from registry import publishing
from tests import factories

pytestmark = pytest.mark.django_db


def test_an_agent_reads_the_whole_contract(api, key):
    factories.make_tool(permissions=("code_execution",))
    answer = api(key).get("/api/v1/tools/execute_python/")
    assert answer.status_code == 200
    entry = answer.json()
    assert entry["permissions_required"] == ["code_execution"]
    assert entry["cost_per_call"] == "0.01"
    assert entry["owner"] == "platform-team"
    assert entry["deprecated"] is False


def test_the_list_is_searched_by_text_and_permission(api, key):
    factories.make_tool("execute_python", permissions=("code_execution",))
    factories.make_tool("read_file")
    names = lambda query: [  # noqa: E731
        row["name"] for row in api(key).get(f"/api/v1/tools/?{query}").json()["results"]
    ]
    assert names("") == ["execute_python", "read_file"]
    assert names("q=python") == ["execute_python"]
    assert names("permission=code_execution") == ["execute_python"]
    assert names("team=search") == []


def test_a_private_tool_is_not_there_for_other_teams(api, key, other_key, charlie, alice, team):
    factories.make_tool("secret_tool", team=team, is_shared=False)
    assert api(key).get("/api/v1/tools/secret_tool/").status_code == 200
    assert api(alice).get("/api/v1/tools/secret_tool/").status_code == 200
    assert api(other_key).get("/api/v1/tools/secret_tool/").status_code == 404
    assert api(charlie).get("/api/v1/tools/secret_tool/").json()["reason"] == "unknown_tool"


def test_nobody_is_refused(api, db):
    answer = api(None).get("/api/v1/tools/")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["reason"] in {"unauthenticated"}


def test_an_old_version_can_be_asked_for(api, key):
    tool = factories.make_tool()
    tool.version, tool.description = "1.1", "Newer."
    publishing.publish(tool, by="test")
    answer = api(key).get("/api/v1/tools/execute_python/?version=1.0").json()
    assert answer["version"] == "1.0"
    assert answer["versions"] == ["1.1", "1.0"]

"""Aliases, pins and ranges: which version a caller gets, and who may say so."""

import pytest

from orchestration.models import ToolCall
from registry import bindings, publishing, selection
from registry.models import VersionPin
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def tool(team):
    """Versions 1.0, 1.1, 1.2 and, live, 2.0; it belongs to alice's team and is shared."""
    tool = factories.make_tool("echo", team=team, executor="python")
    for number, fields in {
        "1.1": {"description": "Second."},
        "1.2": {"description": "Third."},
        "2.0": {"cost_micros": 50_000},
    }.items():
        tool.version = number
        for name, value in fields.items():
            setattr(tool, name, value)
        publishing.publish(tool, by="test")
    return tool


def got(tool, agent, selector=None):
    version = publishing.resolve(tool.name, selector, agent.actor, agent_id=agent.id)
    return version.version


@pytest.mark.parametrize(
    ("selector", "number"),
    [
        (None, "2.0"),
        ("live", "2.0"),
        ("1.1", "1.1"),
        ("1.1.0", "1.1"),
        ("1.x", "1.2"),
        ("1", "1.2"),
        ("~1.1", "1.1"),
        ("^1.1", "1.2"),
        (">=1.0,<1.2", "1.1"),
        (">1.2", "2.0"),
        ("*", "2.0"),
        ("stable", "1.1"),
    ],
)
def test_a_selector_means_one_version(tool, agent, selector, number):
    bindings.point(tool, "stable", "1.1")
    assert got(tool, agent, selector) == number


@pytest.mark.parametrize("selector", ["3.0", "3.x", "canary", "one.two", "v1", "1.2.3.4", ">=x"])
def test_what_means_nothing_is_an_unknown_tool(tool, agent, selector):
    with pytest.raises(publishing.UnknownTool):
        got(tool, agent, selector)


@pytest.mark.parametrize("text", ["", " ", "live"])
def test_nothing_is_the_live_version(text):
    assert selection.parse(text).kind == "live"


@pytest.mark.parametrize(
    ("pin", "selector", "number"),
    [
        ("1.x", None, "1.2"),
        ("1.x", "1.0", "1.0"),
        ("1.x", ">=1.1", "1.2"),
        ("stable", None, "1.1"),
        ("1.0", None, "1.0"),
    ],
)
def test_an_agent_gets_what_its_pin_lets_it_have(tool, agent, pin, selector, number):
    bindings.point(tool, "stable", "1.1")
    bindings.pin(agent, tool, pin)
    assert got(tool, agent, selector) == number


def test_a_pin_that_no_version_fits_any_more_is_told(tool, agent):
    VersionPin.objects.create(agent=agent, tool=tool, selector="7.x")
    with pytest.raises(publishing.OutsidePin, match=r"bound to 7\.x"):
        got(tool, agent)


def test_other_agents_are_not_bound(tool, agent, other_agent):
    bindings.pin(agent, tool, "1.x")
    assert got(tool, other_agent) == "2.0"


def test_resolving_is_one_query(tool, agent, django_assert_num_queries):
    got(tool, agent)
    with django_assert_num_queries(1):
        version = publishing.resolve(tool.name, None, agent.actor, agent_id=agent.id)
        assert (version.tool.team.name, version.tool.replacement) == ("search", None)


def call(api, key, **body):
    arguments = {"arguments": {"code": "print(1)"}}
    return api(key).post("/api/v1/tools/echo/call/", arguments | body, format="json")


def test_a_version_outside_of_the_pin_is_refused_and_written_down(api, key, tool, agent):
    bindings.pin(agent, tool, "1.x", reason="not ready for 2")
    answer = call(api, key, version="2.0")
    assert (answer.status_code, answer.json()["reason"]) == (403, "denied_by_policy")
    assert "bound to 1.x of echo" in answer.json()["detail"]
    row = ToolCall.objects.get()
    assert (row.status, row.version, row.selector) == ("refused", "2.0", "2.0")


def test_a_call_keeps_what_was_asked_for_and_what_it_got(api, key, tool, agent):
    bindings.pin(agent, tool, "1.x")
    body = call(api, key).json()
    row = ToolCall.objects.get()
    assert (row.version, row.selector) == ("1.2", "1.x")
    assert body["selector"] == "1.x" if "selector" in body else row.selector == "1.x"


def test_an_agent_reads_the_contract_that_its_calls_would_get(api, key, tool, agent):
    bindings.pin(agent, tool, "1.x")
    assert api(key).get("/api/v1/tools/echo/").json()["version"] == "1.2"
    assert api(key).get("/api/v1/tools/echo/?version=2.0").json()["version"] == "2.0"


def put(api, who, place, body):
    return api(who).put(f"/api/v1/{place}/", body, format="json")


def test_aliases_are_moved_by_those_who_may_change_the_tool(api, tool, alice, bob, charlie, key):
    place = "tools/echo/aliases/stable"
    assert put(api, alice, place, {"version": "1.1"}).json()["version"] == "1.1"
    assert put(api, bob, place, {"version": "1.2"}).json()["version"] == "1.2"
    assert put(api, charlie, place, {"version": "1.0"}).status_code == 403
    assert put(api, key, place, {"version": "1.0"}).status_code == 403
    assert put(api, None, place, {"version": "1.0"}).status_code == 401
    assert api(charlie).delete(f"/api/v1/{place}/").status_code == 403
    assert [
        (row["name"], row["version"])
        for row in api(charlie).get("/api/v1/tools/echo/aliases/").json()["results"]
    ] == [("stable", "1.2")]
    assert api(alice).delete(f"/api/v1/{place}/").status_code == 204
    assert api(alice).delete(f"/api/v1/{place}/").status_code == 404


@pytest.mark.parametrize("name", ["live", "latest", "x", "1x", "v1", "Stable", "a b"])
def test_an_alias_that_would_read_as_something_else_is_refused(api, tool, alice, name):
    answer = put(api, alice, f"tools/echo/aliases/{name}", {"version": "1.1"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/name"


def test_an_alias_of_a_version_that_is_not_there_is_refused(api, tool, alice):
    answer = put(api, alice, "tools/echo/aliases/stable", {"version": "9.9"})
    assert answer.json()["errors"][0]["pointer"] == "/version"


def test_pins_are_set_by_the_agents_team(api, tool, agent, alice, bob, charlie, key):
    place = f"agents/{agent.name}/pins/echo"
    assert put(api, alice, place, {"selector": "1.x"}).json()["selector"] == "1.x"
    assert put(api, bob, place, {"selector": "1.1"}).status_code == 200
    assert put(api, charlie, place, {"selector": "2.0"}).status_code == 404
    assert put(api, key, place, {"selector": "2.0"}).status_code == 403
    assert put(api, None, place, {"selector": "2.0"}).status_code == 401
    assert api(key).get(f"/api/v1/agents/{agent.name}/pins/").json()["results"][0]["selector"] == (
        "1.1"
    )
    assert api(charlie).get(f"/api/v1/agents/{agent.name}/pins/").status_code == 404
    assert api(charlie).delete(f"/api/v1/{place}/").status_code == 404
    assert api(alice).delete(f"/api/v1/{place}/").status_code == 204
    assert not VersionPin.objects.exists()


@pytest.mark.parametrize("selector", ["3.x", "canary", "live", "?"])
def test_a_pin_that_binds_to_nothing_is_refused(api, tool, agent, alice, selector):
    answer = put(api, alice, f"agents/{agent.name}/pins/echo", {"selector": selector})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/selector"


def test_an_alias_that_a_pin_rests_on_stays(api, tool, agent, alice):
    bindings.point(tool, "stable", "1.1")
    bindings.pin(agent, tool, "stable")
    answer = api(alice).delete("/api/v1/tools/echo/aliases/stable/")
    assert answer.status_code == 409
    assert "worker" in answer.json()["detail"]

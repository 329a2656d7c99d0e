"""A tool's documentation says what its contract says, to whoever may see the tool."""

from datetime import timedelta
from typing import Any

import pytest
from kernel import clock

from observability import rollups
from orchestration import examples
from registry import publishing
from registry.models import Tool
from registry.pages import parameters, snippets
from tests import factories
from tests.pages.conftest import DESK, PHONE
from tests.pages.scenes import make_call

pytestmark = [pytest.mark.django_db(transaction=True)]

NESTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "to": {"type": "array", "items": {"$ref": "#/$defs/Person"}, "minItems": 1},
        "mode": {"enum": ["fast", "slow"], "default": "fast", "description": "How to send it"},
        "when": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
    },
    "required": ["to"],
    "$defs": {
        "Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "boss": {"$ref": "#/$defs/Person"}},
            "required": ["name"],
        }
    },
}


def make_full(**fields: Any) -> Tool:
    tool = factories.make_tool(
        "send_letter", permissions=("letters",), parameters=NESTED, tags=["post"],
        result_schema={"type": "object", "properties": {"id": {"type": "integer"}}},
        annotations={"title": "Send a letter"}, data_class="confidential",
        examples=[{"name": "To one", "arguments": {"to": [{"name": "A"}]}}], **fields,
    )  # fmt: skip
    tool.version, tool.description = "1.1", "Send a letter to people."
    publishing.publish(tool, by="user:alice", notes="Says to whom.")
    tool.refresh_from_db()
    return tool


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "root", "audra"])
def test_whoever_sees_the_tool_reads_its_page(request, browse, team, who):
    factories.make_tool("shared_one")
    browser = browse(request.getfixturevalue(who))
    assert browser.get("/tools/shared_one/").status_code == 200
    assert "shared_one" in browser.get("/tools/").content.decode()


def test_outsiders_and_strangers_do_not(browse, charlie, alice, team):
    factories.make_tool("our_own", team=team, is_shared=False)
    assert browse(alice).get("/tools/our_own/").status_code == 200
    assert browse(charlie).get("/tools/our_own/").status_code == 404
    assert "our_own" not in browse(charlie).get("/tools/?q=own").content.decode()
    assert browse(None).get("/tools/our_own/")["Location"].startswith("/login/")
    assert browse(None).get("/tools/")["Location"].startswith("/login/")


def test_a_title_that_says_no_more_than_the_description_is_not_told_twice(browse, alice):
    factories.make_tool("sum", description="Add up.", annotations={"title": "Add up."})
    factories.make_tool("zip", description="Pack.", annotations={"title": "Pack files"})
    page = browse(alice).get("/tools/").content.decode()
    assert page.count("Add up.") == 1
    assert "Pack files" in page


def test_the_page_says_what_the_contract_says(browse, alice):
    make_full()
    page = browse(alice).get("/tools/send_letter/").content.decode()
    for said in (
        "Send a letter to people.", "letters", "Confidential", "Says to whom.", "$0.01", "post",
        "list of object", "to.name", "How to send it", "curl -X POST", "To one", "not run yet",
    ):  # fmt: skip
        assert said in page, said


def test_another_version_can_be_read(browse, alice):
    make_full()
    page = browse(alice).get("/tools/send_letter/?version=1.0").content.decode()
    assert "send_letter, for tests." in page
    assert "This is version 1.0." in page
    assert browse(alice).get("/tools/send_letter/?version=9.9").status_code == 404


def test_a_deprecated_tool_says_what_to_use_instead(browse, alice):
    other = factories.make_tool("new_one")
    factories.make_tool(
        "old_one", deprecated=True, deprecation_message="It is slow.", replacement=other,
        sunset_at=clock.now() + timedelta(days=9),
    )  # fmt: skip
    page = browse(alice).get("/tools/old_one/").content.decode()
    assert "Deprecated." in page
    assert "It is slow." in page
    assert "/tools/new_one/" in page


def test_usage_is_that_of_the_readers_teams(browse, alice, charlie, agent):
    tool = factories.make_tool("shared_one")
    make_call(agent, tool, finished_at=clock.now())
    rollups.fold()
    assert "<dt>Calls</dt><dd>1" in browse(alice).get("/tools/shared_one/").content.decode()
    assert "No call in 30 days." in browse(charlie).get("/tools/shared_one/").content.decode()


def test_an_examples_outcome_is_shown_and_its_detail_to_its_team(browse, alice, charlie, agent):
    make_full()
    examples.run("send_letter", agent)
    own = browse(alice).get("/tools/send_letter/").content.decode()
    assert "permission_missing" in own
    others = browse(charlie).get("/tools/send_letter/").content.decode()
    assert ">failed<" in others
    assert "permission_missing" not in others


def test_the_list_is_searched_and_mends_spelling(browse, alice):
    make_full()
    factories.make_tool("other_one")
    page = browse(alice).get("/tools/?q=leter").content.decode()
    assert "Shown is <strong>letter</strong>" in page
    assert "/tools/other_one/" not in page
    assert "No tool fits" in browse(alice).get("/tools/?q=zzz").content.decode()


def test_the_list_tells_what_an_agent_may_call(browse, alice, agent):
    make_full()
    factories.make_tool("other_one")
    page = browse(alice).get("/tools/?agent=worker").content.decode()
    assert "/tools/other_one/" in page
    assert "/tools/send_letter/" not in page


def test_nested_schemas_are_rows():
    rows = {row.path: row for row in parameters.rows(NESTED)}
    assert rows["to"].type == "list of object"
    assert rows["to.name"].required
    assert rows["to.boss"].depth == 1
    assert rows["mode"].choices == ('"fast"', '"slow"')
    assert rows["when"].type == "string (date-time) or null"
    assert len(rows) == 5, "a schema that holds itself isn't opened again"


def test_a_sample_fits_its_schema():
    assert parameters.sample(NESTED)["to"][0]["name"] == "…"


def test_a_snippet_runs_nothing_but_the_call():
    evil = {"code": "'; rm -rf / #", "$(id)": "`id`"}
    curl, python = snippets.of("t", evil, base_url="http://x", mcp=False)
    assert "'\"'\"'; rm" in curl.text
    compile(python.text, "snippet", "exec")


@pytest.mark.browser
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_and_break_no_rule(visit, alice, agent, width, scheme, tmp_path):
    make_full(deprecated=True, deprecation_message="Soon gone.")
    factories.make_tool("empty_one", parameters={"type": "object"})
    window = visit(width, scheme)
    window.sign_in("alice")
    for path in (
        "/tools/", "/tools/?q=letter&semantic=true&agent=worker", "/tools/?q=zzzz",
        "/tools/send_letter/", "/tools/empty_one/", "/tools/send_letter/try/",
        "/tools/send_letter/try/?form=json",
    ):  # fmt: skip
        window.go(path)
        name = path.replace("/", "_").replace("?", "_")
        window.page.screenshot(path=f"{tmp_path}/{name}.png", full_page=True)


@pytest.mark.browser
def test_a_tool_is_found_and_tried_by_keyboard_alone(visit, alice, agent):
    make_full()
    window = visit()
    window.sign_in("alice")
    window.go("/tools/")
    window.page.keyboard.type("letter")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/tools/?q=letter*")
    window.tab_to('a[href="/tools/send_letter/"]')
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/tools/send_letter/")
    window.tab_to('a[href="/tools/send_letter/try/"]')
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/try/")
    window.tab_to(".button--primary")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/try/?call=*")
    assert "permission_missing" in window.page.inner_text("main")

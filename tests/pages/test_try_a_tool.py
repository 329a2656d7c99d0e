"""A member tries a tool as an agent of a team of theirs, and as nobody else's."""

from typing import Any

import pytest

from governance.models import AuditEvent
from orchestration.models import ToolCall
from registry.models import Agent, User
from tests import factories
from tests.governance.rows import make_policy

pytestmark = [pytest.mark.django_db(transaction=True)]

URL = "/tools/adder/try/"
SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "times": {"type": "integer"},
        "how": {"enum": ["fast", "slow"]},
        "loud": {"type": "boolean"},
        "more": {"type": "object"},
    },
    "required": ["code"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def tool(team: Any) -> None:
    # Nothing is executed: what matters is who is let through to the pipeline, and with what.
    factories.make_tool("adder", permissions=("code_execution",), parameters=SCHEMA)


def post(browser: Any, **fields: str) -> Any:
    return browser.post(URL, {"agent": "worker", "argument.code": "1"} | fields)


@pytest.mark.parametrize("who", ["alice", "bob", "root"])
def test_the_agents_own_people_may_try(request, browse, agent: Agent, who):
    person: User = request.getfixturevalue(who)
    answer = post(browse(person))
    assert answer.status_code == 302
    call = ToolCall.objects.get()
    assert (call.agent_name, call.status, call.reason) == (
        "worker", "refused", "permission_missing"
    )  # fmt: skip
    shown = browse(person).get(answer["Location"])
    assert shown.status_code == 200
    assert "code_execution" in shown.content.decode()


@pytest.mark.parametrize("who", ["charlie", "rita", "audra"])
def test_others_may_not(request, browse, agent: Agent, who):
    answer = post(browse(request.getfixturevalue(who)))
    assert answer.status_code == 422
    assert not ToolCall.objects.exists()
    assert ">worker (" not in answer.content.decode()


def test_nobody_is_asked_to_sign_in(browse, agent):
    answer = post(browse(None))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
    assert not ToolCall.objects.exists()


def test_an_agents_key_opens_no_page(api, key):
    answer = api(key).post(URL, {"agent": "worker"}, format="json")
    assert answer.status_code in (302, 401, 403)
    assert not ToolCall.objects.exists()


def test_a_tool_that_one_cannot_see_cannot_be_tried(browse, alice, agent, other_team):
    factories.make_tool("theirs", team=other_team, is_shared=False)
    assert browse(alice).get("/tools/theirs/try/").status_code == 404
    assert browse(alice).post("/tools/theirs/try/", {"agent": "worker"}).status_code == 404


def test_another_agents_call_is_not_shown(browse, alice, charlie, agent, other_agent):
    made = post(browse(charlie), agent="other_worker")["Location"]
    assert "other_worker" in browse(charlie).get(made).content.decode()
    shown = browse(alice).get(made).content.decode()
    assert "Nothing was called yet" in shown


def test_policy_holds_here_too(browse, alice, agent):
    factories.grant(agent, "code_execution")
    make_policy("closed", [{"name": "no", "message": "Not today", "deny": True}])
    answer = post(browse(alice))
    assert ToolCall.objects.get().reason == "denied_by_policy"
    assert "Not today" in browse(alice).get(answer["Location"]).content.decode()


def test_people_are_asked_where_a_policy_says_so(browse, alice, agent):
    factories.grant(agent, "code_execution")
    make_policy("careful", [{"name": "ask", "message": "Ask", "require_approval": {}}])
    answer = post(browse(alice))
    assert ToolCall.objects.get().status == "awaiting_approval"
    assert "/approvals/" in browse(alice).get(answer["Location"]).content.decode()


def test_a_suspended_agent_cannot_be_used(browse, alice, agent):
    Agent.objects.update(is_active=False)
    post(browse(alice))
    assert ToolCall.objects.get().reason == "suspended"


def test_the_call_says_on_whose_behalf(browse, alice, agent):
    post(browse(alice))
    event = AuditEvent.objects.get(event="tool_call.refused")
    assert event.on_behalf_of == "user:alice"


def test_a_form_that_is_sent_twice_asks_once(browse, alice, agent):
    factories.grant(agent, "code_execution")
    make_policy("careful", [{"name": "ask", "message": "Ask", "require_approval": {}}])
    nonce = "018f0000-0000-7000-8000-000000000009"
    browser = browse(alice)
    first, second = post(browser, nonce=nonce), post(browser, nonce=nonce)
    assert first["Location"] == second["Location"]
    assert ToolCall.objects.count() == 1


def test_fields_become_arguments(browse, alice, agent):
    fields = {"times": "3", "how": "slow", "loud": "true", "more": '{"a": [1]}', "code": "a\r\nb"}
    post(browse(alice), **{f"argument.{name}": value for name, value in fields.items()})
    assert ToolCall.objects.get().payload.arguments == {
        "code": "a\nb", "times": 3, "how": "slow", "loud": True, "more": {"a": [1]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields", [{"argument.more": "{"}, {"arguments": "[1]"}, {"arguments": "{"}, {"agent": ""}]
)
def test_what_cannot_be_read_is_said_and_nothing_is_called(browse, alice, agent, fields):
    answer = post(browse(alice), **fields)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert not ToolCall.objects.exists()


def test_arguments_that_do_not_fit_are_refused_with_their_place(browse, alice, agent):
    answer = post(browse(alice), arguments='{"code": 1}')
    assert ToolCall.objects.get().reason == "invalid_arguments"
    assert "/code" in browse(alice).get(answer["Location"]).content.decode()


def test_hostile_schemas_and_results_are_shown_as_text(browse, alice, agent):
    evil = '"><script>alert(1)</script>'
    factories.make_tool(
        "evil", description=evil, tags=[evil],
        parameters={"type": "object", "properties": {evil: {"type": evil and "string",
                    "description": evil, "enum": [evil]}}},
        examples=[{"arguments": {evil: evil}, "name": evil}],
    )  # fmt: skip
    for path in ("/tools/", "/tools/evil/", "/tools/evil/try/", "/tools/?q=script"):
        page = browse(alice).get(path).content.decode()
        assert "<script>alert" not in page, path

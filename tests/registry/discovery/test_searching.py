"""Tools are found by words: ranked, forgiving, and safe whatever is typed."""

from typing import Any

import pytest

from registry import discovery, publishing
from registry.discovery import schema
from registry.models import Tool, ToolEntry
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TOOLS = {
    "send_invoice": "Send an invoice to a customer by email.",
    "list_invoices": "List the invoices of one month.",
    "create_repository": "Create a new git repository.",
    "mergePullRequest": "Merge a pull request once its checks are green.",
    "read_file": "Read one file of a project.",
}


@pytest.fixture
def tools(db: None) -> None:
    for name, description in TOOLS.items():
        factories.make_tool(name, description=description)


def named(actor: Any, text: str, **asked: str) -> list[str]:
    rows = discovery.narrowed(discovery.listed(actor), asked)
    found = discovery.search(rows, text)
    names = dict(Tool.objects.values_list("entry__id", "name"))
    return [names[hit.entry_id] for hit in found.hits]


def test_a_tool_is_found_by_words_of_its_description(tools, alice):
    assert named(alice.actor, "customer email") == ["send_invoice"]


def test_words_are_found_in_other_forms(tools, alice):
    assert set(named(alice.actor, "invoicing")) == {"send_invoice", "list_invoices"}


def test_a_name_counts_more_than_a_description(tools, alice):
    factories.make_tool("zip", description="Pack; afterwards, send the file or an invoice.")
    assert named(alice.actor, "send invoice")[0] == "send_invoice"


def test_the_exact_name_comes_first(tools, alice):
    factories.make_tool("read", description="Read file, read file, read file.")
    assert named(alice.actor, "read_file")[0] == "read_file"


def test_a_camel_case_name_is_found_by_its_words(tools, alice):
    assert named(alice.actor, "pull request") == ["mergePullRequest"]


def test_the_last_word_may_be_unfinished(tools, alice):
    assert named(alice.actor, "create reposi") == ["create_repository"]


def test_a_question_is_answered_by_the_words_that_say_something(tools, alice):
    assert named(alice.actor, "how do I merge the pull request?")[0] == "mergePullRequest"


def test_a_slip_of_the_finger_is_corrected(tools, alice):
    rows = discovery.listed(alice.actor)
    found = discovery.search(rows, "reposiotry")
    assert found.corrected == "repository"
    assert named(alice.actor, "reposiotry") == ["create_repository"]


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'; DROP TABLE registry_tool; --",
        "name:invoice",
        "invoice NEAR(customer, 2)",
        "NOT invoice AND OR",
        "^invoice*",
        "(((",
        "{name description}: x",
        "a\x00b",
        "\\' | !invoice & :*",
        "-- *",
        "\ud800",
        "x" * 10_000,
        "invoice " * 2_000,
        "ﬁle №5 ½ 日本語 עברית",
        "+invoice -list",
    ],
)
def test_no_text_is_taken_for_syntax(tools, alice, text):
    assert isinstance(named(alice.actor, text), list)
    assert Tool.objects.count() == len(TOOLS)


def test_operators_are_words_like_others(tools, alice):
    assert "send_invoice" in named(alice.actor, 'invoice" OR "customer')


def test_nothing_is_found_where_nothing_is_meant(tools, alice):
    assert named(alice.actor, "quetzalcoatl") == []
    assert named(alice.actor, "???") == []


def test_what_the_reader_may_not_see_is_not_found(alice, charlie, team):
    factories.make_tool("send_secret", team=team, is_shared=False)
    assert named(alice.actor, "secret") == ["send_secret"]
    assert named(charlie.actor, "secret") == []
    assert named(charlie.actor, "send_secret") == []


def test_a_new_version_is_found_by_its_new_words_alone(tools, alice):
    tool = Tool.objects.get(name="read_file")
    tool.version, tool.description = "1.1", "Fetch a document."
    publishing.publish(tool, by="test")
    assert named(alice.actor, "document") == ["read_file"]
    assert named(alice.actor, "project") == []


def test_what_is_not_published_yet_is_not_found(tools, alice):
    tool = Tool.objects.get(name="read_file")
    tool.description = "Unpublished words: xylophone."
    tool.save()
    assert named(alice.actor, "xylophone") == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"tag": "money"}, ["dear"]),
        ({"tag": "mone"}, []),
        ({"team": "search"}, ["dear"]),
        ({"permission": "payments"}, ["dear"]),
        ({"max_cost": "0.5"}, ["cheap"]),
        ({"environment": "production"}, ["cheap"]),
        ({"environment": "staging"}, ["cheap", "dear"]),
        ({"data_class": "restricted"}, ["dear"]),
        ({"executor": "http"}, ["dear"]),
        ({"deprecated": "true"}, ["cheap"]),
        ({"tag": "money", "deprecated": "true"}, []),
        ({"tag": ""}, ["cheap", "dear"]),
    ],
)
def test_filters_narrow(alice, team, asked, found):
    factories.make_tool("cheap", description="Pay.", cost_micros=500_000, deprecated=True)
    factories.make_tool(
        "dear", description="Pay.", cost_micros=600_000, tags=["money"], team=team,
        permissions=("payments",), environments=["staging"], data_class="restricted",
        executor="http", executor_config={"hosts": []},
    )  # fmt: skip
    rows = discovery.narrowed(discovery.listed(alice.actor), asked)
    assert sorted(rows.values_list("name", flat=True)) == found
    assert sorted(named(alice.actor, "pay", **asked)) == found


def test_migrating_brings_entries_of_a_release_before_up_to_date(tools, alice):
    """Those that say less than today's, and those of tools that have none."""
    entry = ToolEntry.objects.get(tool__name="read_file")
    ToolEntry.objects.filter(pk=entry.pk).update(facts={"tags": []}, checksum="of before")
    ToolEntry.objects.filter(tool__name="send_invoice").delete()
    schema.catch_up()
    assert ToolEntry.objects.get(tool__name="read_file").facts == entry.facts
    assert named(alice.actor, "customer")[0] == "send_invoice"

"""Of a search's hits, those that its asker may see: all of them, in their order, in few queries."""

from typing import Any

import pytest
from django.db import connection

from registry import discovery
from registry.discovery import entries
from registry.discovery.allowed import Allowed
from registry.discovery.marks import Marks
from registry.models import Tool, ToolEntry
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

MANY = 1_300


@pytest.fixture
def many(team: Any) -> list[int]:
    """Very many entries, every hundredth of which is shared."""
    first = factories.make_tool("tool_0", description="An invoice.")
    entry = ToolEntry.objects.get(tool=first)
    tools = [
        Tool(
            name=f"tool_{number}", team=team, is_shared=number % 100 == 0, description="x",
            executor="python", version="1.0", live_version=first.live_version,
        )
        for number in range(1, MANY)
    ]  # fmt: skip
    Tool.objects.bulk_create(tools)
    for tool in tools:
        entry.pk, entry.tool = None, tool
        entry.stamp = entries.new_stamp()
        entry.save(force_insert=True)
    return list(ToolEntry.objects.order_by("-id").values_list("id", flat=True))


def visible(charlie: Any) -> set[int]:
    found = discovery.listed(charlie.actor).values_list("entry__id", flat=True)
    return set(found)


@pytest.mark.parametrize("enough", [1, 5, 12, 500])
def test_enough_are_found_however_rare_they_are(many, charlie, enough):
    seen = visible(charlie)
    expected = [each for each in many if each in seen]
    assert len(expected) == MANY // 100
    found = Allowed(discovery.listed(charlie.actor), enough).of(many)
    assert found == expected[: len(found)]
    assert len(found) >= min(enough, len(expected))


def test_it_takes_few_queries(many, alice, charlie, django_assert_max_num_queries):
    rows = discovery.listed(alice.actor)
    with django_assert_max_num_queries(1):
        assert len(Allowed(rows, 20).of(many)) >= 20
    rows = discovery.listed(charlie.actor)
    with django_assert_max_num_queries(5):
        assert len(Allowed(rows, 500).of(many)) == MANY // 100


def test_a_second_ranking_is_not_asked_about_again(many, alice, django_assert_num_queries):
    allowed = Allowed(discovery.listed(alice.actor), 20)
    allowed.ask_early(many[100:120])
    with django_assert_num_queries(1):
        allowed.of(many[:20])
        assert allowed.of(many[100:120]) == many[100:120]


def test_a_mark_is_of_one_entry_alone(many, alice):
    ids = sorted(many)
    chosen = {ids[0], ids[7], ids[-2]}
    marks = bytes(id in chosen for id in range(ids[0], ids[-2] + 1))
    rows = discovery.listed(alice.actor).filter(entry__id__marked=Marks(ids[0], marks))
    assert set(rows.values_list("entry__id", flat=True)) == chosen
    # The last one came after the marks were made.
    nothing = discovery.listed(alice.actor).filter(entry__id__marked=Marks(0, b""))
    assert not nothing.exists()


def test_what_has_no_mark_is_all_the_others(many, alice):
    marks = Marks(min(many), b"\x01")
    rows = discovery.listed(alice.actor).exclude(entry__id__marked=marks)
    assert rows.count() == MANY - 1


def test_an_entry_keeps_its_id_and_uses_up_no_other(alice):
    """Marks are one byte for each id: ids are to stay close."""
    tool = factories.make_tool("one")
    before = tool.entry.id
    for number in range(3):
        tool.tags = [f"tag{number}"]
        tool.retired = [{"versions": f"0.{number}", "message": "", "sunset_at": None}]
        tool.save()
        discovery.refresh(tool)
    assert ToolEntry.objects.get(tool=tool).id == before
    assert factories.make_tool("two").entry.id == before + 1


@pytest.mark.django_db(transaction=True)
def test_after_many_changes_the_database_counts_anew(team):
    """Without, PostgreSQL takes the tools for few, and reads them all for a page."""
    first = factories.make_tool("tool_0")
    tools = [
        Tool(
            name=f"tool_{number}", team=team, description="x", executor="python", version="1.0",
            live_version=first.live_version,
        )
        for number in range(1, entries.MANY + 1)
    ]  # fmt: skip
    Tool.objects.bulk_create(tools)
    assert discovery.refresh_all(tools) == entries.MANY
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'registry_toolentry'")
            assert cursor.fetchone()[0] > 0

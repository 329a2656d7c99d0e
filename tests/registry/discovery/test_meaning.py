"""Tools are found by what is meant, with no word in common, and the vectors follow the texts."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from kernel import outbox

from registry import discovery, publishing
from registry.discovery import embedding, entries, meaning, rebuild
from registry.models import Tool, ToolEntry
from tests import factories
from tests.architecture.source import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def tools(db: None) -> None:
    for name, description in {
        "send_invoice": "Send a bill to a customer.",
        "delete_branch": "Remove a branch from a git repository.",
        "get_forecast": "Tell tomorrow's temperature and rain for a city.",
    }.items():
        factories.make_tool(name, description=description)


def named(actor: Any, text: str, mode: discovery.Mode) -> list[str]:
    found = discovery.search(discovery.listed(actor), text, mode)
    names = dict(Tool.objects.values_list("entry__id", "name"))
    return [names[hit.entry_id] for hit in found.hits]


def test_what_is_meant_is_found_without_a_common_word(alice):
    assert named(alice.actor, "weather", "text") == []
    assert named(alice.actor, "weather", "semantic")[0] == "get_forecast"


def test_words_and_meaning_are_one_ranking(alice):
    factories.make_tool("weather_station_serial", description="Number of the device.")
    found = discovery.search(discovery.listed(alice.actor), "weather", "hybrid")
    by = {hit.entry_id: hit.by for hit in found.hits}
    names = dict(ToolEntry.objects.values_list("tool__name", "id"))
    assert by[names["weather_station_serial"]] == ("text", "semantic")
    assert by[names["get_forecast"]] == ("semantic",)
    assert found.hits[0].entry_id == names["weather_station_serial"]


def test_what_the_reader_may_not_see_is_not_near(alice, charlie, team):
    factories.make_tool("get_weather", team=team, is_shared=False, description="The weather.")
    assert named(alice.actor, "weather", "semantic")[0] == "get_weather"
    assert "get_weather" not in named(charlie.actor, "weather", "semantic")


def test_a_worker_stores_the_vectors(alice):
    assert not ToolEntry.objects.exclude(model="").exists()
    assert rebuild.embed_waiting() == 3
    row = ToolEntry.objects.get(tool__name="get_forecast")
    assert (row.model, row.dimension) == (embedding.MODEL, embedding.DIMENSION)
    assert row.vector_checksum == row.text_checksum
    stored = embedding.unpacked([bytes(row.vector)])[0]
    assert float(stored @ embedding.embed([row.text])[0]) > 0.999
    assert rebuild.embed_waiting() == 0


def test_a_changed_text_is_embedded_anew(alice):
    rebuild.embed_waiting()
    tool = Tool.objects.get(name="delete_branch")
    tool.version, tool.description = "1.1", "Tell how humid and windy a town is."
    publishing.publish(tool, by="test")
    row = ToolEntry.objects.get(tool=tool)
    assert row.vector_checksum != row.text_checksum
    assert "delete_branch" in named(alice.actor, "climate of a town", "semantic")[:2]
    assert rebuild.embed_waiting() == 1


def test_an_unchanged_tool_keeps_its_entry(alice):
    rebuild.embed_waiting()
    before = list(ToolEntry.objects.order_by("id").values())
    for tool in Tool.objects.select_related("live_version"):
        discovery.refresh(tool)
    assert list(ToolEntry.objects.order_by("id").values()) == before


def test_a_vector_of_another_model_is_not_used(alice):
    rebuild.embed_waiting()
    ToolEntry.objects.update(model="another/model")
    assert rebuild.embed_waiting() == 3


def test_publishing_asks_for_vectors_once(db):
    rows = entries.Outbox.objects.filter(topic=entries.TOPIC)
    assert rows.count() == 1


def test_the_worker_receives_it(db):
    outbox.drain()
    assert not ToolEntry.objects.filter(model="").exists()


def test_rebuilding_gives_the_same_entries(alice):
    before = sorted(ToolEntry.objects.values_list("tool__name", "checksum"))
    told = rebuild.rebuild()
    assert (told.written, told.embedded, told.entries) == (3, 3, 3)
    assert sorted(ToolEntry.objects.values_list("tool__name", "checksum")) == before
    assert named(alice.actor, "weather", "semantic")[0] == "get_forecast"


def test_another_process_change_is_seen(alice, monkeypatch):
    """What this process keeps is void when the rows say so, though nobody told it."""
    assert "get_forecast" in named(alice.actor, "weather", "semantic")
    before = meaning.current()
    vector = embedding.embed(["the weather"])[0]
    ToolEntry.objects.filter(tool__name="send_invoice").update(
        vector=embedding.packed(vector), vector_checksum="x", text_checksum="x",
        model=embedding.MODEL, stamp=entries.new_stamp(),
    )  # fmt: skip
    monkeypatch.setattr("registry.discovery.freshness.SECONDS", 0.0)
    assert named(alice.actor, "the weather", "semantic")[0] == "send_invoice"
    kept = np.isin(before.ids, meaning.current().ids)
    assert kept.all(), "the other rows are still there"


def test_a_text_of_unknown_signs_finds_nothing(alice):
    assert named(alice.actor, "???", "semantic") == []


def test_nothing_heavy_is_loaded_at_the_start(tmp_path):
    script = (
        "import os, sys; sys.path += ['.', 'platform'];"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings';"
        "import django; django.setup(); import portal.urls;"
        "print([m for m in ('numpy', 'wordllama', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

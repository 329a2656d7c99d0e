"""A breaking change under a minor number is refused, at every door, with place and reason."""

import pytest
from kernel.catalogue import CatalogueError

from registry import alignment, bindings, catalogue, publishing
from registry.models import Tool, ToolVersion, VersionPin
from tests import factories

pytestmark = pytest.mark.django_db


def narrowed(tool):
    tool.parameters = tool.parameters | {
        "properties": tool.parameters["properties"] | {"code": {"type": "string", "maxLength": 9}}
    }
    return tool


def test_a_breaking_change_with_a_minor_number_is_refused_with_the_reasons():
    tool = narrowed(factories.make_tool())
    tool.version = "1.1"
    with pytest.raises(publishing.NumberTooLow, match=r"number 2\.0 or above") as refused:
        publishing.publish(tool, by="test")
    [issue] = refused.value.errors
    assert issue.pointer == "/parameters/properties/code/maxLength"
    assert refused.value.extra["required_version"] == "2.0"
    assert ToolVersion.objects.count() == 1
    tool.version = "2.0"
    version = publishing.publish(tool, by="test", notes="Shorter code.")
    assert (version.notes, version.changes[0]["kind"]) == ("Shorter code.", "breaking")


def test_a_wider_tool_needs_a_minor_number_and_a_reworded_one_a_patch():
    tool = factories.make_tool()
    tool.description, tool.version = "Other words.", "1.0.1"
    publishing.publish(tool, by="test")
    tool.idempotent, tool.version = True, "1.0.2"
    with pytest.raises(publishing.NumberTooLow, match=r"1\.1 or above"):
        publishing.publish(tool, by="test")
    tool.version = "1.1"
    assert publishing.publish(tool, by="test").version == "1.1"


def test_a_check_writes_nothing():
    tool = narrowed(factories.make_tool())
    found = publishing.check(tool)
    assert (found.live, found.required, found.is_breaking) == ("1.0", "2.0", True)
    assert ToolVersion.objects.count() == 1


def test_the_catalogue_refuses_with_the_same_place():
    tool = factories.make_tool()
    entry = catalogue.entry_of(tool) | {"version": "1.1", "cost_per_call": "0.50"}
    with pytest.raises(CatalogueError, match="/cost_per_call: each call is dearer"):
        catalogue.apply_tool(entry)


def test_release_notes_are_told_once():
    tool = factories.make_tool()
    for number, told in {"1.0.1": "First.", "1.0.2": ""}.items():
        tool.release_notes, tool.version = "First.", number
        assert publishing.publish(tool, by="test").notes == told


def test_the_catalogue_keeps_the_rules_of_the_way_out(team):
    factories.make_tool("newer", team=team)
    tool = factories.make_tool("old", team=team)
    entry = catalogue.entry_of(tool)
    gone = entry | {"deprecated": True, "replacement": "old"}
    with pytest.raises(CatalogueError, match="/replacement: old leads back"):
        catalogue.apply_tool(gone)
    with pytest.raises(CatalogueError, match="/sunset_at"):
        catalogue.apply_tool(entry | {"sunset_at": "2999-01-01T00:00:00Z"})
    Tool.objects.filter(name="old").update(replacement=None, deprecated=False, sunset_at=None)
    catalogue.apply_tool(entry | {"deprecated": True, "replacement": "newer"})
    assert Tool.objects.get(name="old").deprecated_at is not None


def test_aliases_and_pins_are_kinds_of_a_catalogue(agent):
    tool = factories.make_tool("echo")
    alias = {"kind": "tool_alias", "tool": "echo", "name": "stable", "version": "1.0"}
    pin = {"kind": "version_pin", "agent": agent.name, "tool": "echo", "selector": "stable"}
    acts = [alignment.apply_alias(alias).act, alignment.apply_pin(pin).act]
    again = [alignment.apply_alias(alias).act, alignment.apply_pin(pin).act]
    assert (acts, again) == (["create"] * 2, ["unchanged"] * 2)
    assert [alignment.apply_alias(each).act for each in alignment.export_aliases()] == ["unchanged"]
    assert [alignment.apply_pin(each).act for each in alignment.export_pins()] == ["unchanged"]
    assert VersionPin.objects.get().tool == tool
    with pytest.raises(CatalogueError, match="/version"):
        alignment.apply_alias(alias | {"version": "7.0"})
    with pytest.raises(CatalogueError, match="/agent"):
        alignment.apply_pin(pin | {"agent": "nobody"})
    bindings.unpin(agent, tool)

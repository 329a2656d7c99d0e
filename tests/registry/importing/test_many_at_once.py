"""An import of many tools is written in a few statements, and leaves behind what single ones do."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from kernel.actor import SYSTEM, acting
from kernel.problems import Conflict, Invalid

from governance.models import AuditEvent
from registry import catalogue, discovery
from registry.importing import mcp, openapi, planning, writing
from registry.importing.drafts import Imported, Terms
from registry.models import Team, Tool, ToolVersion
from registry.models.search import ToolEntry
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

MANY = 40
BEFORE: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
AFTER: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}


def served(schema: dict[str, Any], count: int = MANY) -> Imported:
    tools = [
        {"name": f"do_{number}", "description": f"Does {number}.", "inputSchema": schema}
        for number in range(count)
    ]
    return mcp.read(tools, "tracker")


def trail(name: str) -> list[tuple[str, Any]]:
    """What the audit log tells of a tool, in its order."""
    lines = AuditEvent.objects.filter(target_kind="tool", target_name=name).order_by("id")
    return [(line.event, line.data.get("changed")) for line in lines]


def test_each_tool_of_many_has_its_version_history_audit_and_entry(team: Team) -> None:
    permission = factories.make_permission("network_access")
    planning.apply(served(BEFORE), team, SYSTEM, Terms(permissions=("network_access",)))
    planning.apply(served(AFTER), team, SYSTEM)
    for tool in Tool.objects.select_related("live_version"):
        assert tool.live_version.version == "2.0"
        assert tool.live_version.contract["parameters"] == tool.parameters == AFTER
        assert tool.live_version.changes[0]["kind"] == "breaking"
        assert list(tool.versions.values_list("version", flat=True).order_by("sort_key")) == [
            "1.0",
            "2.0",
        ]
        newest, oldest = tool.history.all()
        assert (newest.history_type, newest.parameters) == ("~", AFTER)
        assert (oldest.history_type, oldest.parameters) == ("+", BEFORE)
        for kept in (newest, oldest):
            assert [each.permission for each in kept.permissions_required.all()] == [permission]
        assert trail(tool.name) == [
            ("tool.created", None),
            ("tool.published", None),
            ("tool.changed", ["live_version", "parameters", "version"]),
            ("tool.published", None),
        ]
    entries = ToolEntry.objects.values_list("facts", flat=True)
    assert len(entries) == MANY
    assert {each["version"] for each in entries if "version" in each} <= {"2.0"}


def test_a_tool_of_many_is_the_same_as_one_that_is_written_alone(team: Team) -> None:
    planning.apply(served(BEFORE, 2), team, SYSTEM)
    entry = catalogue.entry_of(Tool.objects.get(name="do_0"))
    catalogue.apply_tool(entry | {"name": "alone"})
    one, alone = Tool.objects.get(name="do_0"), Tool.objects.get(name="alone")
    apart = {"id", "name", "created_at", "live_version", "origin"}
    for field in Tool._meta.concrete_fields:
        if field.name not in apart:
            assert getattr(one, field.name) == getattr(alone, field.name), field.name
    contracts = [row.live_version.contract for row in (one, alone)]
    assert contracts[0] | {"name": ""} == contracts[1] | {"name": ""}
    assert one.live_version.sort_key == alone.live_version.sort_key
    assert one.live_version.published_by == SYSTEM.reference


def test_the_statements_dont_grow_with_the_tools_but_for_the_audit_lines(team: Team) -> None:
    counts = []
    for schema, number in ((BEFORE, 10), (BEFORE, MANY), (AFTER, MANY)):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            planning.apply(served(schema, number), team, SYSTEM)
        kept = [each["sql"] for each in asked if "governance_auditevent" not in each["sql"]]
        counts.append(len(kept))
    assert max(counts) < 45, counts
    assert counts[1] - counts[0] < 10


def test_a_deprecated_operation_is_deprecated_with_its_record_among_the_others(team: Team) -> None:
    operation = {"responses": {"200": {"description": "ok"}}, "operationId": "old"}
    paths = {
        "/old": {"get": operation | {"deprecated": True}},
        "/new": {"get": operation | {"operationId": "new"}},
    }
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://a.example"}],
        "paths": paths,
    }
    made = planning.apply(openapi.read(document), team, SYSTEM)
    assert len(made.of("create")) == 2
    assert Tool.objects.get(name="old").deprecated_at is not None
    assert "tool.deprecated" in [event for event, _ in trail("old")]
    assert "tool.deprecated" not in [event for event, _ in trail("new")]
    again = planning.apply(openapi.read(document), team, SYSTEM)
    assert len(again.of("unchanged")) == 2


def test_a_number_that_another_import_took_meanwhile_leaves_nothing_written(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    planning.apply(served(BEFORE, 3), team, SYSTEM)
    taken = Tool.objects.get(name="do_1")
    live = taken.live_version
    planned = planning._numbers([taken])
    ToolVersion.objects.create(
        tool=taken, version="2.0", sort_key=2 * 10**12, contract=live.contract, checksum="x"
    )
    # The plan was made before that version could be seen.
    monkeypatch.setattr(planning, "_numbers", lambda tools: planned)
    with pytest.raises(Conflict, match="wrote the same tools"):
        planning.apply(served(AFTER, 3), team, SYSTEM)
    assert {row.live_version.version for row in Tool.objects.all()} == {"1.0"}
    assert all(row.parameters == BEFORE for row in Tool.objects.all())


def test_who_may_not_publish_writes_nothing(team: Team) -> None:
    bob = factories.make_user("bob", team=team).actor
    with pytest.raises(Invalid) as refused:
        planning.apply(served(BEFORE, 3), team, bob)
    assert "The platform team publishes tools" in refused.value.errors[0].message
    assert not Tool.objects.exists()


def test_what_was_imported_is_found(team: Team) -> None:
    planning.apply(served(BEFORE), team, SYSTEM)
    assert discovery.refresh_all(list(Tool.objects.select_related("live_version"))) == 0


def test_each_new_tool_requires_what_its_own_entry_says(team: Team) -> None:
    """Also where one import holds tools that require different things."""
    factories.make_permission("read")
    factories.make_permission("write")
    planned = planning.plan(served(BEFORE, 2), team).planned
    entries = [dict(each.entry) for each in planned]
    for entry, name in zip(entries, ("read", "write"), strict=True):
        entry["permissions_required"] = [name]
    changed = [
        replace(each, entry=entry, document=dict(each.document) | {
            "permissions_required": entry["permissions_required"]})
        for each, entry in zip(planned, entries, strict=True)
    ]  # fmt: skip
    with transaction.atomic(), acting(SYSTEM):
        writing.write(changed, SYSTEM)
    for tool, name in zip(Tool.objects.order_by("name"), ("read", "write"), strict=True):
        assert [each.name for each in tool.permissions_required.all()] == [name]
        assert tool.live_version.contract["permissions_required"] == [name]


def test_a_permission_that_is_gone_stops_the_whole_import(team: Team) -> None:
    planned = planning.plan(served(BEFORE, 1), team).planned[0]
    lacking = replace(planned, entry=dict(planned.entry) | {"permissions_required": ["gone"]})
    with pytest.raises(Invalid) as told, transaction.atomic(), acting(SYSTEM):
        writing.write([lacking], SYSTEM)
    assert told.value.errors[0].pointer == "/permissions_required"
    assert not Tool.objects.exists()

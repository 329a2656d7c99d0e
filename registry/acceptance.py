"""Deciding about drift: a changed definition becomes the entry's next version, or stays refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from kernel import acts, clock
from kernel.actor import Actor
from kernel.problems import Conflict, Forbidden, NotFound
from kernel.versions import Version
from kernel.visibility import CHANGE

from registry import compatibility, contracts, drift, publishing
from registry.compatibility import Difference
from registry.importing import mcp
from registry.models import Tool, ToolVersion, UpstreamServer, UpstreamTool

PARTS = ("description", "parameters", "result_schema", "annotations")


@dataclass(frozen=True)
class Prospect:
    """What accepting would do to one tool: the number it would be published under, and why."""

    tool: str
    live: str
    number: str
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        told = [each.as_json() for each in self.differences]
        return {"tool": self.tool, "live": self.live, "number": self.number, "differences": told}


def prospects(row: UpstreamTool) -> tuple[Prospect, ...]:
    """What accepting the definition as it was last seen would publish. Changes nothing."""
    found = []
    for tool in drift.tools_on(row.server).get(row.name, ()):
        with transaction.atomic():
            number, differences = _renew(tool, row)
            live = tool.live_version.version if tool.live_version else ""
            found.append(Prospect(tool.name, live, str(number), differences))
    return tuple(found)


def accept(tool_id: UUID, *, fingerprint: str, by: Actor) -> tuple[ToolVersion, ...]:
    """Publish the definition as it was seen, and end the quarantine, in one transaction.

    1. it is still the one that was read: `fingerprint` names it (Conflict);
    2. each tool made of it gets the new definition, under the lowest number that is honest;
    3. it is approved from now on.

    A description that the owner wrote instead of the server's stays. Only the platform team
    publishes (Forbidden); raises Invalid where the new definition can't be published.
    """
    with transaction.atomic():
        row = _locked(tool_id, fingerprint, by)
        if not by.is_platform:
            raise Forbidden("Accepting publishes a version; the platform team does that.")
        versions = tuple(_published(tool, row, by) for tool in _tools(row))
        row.approved, row.approved_fingerprint = row.seen, row.seen_fingerprint
        row.approved_by, row.approved_at = by.reference, clock.now()
        row.rejected_fingerprint = row.rejected_by = ""
        row.save()
        _record("upstream_tool.accepted", row, [str(version) for version in versions])
    return versions


def reject(tool_id: UUID, *, fingerprint: str, by: Actor) -> UpstreamTool:
    """Keep the tools refused, and say that this definition was read. Raises Conflict, Forbidden."""
    with transaction.atomic():
        row = _locked(tool_id, fingerprint, by)
        row.rejected_fingerprint, row.rejected_by = row.seen_fingerprint, by.reference
        row.save(update_fields=["rejected_fingerprint", "rejected_by"])
        _record("upstream_tool.rejected", row, [tool.name for tool in _tools(row)])
    return row


def may_decide(row: UpstreamTool, by: Actor) -> bool:
    """A person who may change every tool that is made of it; never an agent."""
    if by.is_platform:
        return True
    names = {tool.id for tool in _tools(row)}
    rows = Tool.objects.visible_to(by, CHANGE).filter(id__in=names)
    return by.kind == "user" and bool(names) and rows.count() == len(names)


def _locked(tool_id: UUID, fingerprint: str, by: Actor) -> UpstreamTool:
    rows = UpstreamTool.objects.select_related("server__team").filter(id=tool_id)
    if not rows.visible_to(by).exists():
        raise NotFound("There is no such upstream tool for you.")
    # The server's row is what a comparison locks too.
    UpstreamServer.objects.select_for_update().get(tools__id=tool_id)
    row: UpstreamTool = rows.get()
    if not may_decide(row, by):
        raise Forbidden(f"Ask the owner of what is made of {row} to decide about it.")
    if row.gone_at is not None:
        raise Conflict(f"{row} isn't offered by its server any more.")
    if fingerprint != row.seen_fingerprint:
        raise Conflict(
            f"{row} has changed again since you read it. Read the difference as it is now.",
            extra={"fingerprint": row.seen_fingerprint, "diff": drift.differences(row)},
        )
    return row


def _tools(row: UpstreamTool) -> Iterable[Tool]:
    return drift.tools_on(row.server).get(row.name, ())


def _published(tool: Tool, row: UpstreamTool, by: Actor) -> ToolVersion:
    number, differences = _renew(tool, row)
    tool.version = str(number) if differences else tool.version
    tool.quarantined_at, tool.quarantine_reason = None, ""
    tool.save()
    notes = f"The definition of {row.name} on server {row.server} as {by.name} accepted it."
    version = publishing.publish(tool, by=by.reference, notes=notes)
    acts.record(
        "tool.released",
        target_kind="tool",
        target_id=tool.id,
        target_name=tool.name,
        team_id=tool.team_id,
        version=version.version,
    )
    return version


def _renew(tool: Tool, row: UpstreamTool) -> tuple[Version, tuple[Difference, ...]]:
    """Put the new definition into the entry, unsaved; the number that it needs, and why.

    The draft starts from the live version's words, so that nobody's unfinished edit is published
    along with it.
    """
    live = tool.live_version
    assert live is not None  # noqa: S101 - only published tools are made of a definition
    before, after = entry(row.approved or {}, row), entry(row.seen, row)
    for part in PARTS:
        ours = live.contract.get(part) or {} if part == "annotations" else live.contract.get(part)
        is_own = part == "description" and bool(before) and ours != before[part]
        setattr(tool, part, ours if is_own else after[part])
    differences = compatibility.compare(live.contract, contracts.document_of(tool))
    return compatibility.required_number(live.version, differences), differences


def entry(definition: Mapping[str, Any], row: UpstreamTool) -> dict[str, Any]:
    """The parts of an entry that a definition makes, as an import makes them; empty for none."""
    if not definition:
        return {}
    drafts = mcp.read([dict(definition)], row.server.name).drafts
    if not drafts:
        raise Conflict(f"The definition of {row} can't be made a tool. Reject it.")
    return {part: drafts[0].entry.get(part) for part in PARTS}


def _record(event: str, row: UpstreamTool, tools: list[str]) -> None:
    acts.record(
        event,
        target_kind="upstream_tool",
        target_id=row.id,
        target_name=str(row),
        team_id=row.server.team_id,
        fingerprint=row.seen_fingerprint,
        tools=tools,
    )

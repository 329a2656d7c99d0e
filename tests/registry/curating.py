"""Entries and proposals for the tests of curation."""

from typing import Any

from kernel import outbox

from governance import approvals
from governance.models import Approval
from registry import catalogue, proposals
from registry.models import Team, Tool, ToolProposal, User
from tests import factories


def make_own_tool(team: Team, name: str = "lint", **fields: Any) -> Tool:
    """A published tool that the team owns."""
    return factories.make_tool(name, team=team, **fields)


def entry_of(tool: Tool, **changes: Any) -> dict[str, Any]:
    """The tool's entry as the API gives it, with what the proposal changes."""
    return catalogue.entry_of(tool) | {"version": "1.1"} | changes


def new_entry(team: Team, name: str = "lint", **changes: Any) -> dict[str, Any]:
    """The entry of a tool that there isn't."""
    return {
        "kind": "tool",
        "name": name,
        "owner": team.name,
        "description": "Finds faults in code.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
        "executor": "python",
        "version": "1.0",
    } | changes


def submit(who: User, entry: dict[str, Any], **options: Any) -> ToolProposal:
    """Submitted and delivered, so that its question is open."""
    row = proposals.submit(entry, by=who.actor, **options)
    outbox.drain()
    row.refresh_from_db()
    return row


def assert_published(tool: Tool, number: str) -> None:
    """Once what was decided is delivered, this is the tool's live version."""
    outbox.drain()
    tool.refresh_from_db()
    assert tool.live_version is not None
    assert tool.live_version.version == number


def question_of(row: ToolProposal) -> Approval:
    return Approval.objects.get(subject_kind="tool_proposal", subject_id=row.id)


def decide(row: ToolProposal, who: User, decision: str, comment: str = "") -> ToolProposal:
    """A vote, delivered."""
    approvals.vote(question_of(row).id, by=who, decision=decision, comment=comment)
    outbox.drain()
    row.refresh_from_db()
    return row

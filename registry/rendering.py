"""The registry's nouns as JSON."""

from typing import Any

from registry import contracts, notices
from registry import lifecycle as lifecycles
from registry.models import (
    Agent,
    Tool,
    ToolAlias,
    ToolProposal,
    ToolReport,
    ToolVersion,
    VersionPin,
)


def entry(version: ToolVersion) -> dict[str, Any]:
    """The whole contract of a version, with the tool's lifecycle as it is now."""
    contract: dict[str, Any] = version.contract
    told = {"checksum": version.checksum, "warnings": notices.warnings(version)}
    return contract | contracts.lifecycle_of(version.tool) | told


def listed(tool: Tool) -> dict[str, Any]:
    """A tool in a list: enough to choose by."""
    contract = tool.live_version.contract if tool.live_version else contracts.document_of(tool)
    kept = (
        "name",
        "description",
        "permissions_required",
        "cost_per_call",
        "owner",
        "version",
        "tags",
        "data_class",
    )
    return {name: contract[name] for name in kept} | contracts.lifecycle_of(tool)


def version(version: ToolVersion) -> dict[str, Any]:
    """A published version in the list of its tool's: its number and what it changed."""
    return {
        "version": version.version,
        "is_live": version.tool.live_version_id == version.id,
        "published_at": version.published_at.isoformat(),
        "published_by": version.published_by,
        "checksum": version.checksum,
        "notes": version.notes,
        "changes": version.changes,
        "aliases": sorted(alias.name for alias in version.aliases.all()),
        "warnings": notices.warnings(version),
    }


def lifecycle(tool: Tool) -> dict[str, Any]:
    """Where the tool stands, and what of its versions is on its way out."""
    removed = tool.removed_at.isoformat() if tool.removed_at else None
    return {
        "tool": tool.name,
        "stage": lifecycles.stage(tool),
        "removed_at": removed,
        "retired": tool.retired,
    } | contracts.lifecycle_of(tool)


def alias(row: ToolAlias) -> dict[str, Any]:
    return {
        "tool": row.tool.name,
        "name": row.name,
        "version": row.version.version,
        "moved_at": row.moved_at.isoformat(),
    }


def pin(row: VersionPin) -> dict[str, Any]:
    return {
        "agent": row.agent.name,
        "tool": row.tool.name,
        "selector": row.selector,
        "reason": row.reason,
    }


def agent(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "description": agent.description,
        "team": agent.team.name,
        "environment": agent.environment,
        "runtime": agent.runtime,
        "tags": agent.tags,
        "baseline_minutes": str(agent.baseline_minutes),
        "is_active": agent.is_active,
    }


def proposal(row: ToolProposal) -> dict[str, Any]:
    """A proposal as lists show it."""
    return {
        "id": str(row.id),
        "tool": row.name,
        "version": row.number,
        "base": row.base_version.version if row.base_version else None,
        "owner": row.team.name,
        "status": row.status,
        "outcome": row.outcome,
        "notes": row.notes,
        "requester": {
            "kind": row.requester_kind,
            "name": row.requester_name,
            "on_behalf_of": row.requester_for,
        },
        "approval": str(row.approval_id) if row.approval_id else None,
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "url": f"/tools/proposals/{row.id}/",
    }


def whole_proposal(row: ToolProposal) -> dict[str, Any]:
    """A proposal with the entry, the contract that publishing it makes, and what that changes."""
    return proposal(row) | {
        "document": row.document,
        "contract": row.contract,
        "differences": row.differences,
        "digest": row.digest,
        "published_version": row.published_version.version if row.published_version else None,
    }


def report(row: ToolReport) -> dict[str, Any]:
    """A problem with a tool or a request for one, with its answer."""
    return {
        "id": str(row.id),
        "kind": row.kind,
        "tool": row.tool_name or None,
        "owner": row.team.name if row.team else None,
        "title": row.title,
        "text": row.text,
        "status": row.status,
        "answer": row.answer,
        "answered_by": row.answered_by,
        "answered_at": row.answered_at,
        "proposal": str(row.proposal_id) if row.proposal_id else None,
        "reporter": {
            "kind": row.reporter_kind,
            "name": row.reporter_name,
            "on_behalf_of": row.reporter_for,
        },
        "created_at": row.created_at,
        "url": f"/tools/reports/{row.id}/",
    }

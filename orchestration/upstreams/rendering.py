"""Servers and their tools as JSON. Values of headers and variables are never shown."""

from typing import Any

from registry import acceptance, drift
from registry.models import UpstreamServer, UpstreamTool


def server(row: UpstreamServer) -> dict[str, Any]:
    """A server as its team sees it: what it is, and how its last synchronisation went."""
    return {
        "name": row.name,
        "owner": row.team.name,
        "shared": row.is_shared,
        "description": row.description,
        "is_active": row.is_active,
        "transport": row.transport,
        "url": row.url,
        "headers": sorted(row.headers),
        "env": sorted(row.env),
        "packages": row.packages,
        "info": row.server_info,
        "synced_at": row.synced_at.isoformat() if row.synced_at else None,
        "sync_error": row.sync_error,
    }


def tool(row: UpstreamTool) -> dict[str, Any]:
    """One of its tools, with its state and, where it drifted, the difference."""
    return {
        "id": str(row.id),
        "server": row.server.name,
        "name": row.name,
        "state": row.state,
        "fingerprint": row.seen_fingerprint,
        "approved_fingerprint": row.approved_fingerprint,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at.isoformat() if row.approved_at else None,
        "seen_at": row.seen_at.isoformat(),
        "diff": drift.differences(row) if row.is_drifted else [],
    }


def detail(row: UpstreamTool) -> dict[str, Any]:
    """The same with both definitions, and what accepting would publish."""
    told = [each.as_json() for each in acceptance.prospects(row)] if row.is_drifted else []
    return tool(row) | {"approved": row.approved, "seen": row.seen, "would_publish": told}

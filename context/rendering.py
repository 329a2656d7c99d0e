"""The context as JSON."""

from typing import Any

from context import conflicts, projects
from context.diffs import FileDiff
from context.feed import Change
from context.files import Entry
from context.models import Changeset, FileVersion, Project
from context.reads import Stale


def listed(project: Project) -> dict[str, Any]:
    """A project in a list."""
    return {
        "project": project.name,
        "team": project.team.name,
        "description": project.description,
        "status": project.status,
        "next_step": project.next_step,
        "rev": project.rev,
        "id": str(project.id),
    }


def file(version: FileVersion, content: bytes) -> dict[str, Any]:
    return {
        "path": version.path,
        "version": version.version,
        "mode": version.mode,
        "state": projects.state_of(version.modified_by),
        "modified_by": version.modified_by,
        "rev": version.rev,
        "sha256": version.blob_id,
        "size": len(content),
    } | conflicts.content_as_json(content)


def entry(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "version": entry.version,
        "mode": entry.mode,
        "state": projects.state_of(entry.modified_by),
        "modified_by": entry.modified_by,
        "rev": entry.rev,
        "sha256": entry.sha256,
        "size": entry.size,
    }


def changeset(row: Changeset) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "rev": row.rev,
        "base_rev": row.base_rev,
        "kind": row.kind,
        "summary": row.summary,
        "actor": {"kind": row.actor_kind, "name": row.actor_name},
        "status": row.status,
        "next_step": row.next_step,
        "run": str(row.run_id) if row.run_id else None,
        "created_at": row.created_at.isoformat(),
    }


def change(change: Change) -> dict[str, Any]:
    """A changeset with what it did."""
    return changeset(change.changeset) | {
        "files": [
            {"path": each.path, "version": each.version, "act": each.act} for each in change.files
        ],
        "files_total": change.files_total,
        "decisions": [projects.decision_as_json(row) for row in change.decisions],
    }


def diff(found: FileDiff) -> dict[str, Any]:
    return {
        "path": found.path,
        "kind": found.kind,
        "old_version": found.old_version,
        "new_version": found.new_version,
        "old_mode": found.old_mode,
        "new_mode": found.new_mode,
        "binary": found.binary,
        "oversized": found.oversized,
        "added": found.added,
        "deleted": found.deleted,
        "modified_by": found.modified_by,
        "unified": found.unified,
    }


def stale(found: Stale) -> dict[str, Any]:
    return {
        "path": found.path,
        "read_version": found.read_version,
        "now_version": found.now_version,
        "modified_by": found.modified_by,
        "rev": found.rev,
    }

"""Governance as JSON."""

from typing import Any

from kernel import money
from kernel.actor import Actor

from governance import approvals, budgets
from governance.models import Approval, AuditEvent, Budget, Policy, Vote
from governance.models.budgets import Period


def approval(row: Approval) -> dict[str, Any]:
    """An approval as lists show it."""
    return {
        "id": str(row.id),
        "kind": row.kind,
        "subject": {"kind": row.subject_kind, "id": str(row.subject_id)},
        "team": str(row.team_id),
        "title": row.title,
        "question": row.question,
        "status": row.status,
        "requester": {
            "kind": row.requester_kind,
            "name": row.requester_name,
            "on_behalf_of": row.requester_for,
        },
        "reviewers": row.reviewers,
        "quorum": row.quorum,
        "allow_changes": row.allow_changes,
        "deadline": row.deadline,
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "url": f"/approvals/{row.id}/",
    }


def whole_approval(row: Approval, actor: Actor) -> dict[str, Any]:
    """An approval with what was shown, the votes, and whether this actor may vote."""
    votes = row.votes.order_by("id")
    return approval(row) | {
        "shown": row.shown,
        "digest": row.digest,
        "used_at": row.used_at,
        "votes": [vote(each) for each in votes],
        "may_vote": approvals.may_vote(row, actor),
    }


def vote(row: Vote) -> dict[str, Any]:
    return {
        "by": row.user_name,
        "decision": row.decision,
        "comment": row.comment,
        "fields": row.fields,
        "at": row.created_at,
    }


def policy(row: Policy) -> dict[str, Any]:
    """A policy as lists show it: what is published, and whether it is in force."""
    return {
        "name": row.name,
        "team": row.team.name if row.team else None,
        "description": row.description,
        "status": row.status,
        "version": row.live_version.version if row.live_version else None,
    }


def whole_policy(row: Policy) -> dict[str, Any]:
    """A policy with its live document and its versions, the newest first."""
    live = row.live_version
    return policy(row) | {
        "document": live.document if live else None,
        "checksum": live.checksum if live else None,
        "versions": [
            {"version": each.version, "by": each.published_by, "at": each.published_at}
            for each in row.versions.all()[:50]
        ],
    }


def budget(row: Budget) -> dict[str, Any]:
    """A budget with what its current period has spent and holds."""
    state = budgets.current(row)
    left = row.limit_micros - state.spent_micros - state.held_micros
    return {
        "name": row.name,
        "team": row.team.name,
        "agent": row.agent.name if row.agent else None,
        "period": row.period,
        "since": None if row.period == Period.TOTAL else state.period_start,
        "limit": money.text(row.limit_micros),
        "spent": money.text(state.spent_micros),
        "held": money.text(state.held_micros),
        "left": money.text(left),
        "is_active": row.is_active,
    }


def event(row: AuditEvent) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "at": row.at,
        "event": row.event,
        "actor": {
            "kind": row.actor_kind,
            "id": row.actor_id and str(row.actor_id),
            "name": row.actor_name,
            "on_behalf_of": row.on_behalf_of,
        },
        "target": {"kind": row.target_kind, "id": row.target_id, "name": row.target_name},
        "team": row.team_id and str(row.team_id),
        "data": row.data,
    }

"""The closed table of what the audit log may tell of: `noun.verb` and its label."""

from collections.abc import Iterator

_VERBS: dict[str, tuple[str, ...]] = {
    "tool": (
        "created",
        "changed",
        "deleted",
        "published",
        "deprecated",
        "undeprecated",
        "sunset_set",
        "removed",
        "restored",
        "version_retired",
        "version_reinstated",
        "quarantined",
        "released",
    ),
    "tool_alias": ("moved", "removed"),
    "version_pin": ("set", "removed"),
    "tool_call": (
        "succeeded",
        "failed",
        "timed_out",
        "refused",
        "parked",
        "resumed",
        "cancelled",
        "lost",
        "settled_late",
        "unknown_tool",
    ),
    "tool_proposal": (
        "submitted",
        "published",
        "rejected",
        "changes_requested",
        "withdrawn",
        "superseded",
        "outdated",
    ),
    "tool_report": ("filed", "answered", "taken_up", "closed"),
    "agent": ("created", "changed", "deleted", "suspended", "resumed"),
    "upstreamserver": ("created", "changed", "deleted"),
    "upstream": ("tested",),
    "upstream_tool": ("changed", "gone", "accepted", "rejected"),
    "permission": ("created", "changed", "deleted"),
    "credential": ("issued", "revoked", "used_invalid"),
    "grant": ("given", "changed", "revoked", "ended", "deleted"),
    "secret": ("created", "changed", "deleted", "set", "granted", "revoked", "used", "rotated"),
    "policy": ("created", "changed", "deleted", "published", "enforced", "shadowed", "retired"),
    "budget": ("created", "changed", "deleted", "exhausted", "corrected"),
    "hold": ("expired",),
    "breaker": ("opened", "closed"),
    "approval": ("opened", "voted", "closed", "used"),
    "workflow": ("created", "changed", "deleted", "published"),
    "run": (
        "started",
        "finished",
        "cancelled",
        "paused",
        "resumed",
        "forked",
        "rejected",
        "failed",
    ),
    "step": ("started", "succeeded", "failed", "retried", "skipped", "waiting", "paused"),
    "task": ("queued", "claimed", "finished", "failed", "lost", "cancelled"),
    "project": ("created", "imported", "changed", "deleted", "rolled_back"),
    "decision": ("recorded", "changed"),
    "repository": ("imported", "merged", "exported"),
    "user": ("created", "changed", "deleted"),
    "team": ("created", "changed", "deleted"),
    "membership": ("changed",),
    "object_permission": ("given", "taken"),
    "signin": ("succeeded", "failed", "ended"),
    "catalogue": ("applied",),
    "history": ("created", "changed", "deleted"),
}


def _named() -> Iterator[tuple[str, str]]:
    for noun, verbs in _VERBS.items():
        for verb in verbs:
            label = f"{noun} {verb}".replace("_", " ")
            yield f"{noun}.{verb}", label[0].upper() + label[1:]


EVENTS: dict[str, str] = dict(_named())
"""Event name to label. An upper app adds its own in its `AppConfig.ready` with `add`."""


def add(event: str, label: str) -> None:
    """Add a name to the table."""
    EVENTS[event] = label

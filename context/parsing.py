"""From what a door was sent to what the context's functions take. Faults carry JSON pointers."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from kernel import schemas
from kernel.actor import Actor
from kernel.problems import Invalid, Issue

from context import briefs, limits, paths
from context.changesets import DecisionEntry, FileChange
from context.models import Project
from context.models.files import Mode
from context.words import sentence

LARGEST: Final = 2**31 - 1

_NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": LARGEST}
_TEXT: Final = {"type": "string"}
_FILE_MEMBERS: Final[dict[str, Any]] = {
    "content": _TEXT,
    "encoding": {"enum": ["utf-8", "base64"]},
    "mode": {"enum": list(Mode.values)},
}
_MORE: Final[dict[str, Any]] = {"key": {"type": "string", "maxLength": 200}, "run": _TEXT}


def _object(members: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": list(required),
        "additionalProperties": False,
    }


FILE: Final = _object(_FILE_MEMBERS | _MORE | {"summary": _TEXT}, "content")
DECISION: Final = _object(
    {
        "decision": _TEXT,
        "rationale": _TEXT,
        "status": _TEXT,
        "key": {"type": "string", "format": "uuid"},
        "supersedes": {"type": ["string", "null"], "format": "uuid"},
    }
)
CHANGESET: Final = _object(
    {
        "base_rev": {**_NUMBER, "type": ["integer", "null"]},
        "files": {
            "type": "object",
            "additionalProperties": {
                "type": ["object", "null"],
                "properties": _FILE_MEMBERS | {"version": _NUMBER},
                "additionalProperties": False,
            },
        },
        "decisions": {"type": "array", "items": DECISION, "maxItems": limits.DECISIONS},
        "status": _TEXT,
        "next_step": _TEXT,
        "summary": _TEXT,
    }
    | _MORE
)
PROJECT: Final = _object({"name": _TEXT, "team": _TEXT, "description": _TEXT}, "name", "team")
ROLLBACK: Final = _object({"rev": _NUMBER, "reason": _TEXT} | _MORE, "rev")
BRIEF: Final = _object(
    {
        "budget_tokens": {"type": "integer", "minimum": briefs.LEAST_TOKENS, "maximum": 1_000_000},
        "since_rev": _NUMBER,
        "run": _TEXT,
    }
)


def fitting(body: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The body, once it fits the schema. Raises Invalid with the place of each fault."""
    faults = (
        schemas.faults_of_value(body, schema)
        if isinstance(body, dict)
        else (Issue("", "send a JSON object"),)
    )
    if faults:
        shown = "; ".join(f"{fault.pointer or '/'}: {fault.message}" for fault in faults[:3])
        raise Invalid(f"The request doesn't fit: {shown}", errors=faults)
    found: dict[str, Any] = body
    return found


def changes(files: Mapping[str, Any]) -> dict[str, FileChange]:
    """`{path: {content, encoding, mode, version} | null}` as changes; null deletes."""
    return {
        path: FileChange(None)
        if entry is None
        else FileChange(
            content(entry, ("files", path)) if "content" in entry else None,
            entry.get("mode"),
            entry.get("version"),
        )
        for path, entry in files.items()
    }


def content(entry: Mapping[str, Any], place: tuple[str, ...] = ()) -> bytes:
    """The bytes that `{content, encoding}` stands for."""
    try:
        if entry.get("encoding") == "base64":
            return base64.b64decode(entry["content"], validate=True)
        encoded: bytes = entry["content"].encode()
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        where = schemas.pointer([*place, "content"])
        message = f"isn't {entry.get('encoding', 'utf-8')}: {error}"
        raise Invalid(f"{where} {message}", errors=(Issue(where, message),)) from error
    return encoded


def decisions(entries: list[dict[str, Any]]) -> tuple[DecisionEntry, ...]:
    return tuple(decision(entry) for entry in entries)


def decision(entry: Mapping[str, Any]) -> DecisionEntry:
    """Who decided is who calls: a door never lets one agent speak for another."""
    return DecisionEntry(
        decision=entry.get("decision", ""),
        rationale=entry.get("rationale", ""),
        status=entry.get("status", "proposed"),
        key=UUID(entry["key"]) if "key" in entry else None,
        supersedes=UUID(entry["supersedes"]) if entry.get("supersedes") else None,
    )


def call_id(project: Project, actor: Actor, key: str | None) -> UUID | None:
    """A caller's own key for a changeset, as an id that nobody else's key can meet."""
    if not key:
        return None
    return uuid5(actor.id or project.id, f"{project.id}:{key}")


def number(values: Mapping[str, str], name: str) -> int | None:
    """A rev from the query string; None when it isn't there. Raises Invalid."""
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LARGEST):
        message = f"{name} is a whole number, not {text[:40]!r}"
        raise Invalid(sentence(message), errors=(Issue(f"/{name}", message),))
    return int(text)


def path(text: str) -> str:
    """A path from an address. Raises Invalid for one that no project can hold."""
    fault = paths.fault(text)
    if fault:
        raise Invalid(f"{text[:200]!r}: {fault}.", errors=(Issue("/path", fault),))
    return text


def expected_version(headers: Mapping[str, str]) -> int | None:
    """The version that `If-Match: "3"` names, 0 for `If-None-Match: *`, None without either."""
    if headers.get("If-None-Match", "").strip() == "*":
        return 0
    text = headers.get("If-Match", "").strip()
    if not text:
        return None
    bare = text.removeprefix("W/").strip('"')
    if not (bare.isascii() and bare.isdecimal() and len(bare) <= 10):
        message = f'name one version, as in `If-Match: "3"`, not {text[:40]!r}'
        raise Invalid(sentence(message), errors=(Issue("/If-Match", message),))
    return int(bare)

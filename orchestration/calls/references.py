"""Results by reference: what is too large to travel with its call is downloaded, never cut."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orchestration.models import LargeResult, ToolCall

LARGE = 256 * 1024
MEDIA_TYPE = "application/json"
_KEYS = {"url", "bytes", "sha256", "media_type"}


def encoded(value: Any) -> bytes:
    """The result as it is downloaded, and as its size and digest are told."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Large:
    """A result that is kept apart: its size in bytes, its digest, and itself, compressed."""

    size: int
    sha256: str
    compressed: bytes


def large(value: Any) -> Large | None:
    """The value as it is kept apart; None where it may stay with its call.

    Called before the settlement's transaction: compressing takes a while.
    """
    content = encoded(value)
    if len(content) <= LARGE:
        return None
    digest = hashlib.sha256(content).hexdigest()
    return Large(len(content), digest, zlib.compress(content, 6))


def keep(call: ToolCall, found: Large) -> dict[str, Any]:
    """Keep it, as part of the call's settlement. Returns what stands in its place."""
    LargeResult.objects.create(
        call=call,
        team_id=call.team_id,
        size=found.size,
        sha256=found.sha256,
        content=found.compressed,
    )
    told = {"url": url(call.id), "bytes": found.size, "sha256": found.sha256}
    return {"reference": told | {"media_type": MEDIA_TYPE}}


def url(call_id: UUID) -> str:
    return f"/api/v1/tool-calls/{call_id}/result/"


def is_reference(result: Any) -> bool:
    """Whether this stands in a large result's place."""
    if not isinstance(result, Mapping) or set(result) != {"reference"}:
        return False
    return isinstance(result["reference"], Mapping) and set(result["reference"]) == _KEYS


def content(call: ToolCall) -> bytes:
    """The call's result as JSON, however it is kept."""
    found = LargeResult.objects.filter(call=call).first()
    if found is None:
        return encoded(call.payload.result)
    return zlib.decompress(bytes(found.content))


def value(call: ToolCall) -> Any:
    """The call's result as a value, however it is kept."""
    return json.loads(content(call)) if is_reference(call.payload.result) else call.payload.result

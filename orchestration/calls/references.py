"""Results by reference: what is too large to travel with its call is downloaded, never cut."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from orchestration.models import LargeResult, ToolCall

LARGE = 256 * 1024
MEDIA_TYPE = "application/json"
_KEYS = {"url", "bytes", "sha256", "media_type"}


def encoded(value: Any) -> bytes:
    """The result as it is downloaded, and as its size and digest are told."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def kept(call: ToolCall, content: bytes) -> dict[str, Any]:
    """Keep the content apart, inside the call's settlement. Returns what stands in its place."""
    digest = hashlib.sha256(content).hexdigest()
    LargeResult.objects.create(
        call=call,
        team_id=call.team_id,
        size=len(content),
        sha256=digest,
        content=zlib.compress(content, 6),
    )
    return {
        "reference": {"url": url(call.id), "bytes": len(content), "sha256": digest}
        | {"media_type": MEDIA_TYPE}
    }


def url(call_id: UUID) -> str:
    return f"/api/v1/tool-calls/{call_id}/result/"


def is_reference(result: Any) -> bool:
    """Whether this stands in a large result's place."""
    if not isinstance(result, Mapping) or set(result) != {"reference"}:
        return False
    return isinstance(result["reference"], Mapping) and set(result["reference"]) == _KEYS


def content(call: ToolCall) -> bytes:
    """The call's result as JSON, however it is kept."""
    large = LargeResult.objects.filter(call=call).first()
    if large is None:
        return encoded(call.payload.result)
    return zlib.decompress(bytes(large.content))


def value(call: ToolCall) -> Any:
    """The call's result as a value, however it is kept."""
    return json.loads(content(call)) if is_reference(call.payload.result) else call.payload.result

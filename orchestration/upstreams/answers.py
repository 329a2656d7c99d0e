"""A `tools/call` result as the result of a call. Pure."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from orchestration.executors.invocation import Result, failed, succeeded
from orchestration.upstreams import limits


def read(raw: Mapping[str, Any], definition: Mapping[str, Any], *, most: int) -> Result:
    """The result: the structured content of a tool that declares an output schema, else
    `{content: […], structuredContent?}`. With `isError` the call failed, and its value is kept.

    `most` bounds the bytes of all texts and data together.
    """
    if raw.get("resultType", "complete") != "complete":
        told = "The tool asks for input before it answers; nobody is there to give it."
        return failed("input_required", told)
    blocks = raw.get("content") or []
    if not isinstance(blocks, list) or len(blocks) > limits.BLOCKS:
        return failed("upstream_malformed", "Its answer holds no list of content, or too long one.")
    content = [_block(each) for each in blocks if isinstance(each, Mapping)]
    structured = raw.get("structuredContent")
    if _size(content) + _size(structured) > most:
        return failed("output_exceeded", f"The answer has more than {most} bytes.")
    value = _value(content, structured, declares=definition.get("outputSchema") is not None)
    if raw.get("isError"):
        message = _text(content) or "The tool says that it failed, and not why."
        return Result("failed", value, failed("tool_error", message).error)
    if definition.get("outputSchema") is not None and structured is None:
        told = "The tool declares an output schema and gave no structured content."
        return Result("failed", value, failed("upstream_malformed", told).error)
    kinds = sorted({str(each.get("type")) for each in content} - {"text"})
    return succeeded(value, **({"left_out": kinds} if value is structured and kinds else {}))


def _value(content: list[dict[str, Any]], structured: Any, *, declares: bool) -> Any:
    if structured is not None and declares:
        # What its contract's result schema tells of; a text block repeats it.
        return structured
    value: dict[str, Any] = {"content": content}
    return value if structured is None else value | {"structuredContent": structured}


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    found = {str(name): item for name, item in block.items() if name != "_meta"}
    for holder, name in ((found, "data"), (found.get("resource"), "blob")):
        if isinstance(holder, dict) and name in holder:
            holder |= _binary(name, holder.pop(name))
    return found


def _binary(name: str, data: Any) -> dict[str, Any]:
    """Base64 as it is; what is none, or too large, is told of and left out."""
    text = data if isinstance(data, str) else ""
    if len(text) > limits.BLOCK_BYTES:
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        return {"omitted": {"base64_bytes": len(text), "sha256_of_base64": digest}}
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return {"omitted": {"reason": "it isn't base64"}}
    return {name: text}


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", errors="replace"))
    if isinstance(value, Mapping):
        return sum(len(str(name)) + _size(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_size, value)) + len(value)
    return 8


def _text(content: list[dict[str, Any]]) -> str:
    texts = [str(each.get("text", "")) for each in content if each.get("type") == "text"]
    return "\n".join(texts)[: limits.TEXT_OF_ERROR]

"""What a server says of its tools, as values that can be kept: bounded and free of traps. Pure."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import mcp_types as types

from orchestration.upstreams import limits
from orchestration.upstreams.faults import Malformed
from registry.drift import FINGERPRINTED

DEEPEST = 60


def of(tools: Iterable[types.Tool]) -> list[dict[str, Any]]:
    """The definitions (`name` and what is fingerprinted). Raises Malformed for two of one name, and
    for what is larger than a definition may be."""
    found: dict[str, dict[str, Any]] = {}
    total = 0
    for tool in tools:
        whole = tool.model_dump(by_alias=True, mode="json", exclude_none=True)
        definition = {
            name: clean(whole[name]) for name in ("name", *FINGERPRINTED) if name in whole
        }
        name = str(definition["name"])
        size = len(json.dumps(definition))
        total += size
        if not name or len(name) > limits.NAME_LENGTH:
            raise Malformed(f"A tool's name has {len(name)} characters.")
        if name in found:
            raise Malformed(f"It lists two tools by the name {name!r}.")
        if size > limits.DEFINITION_BYTES or total > limits.LIST_BYTES:
            raise Malformed(f"The definition of {name!r} makes its list too large.")
        found[name] = definition
    return list(found.values())


def clean(value: Any, depth: int = 0) -> Any:
    """JSON that every database holds: without NUL, lone surrogates and infinite numbers."""
    if depth > DEEPEST:
        raise Malformed(f"A definition is nested deeper than {DEEPEST} levels.")
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", errors="replace").decode()
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

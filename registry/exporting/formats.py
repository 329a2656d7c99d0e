"""One published contract in the formats of others. Pure: a contract's document in, JSON out."""

from collections.abc import Mapping
from typing import Any

from registry import notices
from registry.exporting.strict import strict

HINTS = ("title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


def openai(contract: Mapping[str, Any], name: str) -> dict[str, Any]:
    """OpenAI's function, in the form of chat completions."""
    function = {
        "name": name,
        "description": contract["description"],
        "parameters": contract["parameters"],
    }
    return {"type": "function", "function": function}


def openai_strict(contract: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The same in the strict form. Raises Loose where the schema has none."""
    function = {
        "name": name,
        "description": contract["description"],
        "parameters": strict(contract["parameters"]),
        "strict": True,
    }
    return {"type": "function", "function": function}


def anthropic(contract: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Anthropic's tool."""
    return {
        "name": name,
        "description": contract["description"],
        "input_schema": contract["parameters"],
    }


def mcp(contract: Mapping[str, Any], name: str) -> dict[str, Any]:
    """MCP's tool (specification 2025-06-18). A deprecation is told in the description, since MCP
    has no field for it; a result that is no object has no output schema there."""
    hints = {key: value for key, value in contract.get("annotations", {}).items() if key in HINTS}
    hints.setdefault("idempotentHint", contract["idempotent"])
    tool: dict[str, Any] = {
        "name": name,
        "description": notices.described(contract),
        "inputSchema": contract["parameters"],
        "annotations": hints,
    }
    if title := hints.pop("title", None):
        tool["title"] = title
    result = contract["result_schema"]
    if isinstance(result, Mapping) and result.get("type") == "object":
        tool["outputSchema"] = result
    return tool

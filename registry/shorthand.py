"""Parameters as people jot them down: `code: "The Python code to execute (string, required)"`.

Each parameter is one sentence whose last parentheses say its type, whether it is required, and its
default. They become a JSON Schema; a parameter without a type in parentheses is refused.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from kernel.problems import Invalid, Issue

_FORM = re.compile(r"^(?P<text>.*?)\s*\((?P<facts>[^()]*)\)\s*$", re.DOTALL)
_TYPES = {
    "string": "string",
    "str": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "array": "array",
    "list": "array",
    "object": "object",
    "dict": "object",
}


def is_shorthand(parameters: Any) -> bool:
    """Whether every entry is a sentence instead of a schema; `type: object` is no sentence."""
    return (
        isinstance(parameters, Mapping)
        and bool(parameters)
        and parameters.get("type") != "object"
        and all(isinstance(value, str) for value in parameters.values())
    )


def expand(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The JSON Schema that the sentences mean. Raises Invalid with the place of each fault."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    issues: list[Issue] = []
    for name, sentence in parameters.items():
        found = _FORM.match(sentence)
        facts = [fact.strip() for fact in found["facts"].split(",")] if found else []
        if not found or facts[0] not in _TYPES:
            known = ", ".join(sorted(_TYPES))
            issues.append(Issue(f"/parameters/{name}", f"end with its type, one of: {known}"))
            continue
        properties[name] = {"type": _TYPES[facts[0]], "description": found["text"]}
        for fact in facts[1:]:
            if fact == "required":
                required.append(name)
            elif fact.startswith("default "):
                properties[name]["default"] = _value(fact.removeprefix("default "))
    if issues:
        raise Invalid("Some parameters have no type.", errors=tuple(issues))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text

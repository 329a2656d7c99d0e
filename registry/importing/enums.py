"""Enums that their own type refuses: no value could be given, so what they say is read as meant.

API documents quote numbers (`type: integer, enum: ["1", "2"]`), and function lists write at an
array what its items may be. A schema with one value that can be given stays as it is.
"""

from typing import Any

from registry.importing import keywords

MOVED = "the enum is read as that of the items: no list is in it"
READ = "the enum is read as its type: none of its values is of it"
LEFT_OUT = "the enum is left out: none of its values is of the type"


def contradicts(schema: Any) -> bool:
    """Whether the schema's enum has no value of the schema's type. Looks at this schema alone."""
    if not isinstance(schema, dict) or not isinstance(schema.get("enum"), list):
        return False
    kinds = _kinds(schema)
    said = [value for value in schema["enum"] if value is not None]
    return bool(kinds and said) and not any(keywords.is_of(value, kinds) for value in said)


def settle(schema: dict[str, Any]) -> str:
    """Change a schema that contradicts itself into what it means; what was done, or empty."""
    if not contradicts(schema):
        return ""
    items = schema.get("items", {})
    if "array" in _kinds(schema) and isinstance(items, dict) and "enum" not in items:
        moved = {"enum": schema["enum"]} | items
        if not contradicts(moved):
            schema["items"] = moved
            del schema["enum"]
            return MOVED
    kinds = _kinds(schema)
    meant = [keywords.read_as(value, kinds) for value in schema["enum"]]
    known = [value for value in meant if value is not None]
    if not known:
        del schema["enum"]
        return LEFT_OUT
    unique = [value for place, value in enumerate(known) if value not in known[:place]]
    schema["enum"] = [*unique, *([None] if None in schema["enum"] else [])]
    return READ


def _kinds(schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]

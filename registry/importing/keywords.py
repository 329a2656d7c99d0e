"""The keywords of JSON Schema 2020-12: which hold schemas, and which values each may have."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonschema_rs

EXACT = 2**53
"""Beyond it a number isn't the same everywhere (RFC 8785)."""

TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
# Words of other languages and older drafts, as function lists and API documents use them.
ALIASES = {
    **dict.fromkeys(("dict", "hashmap", "hashtable", "map", "struct", "record"), "object"),
    **dict.fromkeys(("list", "tuple", "set", "arraylist", "queue", "stack", "sequence"), "array"),
    **dict.fromkeys(("float", "double", "decimal", "numeric"), "number"),
    **dict.fromkeys(("int", "long", "short", "byte", "int32", "int64", "bigint"), "integer"),
    **dict.fromkeys(("str", "text", "char", "character", "file", "date", "datetime"), "string"),
    **dict.fromkeys(("date-time", "uuid", "uri", "url", "email", "password"), "string"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("none", "nil", "undefined"), "null"),
}
ANY = frozenset({"any", "mixed", "*", "unknown"})

ONE = frozenset(
    "additionalProperties propertyNames contains not if then else unevaluatedItems "
    "unevaluatedProperties contentSchema".split()
)
MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})


def _count(value: Any) -> Any:
    number = _number(value)
    if number is None or number < 0 or number != int(number):
        return None
    return int(number)


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = float(value) if not value.lstrip("-").isdecimal() else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    try:
        return value if abs(value) < EXACT else float(value)
    except OverflowError:
        return None


def _above_zero(value: Any) -> Any:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _truth(value: Any) -> Any:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _words(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    return list(dict.fromkeys(value))


def _values(value: Any) -> Any:
    return value if isinstance(value, list) and value else None


def _dependent(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    found = {key: _words(each) for key, each in value.items()}
    return None if None in found.values() else found


def is_of(value: Any, types: list[str]) -> bool:
    """Whether the value is of one of the types, as JSON Schema counts them (6.1.1)."""
    names = {str: "string", bool: "boolean", dict: "object", list: "array", type(None): "null"}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number" in types or ("integer" in types and value == int(value))
    return names.get(type(value)) in types


def read_as(value: Any, types: list[str]) -> Any:
    """What the value means as one of the types: the number or truth in a text, the text of a
    number; None where it means nothing."""
    if isinstance(value, str):
        found = _truth(value) if "boolean" in types else _number(value)
        return found if found is not None and is_of(found, types) else None
    if isinstance(value, int | float) and "string" in types:
        return str(value).lower() if isinstance(value, bool) else str(value)
    return None


@lru_cache(maxsize=10_000)
def is_pattern(text: str) -> bool:
    """Whether the validator takes it as a regular expression."""
    try:
        jsonschema_rs.Draft202012Validator({"pattern": text})
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


def _pattern(value: Any) -> Any:
    return value if isinstance(value, str) and len(value) < 5_000 and is_pattern(value) else None


PLAIN: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("title", "description", "$comment", "format"), _text),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _text),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _number),
    "multipleOf": _above_zero,
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems"), _count),
    **dict.fromkeys(("maxProperties", "minProperties", "maxContains", "minContains"), _count),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _truth),
    "pattern": _pattern,
    "required": _words,
    "enum": _values,
    "examples": _values,
    "dependentRequired": _dependent,
}
"""Keywords whose value is no schema, and what makes it fit; None where nothing does."""

WANTED: dict[str, str] = {
    "pattern": "the validator can't read it as a regular expression",
    "required": "it is no list of names",
    "enum": "it is no list of values",
    "multipleOf": "it is no number above zero",
}

"""Why a right call of BFCL doesn't fit an imported schema: whose fault it is, and which rule.

The function is read once more here, strictly, by BFCL's own words for types and by nothing that an
import uses. Where this reading refuses the call too, the ground truth breaks its own schema. Where
it doesn't, the import lost or invented something.
"""

from collections.abc import Iterator
from typing import Any

IMPORT = "the import refuses what the function's own schema allows"
UNKNOWN = "ground truth: calls a function that its question doesn't offer"

# GORILLA_TO_OPENAPI of bfcl_eval/constants/type_mappings.py, without regard to case; `any` is any.
_WORDS = {
    "string": "string char",
    "integer": "integer byte short long bigint",
    "number": "number float double",
    "boolean": "boolean bool",
    "array": "array list tuple arraylist queue stack",
    "object": "dict object hashmap hashtable",
}
_TYPES = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def cause(function: dict[str, Any] | None, arguments: dict[str, Any]) -> str:
    """The class of a misfit: whose fault, and the first rule that the call breaks."""
    if function is None:
        return UNKNOWN
    return next(broken(function.get("parameters", {}), arguments), IMPORT)


def broken(schema: dict[str, Any], value: Any) -> Iterator[str]:
    """The rules of a function's own schema that a value breaks, as it is written there."""
    kind = _TYPES.get(str(schema.get("type")).lower())
    enum = schema.get("enum")
    is_default = "default" in schema and schema["default"] == value
    if kind is not None and not _is_of(value, kind):
        said = f"its schema's own default ({_named(value)})" if is_default else _named(value)
        yield f"ground truth: gives {said} where {_named_kind(kind)} is said"
    elif isinstance(enum, list) and value not in enum:
        listed = kind == "array" and not any(isinstance(each, list) for each in enum)
        known = is_default and not listed
        said = "its schema's own default" if known else "a list" if listed else "a value"
        yield f"ground truth: gives {said} that isn't in the enum"
    if isinstance(value, dict):
        yield from _of_object(schema, value)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value:
            yield from broken(schema["items"], each)


def _of_object(schema: dict[str, Any], value: dict[str, Any]) -> Iterator[str]:
    properties = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in value:
            other = " and gives one that it doesn't have" if set(value) - set(properties) else ""
            yield f"ground truth: leaves out a required argument{other}"
    for name, each in value.items():
        if isinstance(properties.get(name), dict):
            yield from broken(properties[name], each)


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[kind])


def _named(value: Any) -> str:
    if value is None:
        return "null"
    return next(_named_kind(kind) for kind in reversed(_KINDS) if _is_of(value, kind))


def _named_kind(kind: str) -> str:
    return {"string": "a text", "integer": "an integer"}.get(
        kind, f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    )

"""OpenAI's strict form: the subset of JSON Schema that its structured outputs keep to.

Source: platform.openai.com, "Structured outputs", supported schemas. Every object is closed and
names all its properties as required; what was optional may be null instead. A caller leaves out
the nulls that a model writes for optional arguments before it calls the tool.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel.schemas import pointer

MAX_PROPERTIES = 5_000
MAX_DEPTH = 10
MAX_ENUM = 1_000
_KEPT = frozenset("type description enum const pattern format multipleOf".split())
_KEPT |= {"maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "minItems", "maxItems"}
_SAID = frozenset("title default examples deprecated readOnly writeOnly $comment $schema".split())
_FORMATS = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid".split())


class Loose(Exception):
    """A schema that has no strict form: where, and why not."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place or '/'}: {reason}")
        self.place, self.reason = place, reason


@dataclass
class _Count:
    properties: int = 0


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the strict form, which allows the same values but for those nulls. Raises
    Loose for a schema that says what the form can't."""
    if schema.get("type") != "object":
        raise Loose("/type", "the arguments are an object")
    return _object(schema, (), 0, _Count(), root=True)


def _node(schema: Any, path: tuple[str, ...], depth: int, count: _Count) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not schema.keys() - _SAID - {"description"}:
        raise Loose(pointer([*path]), "anything is allowed here; the form wants a type")
    if depth > MAX_DEPTH:
        raise Loose(pointer([*path]), f"it nests deeper than {MAX_DEPTH} levels")
    if "$ref" in schema:
        return _reference(schema, path)
    if schema.get("type") == "object" or "properties" in schema:
        return _object(schema, path, depth, count)
    if "anyOf" in schema:
        return _any_of(schema, path, depth, count)
    if schema.get("type") == "array":
        return _array(schema, path, depth, count)
    return _plain(schema, path)


def _reference(schema: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    _refuse(schema, {"$ref", "description"}, path)
    ref = str(schema["$ref"])
    if ref != "#" and not ref.startswith("#/$defs/"):
        raise Loose(pointer([*path, "$ref"]), f"{ref!r} isn't under #/$defs")
    return {"$ref": ref}


def _object(
    schema: Mapping[str, Any], path: tuple[str, ...], depth: int, count: _Count, root: bool = False
) -> dict[str, Any]:
    known = {"type", "properties", "required", "additionalProperties", "description"}
    _refuse(schema, known | ({"$defs"} if root else set()), path)
    properties = schema.get("properties") or {}
    more = schema.get("additionalProperties", True)
    if not properties and more is not False and not root:
        raise Loose(pointer([*path]), "its properties aren't named; the form knows no maps")
    if isinstance(more, Mapping) and more:
        place = pointer([*path, "additionalProperties"])
        raise Loose(place, "further properties are allowed; the form knows no maps")
    required = schema.get("required", [])
    if missing := [name for name in required if name not in properties]:
        raise Loose(pointer([*path, "required"]), f"{missing[0]!r} is required, but not described")
    count.properties += len(properties)
    if count.properties > MAX_PROPERTIES:
        raise Loose(pointer([*path]), f"more than {MAX_PROPERTIES} properties")
    made = {}
    for name, inner in properties.items():
        found = _node(inner, (*path, "properties", name), depth + 1, count)
        made[name] = found if name in required else _or_null(found)
    out = {"type": "object", "properties": made, "required": list(made)}
    out |= {"additionalProperties": False} | _told(schema)
    if root and "$defs" in schema:
        out["$defs"] = {
            name: _node(inner, ("$defs", name), depth, count)
            for name, inner in schema["$defs"].items()
        }
    return out


def _any_of(
    schema: Mapping[str, Any], path: tuple[str, ...], depth: int, count: _Count
) -> dict[str, Any]:
    _refuse(schema, {"anyOf", "description"}, path)
    inner = [
        _node(each, (*path, "anyOf", str(index)), depth + 1, count)
        for index, each in enumerate(schema["anyOf"])
    ]
    return {"anyOf": inner} | _told(schema)


def _array(
    schema: Mapping[str, Any], path: tuple[str, ...], depth: int, count: _Count
) -> dict[str, Any]:
    _refuse(schema, {"type", "items", "minItems", "maxItems", "description"}, path)
    if "items" not in schema:
        raise Loose(pointer([*path]), "its items aren't described")
    kept = {key: schema[key] for key in ("minItems", "maxItems") if key in schema}
    items = _node(schema["items"], (*path, "items"), depth + 1, count)
    return {"type": "array", "items": items} | kept | _told(schema)


def _plain(schema: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    _refuse(schema, set(_KEPT), path)
    if "type" not in schema and not {"enum", "const"} & schema.keys():
        raise Loose(pointer([*path]), "anything is allowed here; the form wants a type")
    types = schema.get("type")
    if isinstance(types, list) and {"object", "array"} & set(types):
        raise Loose(pointer([*path, "type"]), "one of several types is an object or a list")
    if len(schema.get("enum", ())) > MAX_ENUM:
        raise Loose(pointer([*path, "enum"]), f"more than {MAX_ENUM} values")
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    if kept.get("format") not in _FORMATS:
        kept.pop("format", None)
    return kept | _told(schema)


def _refuse(schema: Mapping[str, Any], known: set[str], path: tuple[str, ...]) -> None:
    for key in schema:
        if key not in known and key not in _SAID:
            raise Loose(pointer([*path, key]), f"the form doesn't know {key!r}")


def _told(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The description, with the default in it: the form has no word for that."""
    text = str(schema.get("description", ""))
    if "default" in schema:
        text = f"{text} Default: {schema['default']!r}.".strip()
    return {"description": text} if text else {}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or null: how the form says that an argument is optional."""
    kind = schema.get("type")
    if "enum" in schema:
        nulled = schema | {"enum": [*schema["enum"], *([] if None in schema["enum"] else [None])]}
        return nulled if kind is None else nulled | {"type": _with_null(kind)}
    if "const" in schema or kind is None:
        if "anyOf" in schema:
            return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
        told = {"description": schema["description"]} if "description" in schema else {}
        return {"anyOf": [schema, {"type": "null"}]} | told
    return schema | {"type": _with_null(kind)}


def _with_null(kind: Any) -> list[str]:
    kinds = kind if isinstance(kind, list) else [kind]
    return kinds if "null" in kinds else [*kinds, "null"]

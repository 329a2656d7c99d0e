"""A JSON Schema as rows of a table that people read. Pure; the schema may be anybody's."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DEEPEST = 6
MOST_ROWS = 300
MOST_CHOICES = 12

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One parameter, or one member of one: `depth` 0 is the top, `path` its place with dots."""

    name: str
    path: str
    depth: int
    type: str
    required: bool
    description: str
    default: str = ""
    limits: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def indent(self) -> int:
        return min(self.depth, DEEPEST)


def rows(schema: Any) -> tuple[Row, ...]:
    """The schema's properties, nested ones below their parents, at most 300."""
    if not isinstance(schema, Mapping):
        return ()
    found = []
    for row in _members(schema, schema, "", 0, frozenset()):
        found.append(row)
        if len(found) == MOST_ROWS:
            break
    return tuple(found)


def _members(
    schema: Schema, root: Schema, path: str, depth: int, seen: frozenset[int]
) -> Iterator[Row]:
    properties = schema.get("properties")
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    for name, entry in properties.items() if isinstance(properties, Mapping) else ():
        yield from _row(str(name), entry, root, path, depth, name in needed, seen)
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping) and extra:
        yield from _row("(any other)", extra, root, path, depth, False, seen)


def _row(
    name: str,
    entry: Any,
    root: Schema,
    path: str,
    depth: int,
    required: bool,
    seen: frozenset[int],
) -> Iterator[Row]:
    found = resolved(entry, root)
    place = f"{path}.{name}" if path else name
    yield Row(
        name=name,
        path=place,
        depth=depth,
        type=type_of(found, root),
        required=required,
        description=_text(found.get("description") or found.get("title")),
        default=_shown(found["default"]) if "default" in found else "",
        limits=tuple(_limits(found)),
        choices=tuple(_choices(found)),
    )
    inner = _inner(found, root)
    # The members' own object tells a schema that holds itself, by whatever way it was reached.
    own = id(inner.get("properties"))
    if depth + 1 < DEEPEST and own not in seen:
        yield from _members(inner, root, place, depth + 1, seen | {own})


def _inner(schema: Schema, root: Schema) -> Schema:
    """What has members of its own: the object itself, or the items of a list."""
    if isinstance(schema.get("items"), Mapping):
        return _inner(resolved(schema["items"], root), root) if schema is not root else {}
    if "properties" in schema or "additionalProperties" in schema:
        return schema
    for branch in _branches(schema):
        inner = resolved(branch, root)
        if "properties" in inner:
            return inner
    return {}


def resolved(entry: Any, root: Schema, depth: int = 8) -> Schema:
    """The schema behind a local reference; an empty one where there is none."""
    if not isinstance(entry, Mapping):
        return {}
    reference = entry.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/") or not depth:
        return entry
    target: Any = root
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        target = target.get(key) if isinstance(target, Mapping) else None
    beside = {name: value for name, value in entry.items() if name != "$ref"}
    return {**resolved(target, root, depth - 1), **beside}


def type_of(schema: Schema, root: Schema) -> str:
    """The type in words: `integer`, `list of string`, `string or null`, `object`."""
    said = schema.get("type")
    if isinstance(said, list):
        return " or ".join(map(str, said))
    if said == "array":
        items = resolved(schema.get("items"), root)
        return f"list of {type_of(items, root)}" if items else "list"
    if isinstance(said, str):
        return f"{said} ({schema['format']})" if "format" in schema else said
    if "enum" in schema or "const" in schema:
        return "one of"
    branches = [type_of(resolved(branch, root), root) for branch in _branches(schema)]
    if branches:
        return " or ".join(dict.fromkeys(branches))
    return "object" if "properties" in schema else "anything"


def _branches(schema: Schema) -> list[Any]:
    for name in ("anyOf", "oneOf", "allOf"):
        found = schema.get(name)
        if isinstance(found, list) and found:
            return found[:MOST_CHOICES]
    return []


_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "multipleOf": "a multiple of {}",
    "pattern": "matches {}",
}


def _limits(schema: Schema) -> Iterator[str]:
    for name, words in _WORDS.items():
        if name in schema:
            yield words.format(_text(schema[name])[:200])
    if schema.get("uniqueItems") is True:
        yield "no item twice"


def _choices(schema: Schema) -> Iterator[str]:
    if "const" in schema:
        yield _shown(schema["const"])
    items = schema.get("items")
    listed = schema.get("enum", items.get("enum") if isinstance(items, Mapping) else None)
    if isinstance(listed, list):
        yield from (_shown(value) for value in listed[:MOST_CHOICES])
        if len(listed) > MOST_CHOICES:
            yield f"and {len(listed) - MOST_CHOICES} more"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:117] + "…"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def sample(schema: Any) -> dict[str, Any]:
    """Arguments that show the form of a call: every required one, with a value to replace."""
    if not isinstance(schema, Mapping):
        return {}
    properties = schema.get("properties")
    needed = schema.get("required")
    return {
        str(name): _sample(resolved(entry, schema), schema, DEEPEST)
        for name, entry in (properties.items() if isinstance(properties, Mapping) else ())
        if isinstance(needed, list) and name in needed
    }


_SAMPLES: dict[str, Any] = {
    "string": "…", "integer": 1, "number": 1.0, "boolean": True, "null": None,
}  # fmt: skip


def _sample(schema: Schema, root: Schema, depth: int) -> Any:
    for name in ("default", "const"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        if isinstance(schema.get(name), list) and schema[name]:
            return schema[name][0]
    said = schema.get("type")
    kind = said[0] if isinstance(said, list) and said else said
    if kind == "array":
        items = resolved(schema.get("items"), root)
        return [_sample(items, root, depth - 1)] if items and depth else []
    if kind == "object" or "properties" in schema:
        return sample({**schema, "$defs": root.get("$defs", {})}) if depth else {}
    if kind is None and _branches(schema) and depth:
        return _sample(resolved(_branches(schema)[0], root), root, depth - 1)
    if isinstance(kind, str) and kind == "integer" and isinstance(schema.get("minimum"), int):
        return schema["minimum"]
    return _SAMPLES.get(str(kind), "…")

"""Places in a JSON Schema (2020-12), and what can be read off them without comparing."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs

ANNOTATIONS = frozenset(
    "title description default examples example deprecated readOnly writeOnly $comment $schema "
    "$defs definitions contentEncoding contentMediaType contentSchema nullable discriminator xml "
    "externalDocs".split()
)
"""Keywords that tell people something and refuse no value."""
FORMATS = frozenset(
    "date date-time time duration email idn-email hostname idn-hostname ipv4 ipv6 uri "
    "uri-reference iri iri-reference uuid uri-template json-pointer relative-json-pointer "
    "regex".split()
)
"""The formats that a validator asserts; any other is an annotation."""
MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SINGLES = frozenset(
    "items additionalProperties not if then else contains propertyNames unevaluatedItems "
    "unevaluatedProperties".split()
)
KINDS = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
_NUMBER = frozenset({"integer", "fraction"})
_DEFINITIONS = ("#/$defs/", "#/definitions/")


class Unresolvable(Exception):
    """A `$ref` that leads out of what can be compared."""


@dataclass(frozen=True)
class Node:
    """A schema within its document; `pointer` is its place there (RFC 6901)."""

    schema: Any
    root: Any
    pointer: str = ""

    def at(self, *path: str | int) -> "Node":
        found = self.schema
        for part in path:
            found = found[part]
        steps = "".join("/" + escaped(part) for part in path)
        return Node(found, self.root, self.pointer + steps)

    def get(self, keyword: str, default: Any = None) -> Any:
        return self.schema.get(keyword, default) if isinstance(self.schema, dict) else default

    def has(self, keyword: str) -> bool:
        return isinstance(self.schema, dict) and keyword in self.schema

    @cached_property
    def text(self) -> str:
        return text(stripped(self.schema))

    @cached_property
    def key(self) -> tuple[int, str]:
        return id(self.root), self.text


def escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def text(value: Any) -> str:
    """A text that is equal for equal JSON. 1 and true differ here, as they do in JSON."""
    return json.dumps(value, sort_keys=True, default=str)


def stripped(schema: Any) -> Any:
    """The schema without what refuses no value."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if is_annotation(keyword, value):
            continue
        if keyword in MAPS and isinstance(value, dict):
            kept[keyword] = {name: stripped(each) for name, each in value.items()}
        elif keyword in LISTS and isinstance(value, list):
            kept[keyword] = [stripped(each) for each in value]
        elif keyword in SINGLES:
            kept[keyword] = stripped(value)
        elif keyword in ("required", "enum", "type") and isinstance(value, list):
            kept[keyword] = sorted(value, key=text)
        else:
            kept[keyword] = value
    return kept


def is_annotation(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value not in FORMATS
    return keyword in ANNOTATIONS or keyword.startswith("x-")


def definitions_text(root: Any) -> str:
    """What the references of the document may lead to."""
    found = root if isinstance(root, dict) else {}
    parts = {name: found.get(name, {}) for name in ("$defs", "definitions")}
    return text(
        {name: {key: stripped(each) for key, each in part.items()} for name, part in parts.items()}
    )


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                yield each
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def leads_to_definitions(schema: Any) -> bool:
    return all(each.startswith(_DEFINITIONS) for each in references(schema))


def target(node: Node) -> Node:
    """What the node's `$ref` points at. Raises Unresolvable."""
    reference = node.schema["$ref"]
    root = node.root
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise Unresolvable(reference)
    # A nested $id moves the base that a reference starts from.
    if '"$id"' in text({key: each for key, each in root.items() if key != "$id"}):
        raise Unresolvable(reference)
    path = unquote(reference[1:])
    if path and not path.startswith("/"):
        raise Unresolvable(reference)
    found: Any = root
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Unresolvable(reference) from error
    return Node(found, root, path)


def conjuncts(node: Node) -> tuple[Node, ...]:
    """The node, what it refers to, and the members of its `allOf`: all of them hold at once.
    Raises Unresolvable."""
    found: dict[tuple[str, str], Node] = {}
    _collect(node, found)
    return tuple(found.values())


def _collect(node: Node, found: dict[tuple[str, str], Node]) -> None:
    key = (node.pointer, node.text)
    if key in found:
        return
    found[key] = node
    if node.has("$ref"):
        _collect(target(node), found)
    for index, _ in enumerate(node.get("allOf", ())):
        _collect(node.at("allOf", index), found)


def premises(node: Node) -> tuple[Node, ...]:
    """As `conjuncts`, leaving out what can't be resolved: the values can only become more."""
    try:
        return conjuncts(node)
    except Unresolvable:
        return (node,)


def kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if value == int(value) else "fraction"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def kinds(nodes: Iterable[Node]) -> frozenset[str]:
    """The kinds of values that all the nodes leave."""
    left = KINDS
    for node in nodes:
        if node.schema is False:
            return frozenset()
        if node.has("type"):
            said = node.schema["type"]
            named = set(said) if isinstance(said, list) else {said}
            left &= named | (_NUMBER if "number" in named else frozenset())
        for values in _listed(node):
            left &= {kind_of(value) for value in values}
    return left


def _listed(node: Node) -> Iterator[list[Any]]:
    if node.has("const"):
        yield [node.schema["const"]]
    if isinstance(node.get("enum"), list):
        yield node.schema["enum"]


def values(nodes: Iterable[Node]) -> list[Any] | None:
    """Every value that the nodes may leave, where those are few; None where they aren't."""
    nodes = tuple(nodes)
    lists = [each for node in nodes for each in _listed(node)]
    if lists:
        return min(lists, key=len)
    left = kinds(nodes)
    if left <= {"null", "boolean"}:
        return [None] * ("null" in left) + [True, False] * ("boolean" in left)
    return None


def validator(node: Node) -> jsonschema_rs.Draft202012Validator:
    """A validator of the node within its document. Raises ValueError and its kin."""
    place = quote(node.pointer, safe="/")
    reference: dict[str, Any] = {"$ref": f"urn:gatehouse:compared#{place}"}
    return jsonschema_rs.Draft202012Validator(
        reference, retriever=lambda uri: node.root, validate_formats=True
    )


@lru_cache(maxsize=4096)
def matches(pattern: str, name: str) -> bool | None:
    """Whether the name matches, by the same engine that judges arguments; None if it can't."""
    try:
        return bool(jsonschema_rs.is_valid({"pattern": pattern}, name))
    except (ValueError, jsonschema_rs.ValidationError):
        return None

"""Schemas of other dialects become JSON Schema 2020-12: OpenAPI 3.0 and 3.1, older drafts, and
what function lists call a schema.

`translate` gives one schema whose `$ref`s are still absolute pointers; `closing.closed` takes
those in. What doesn't fit is left out and noted; a schema is never refused for one keyword.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from registry.importing import enums, keywords
from registry.importing.drafts import Notes, Unfit, pointer
from registry.importing.references import References

MAX_DEPTH = 60
Direction = Literal["request", "response", "value"]


class Translator:
    """Translates the schemas of one document, each place once.

    `old` is OpenAPI 3.0's dialect, in which `$ref` stands alone. What is read only is left out of
    requests, what is written only out of responses (OpenAPI 3.0.3, section 4.7.24.2).
    """

    def __init__(self, references: References, notes: Notes, *, old: bool = False) -> None:
        self.references, self.notes, self.old = references, notes, old
        self._done: dict[tuple[str, Direction], Any] = {}

    def at(self, target: str, direction: Direction) -> Any:
        """The translated schema at a pointer, made once. Raises Unfit."""
        key = (target, direction)
        if key not in self._done:
            node, _ = self.references.find(f"#{target}", target)
            self._done[key] = self.translate(node, target, direction)
        return self._done[key]

    def translate(self, node: Any, place: str, direction: Direction, depth: int = 0) -> Any:
        """The schema in 2020-12, its references as `{"$ref": "/absolute/pointer"}`."""
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            self.notes.add(place, "", "a schema is an object: anything is allowed instead")
            return {}
        if depth > MAX_DEPTH:
            raise Unfit(place, f"the schema nests deeper than {MAX_DEPTH} levels")
        return _One(self, place, direction, depth).of(node)

    def target(self, ref: Any, place: str) -> str | None:
        """The pointer that a reference means; noted and None where there is nothing to follow."""
        try:
            return self.references.find(ref, place)[1]
        except Unfit as unfit:
            self.notes.add(unfit.place, "", f"{unfit.reason}: anything is allowed instead")
            return None


class _One:
    """The translation of one schema object."""

    def __init__(self, whole: Translator, place: str, direction: Direction, depth: int) -> None:
        self.whole, self.place, self.direction, self.depth = whole, place, direction, depth

    def of(self, node: dict[str, Any]) -> Any:
        """1. the reference, alone or with siblings; 2. each keyword; 3. what dialects say in
        their own ways: types, bounds, nullable, examples."""
        out: dict[str, Any] = {}
        if "$ref" in node:
            target = self.whole.target(node["$ref"], self._at("$ref"))
            if target is not None:
                out["$ref"] = target
            if self.whole.old:
                return out | {k: v for k, v in node.items() if k == "description" and _is_text(v)}
        for key, value in node.items():
            self._keyword(out, key, value)
        self._type(out, node.get("type"))
        self._items(out, node)
        _bounds(out, node)
        self._lift_required(out, node)
        if told := enums.settle(out):
            self._note(told, "enum")
        self._default(out)
        if "example" in node and "examples" not in out:
            out["examples"] = [node["example"]]
        if isinstance(node.get("examples"), dict) and node["examples"]:
            out["examples"] = list(node["examples"].values())[:20]
        return _nullable(out) if node.get("nullable") is True else out

    def _at(self, *parts: object) -> str:
        return self.place + pointer(*parts)

    def _inner(self, value: Any, *parts: object) -> Any:
        return self.whole.translate(value, self._at(*parts), self.direction, self.depth + 1)

    def _note(self, reason: str, *parts: object) -> None:
        self.whole.notes.add(self._at(*parts), "", reason)

    def _keyword(self, out: dict[str, Any], key: str, value: Any) -> None:
        if key in keywords.ONE:
            out[key] = self._inner(value, key)
        elif key in keywords.MANY:
            self._many(out, key, value)
        elif key in keywords.NAMED:
            self._named(out, key, value)
        elif key in ("default", "const"):
            out[key] = value
        elif key in keywords.PLAIN:
            self._plain(out, key, value)
        elif key in ("$dynamicRef", "$recursiveRef"):
            self._note("dynamic references aren't followed: anything is allowed instead", key)

    def _plain(self, out: dict[str, Any], key: str, value: Any) -> None:
        if (key == "required" and isinstance(value, bool)) or (
            key in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value, bool)
        ):
            return
        if key == "examples" and isinstance(value, dict):
            return
        fit = keywords.PLAIN[key](value)
        if fit is not None:
            out[key] = fit
        elif value not in ([], None, ""):
            told = keywords.WANTED.get(key, "its value isn't one that it may have")
            self._note(f"{key} is left out: {told}", key)

    def _many(self, out: dict[str, Any], key: str, value: Any) -> None:
        if not isinstance(value, list) or not value:
            self._note(f"{key} is left out: it is no list of schemas", key)
            return
        out[key] = [self._inner(each, key, index) for index, each in enumerate(value)]

    def _named(self, out: dict[str, Any], key: str, value: Any) -> None:
        if not isinstance(value, dict):
            if value not in ([], None):
                self._note(f"{key} is left out: it is no object of schemas", key)
            return
        found = {}
        for name, each in value.items():
            if key == "patternProperties" and not keywords.is_pattern(name):
                self._note("it is left out: its name is no regular expression", key, name)
            elif not (key == "properties" and self._hidden(each)):
                found[name] = self._inner(each, key, name)
        out[key] = found

    def _hidden(self, node: Any) -> bool:
        """Whether a property belongs to the other direction alone."""
        word = {"request": "readOnly", "response": "writeOnly"}.get(self.direction)
        return word is not None and isinstance(node, dict) and node.get(word) is True

    def _type(self, out: dict[str, Any], value: Any) -> None:
        if value is None:
            return
        found, unknown = _types(value if isinstance(value, list) else [value])
        for word in unknown:
            self._note(f"{str(word)[:80]!r} is no type: any is allowed instead", "type")
        if found and not unknown:
            out["type"] = found[0] if len(found) == 1 else found

    def _default(self, out: dict[str, Any]) -> None:
        """A default is a value that may be given: where that is null, null is; one of another
        type than its schema's is read as that type, or left out."""
        types = out.get("type")
        if "default" not in out or types is None:
            return
        kinds = types if isinstance(types, list) else [types]
        if keywords.is_of(out["default"], kinds):
            return
        if out["default"] is None:
            out["type"] = [*kinds, "null"]
            if "enum" in out and None not in out["enum"]:
                out["enum"] = [*out["enum"], None]
        elif (meant := keywords.read_as(out["default"], kinds)) is not None:
            out["default"] = meant
        else:
            del out["default"]
            self._note("the default is left out: it isn't of the type", "default")

    def _items(self, out: dict[str, Any], node: dict[str, Any]) -> None:
        """2020-12 has `prefixItems` for what older drafts write as a list of items."""
        items = node.get("items")
        if isinstance(items, list):
            if items:
                out["prefixItems"] = [self._inner(e, "items", i) for i, e in enumerate(items)]
            if "additionalItems" in node:
                out["items"] = self._inner(node["additionalItems"], "additionalItems")
        elif items is not None:
            out["items"] = self._inner(items, "items")

    def _lift_required(self, out: dict[str, Any], node: dict[str, Any]) -> None:
        """Draft 3 says `required: true` at the property; what is hidden can't be required."""
        properties = node.get("properties")
        if not isinstance(properties, dict):
            return
        inside = [
            name
            for name, each in properties.items()
            if isinstance(each, dict) and each.get("required") is True
        ]
        kept = [
            name
            for name in dict.fromkeys([*out.get("required", []), *inside])
            if not self._hidden(properties.get(name))
        ]
        if kept:
            out["required"] = kept
        else:
            out.pop("required", None)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _types(words: list[Any]) -> tuple[list[str], list[Any]]:
    """The types that the words mean, and words that mean none; `any` gives nothing at all."""
    found: list[str] = []
    unknown: list[Any] = []
    for word in words:
        plain = word.strip() if isinstance(word, str) else word
        if isinstance(plain, str) and plain.lower() in keywords.ANY:
            return [], []
        name = _type_named(plain)
        if name is None:
            unknown.append(word)
        elif name not in found:
            found.append(name)
    return found, unknown


def _type_named(word: Any) -> str | None:
    if word is None:
        return "null"
    if not isinstance(word, str):
        return None
    lower = word.lower()
    if lower in keywords.TYPES:
        return lower
    return keywords.ALIASES.get(lower.partition("<")[0], None)


def _bounds(out: dict[str, Any], node: dict[str, Any]) -> None:
    """In OpenAPI 3.0 and draft 4 an exclusive bound is a truth value beside the bound."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if node.get(exclusive) is True and bound in out:
            out[exclusive] = out.pop(bound)


def _nullable(out: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0's `nullable`, which 2020-12 says as one more type."""
    if "enum" in out and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    if "type" in out:
        types = out["type"] if isinstance(out["type"], list) else [out["type"]]
        out["type"] = [*types, "null"] if "null" not in types else types
        composed = any(key in out for key in ("allOf", "anyOf", "oneOf", "$ref"))
    else:
        composed = bool(out.keys() & {"allOf", "anyOf", "oneOf", "$ref", "const"})
    if not composed:
        return out
    told = {k: out.pop(k) for k in ("title", "description", "default", "examples") if k in out}
    return told | {"anyOf": [out, {"type": "null"}]}


def inner_schemas(schema: Any) -> Iterator[Any]:
    """The schemas directly inside of this one."""
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if isinstance(value, dict) and (key in keywords.NAMED or key in ("$defs", "definitions")):
            yield from value.values()
        elif isinstance(value, list) and (key in keywords.MANY or key == "items"):
            yield from value
        elif key in keywords.ONE or key == "items":
            yield value


def mapped(schema: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of the schema with `change` made to each of the schemas directly inside."""
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in keywords.ONE or key == "items":
            out[key] = change(value)
        elif key in keywords.MANY:
            out[key] = [change(each) for each in value]
        elif key in keywords.NAMED or key == "$defs":
            out[key] = {name: change(each) for name, each in value.items()}
        else:
            out[key] = value
    return out

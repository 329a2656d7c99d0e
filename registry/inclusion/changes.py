"""Where two JSON Schemas differ as texts, and the words for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry.inclusion import nodes
from registry.inclusion.frame import Reading
from registry.inclusion.gaps import Gap

_NARROWED = {
    "type": "fewer types are accepted",
    "enum": "these values aren't accepted any more",
    "const": "one value alone is accepted now",
    "minimum": "the least value is higher, or new",
    "exclusiveMinimum": "the least value is higher, or new",
    "maximum": "the greatest value is lower, or new",
    "exclusiveMaximum": "the greatest value is lower, or new",
    "multipleOf": "fewer numbers are accepted",
    "minLength": "shorter texts aren't accepted any more",
    "maxLength": "longer texts aren't accepted any more",
    "pattern": "it has to match another pattern, or a new one",
    "format": "it has to have another format, or a new one",
    "minItems": "more items are needed",
    "maxItems": "fewer items are accepted",
    "uniqueItems": "no item may come twice now",
    "contains": "what it has to contain is new or another",
    "minProperties": "more members are needed",
    "maxProperties": "fewer members are accepted",
    "required": "it is newly required",
    "removed": "it was removed: callers send it",
    "nothing": "nothing is accepted here any more",
    "dependentRequired": "more has to come with it",
    "reference": "its $ref can't be followed, so it can't be shown that what fitted still fits",
    "size": "the schema is too large to show that what fitted still fits",
}
_LOOSENED = {
    "type": "it may be of another type than callers were told",
    "enum": "it may be a value that callers weren't told of",
    "required": "it may be missing now, and was always there",
    "removed": "it isn't promised any more",
    "added": "the result was closed, and has a member now that callers weren't told of",
    "nothing": "the result was closed, and may have members now that callers weren't told of",
    "reference": "its $ref can't be followed, so the old promise can't be shown to be kept",
    "size": "the schema is too large to show that the old promise is kept",
}
_UNPROVEN = "it can't be shown that what fitted still fits, so it counts as narrower"
_UNKEPT = "it can't be shown that the result keeps what was promised"
_SETS = frozenset({"required", "enum", "type"})


@dataclass(frozen=True)
class Change:
    """One place in which two schemas differ, with the keyword that it is about."""

    pointer: str
    keyword: str
    before: Any
    after: Any


def told(gap: Gap, reading: Reading) -> str:
    """Why the gap breaks what somebody relies on."""
    if reading == "result":
        return _LOOSENED.get(gap.keyword, _UNKEPT)
    if gap.keyword == "required":
        return f"{gap.wants!r} is newly required: callers don't send it"
    return _NARROWED.get(gap.keyword, _UNPROVEN)


def judged(change: Change, reading: Reading) -> tuple[Any, str]:
    """The class of a change that breaks nobody's values, and why it is that."""
    if change.keyword == "default" and reading == "parameters":
        if change.before is None:
            return "compatible", "it has a default now"
        return "breaking", "callers that leave it out mean the old default"
    if nodes.is_annotation(change.keyword, change.after or change.before):
        return "cosmetic", f"{change.keyword} is for people to read"
    if change.keyword in _SETS and _as_set(change.before) == _as_set(change.after):
        return "cosmetic", "the same in another order"
    if reading == "result":
        return "compatible", "the result still is what callers were told"
    if change.before is None and change.keyword == "properties":
        return "compatible", "it is new, and callers needn't send it"
    return "compatible", "what fitted still fits"


def _as_set(value: Any) -> Any:
    return sorted(map(nodes.text, value)) if isinstance(value, list) else value


def changes(before: Any, after: Any, pointer: str = "", keyword: str = "") -> Iterator[Change]:
    """Each place in which the schemas differ, as deep as both have the same shape."""
    if nodes.text(before) == nodes.text(after):
        return
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield Change(pointer, keyword, before, after)
        return
    for name in [*before, *(each for each in after if each not in before)]:
        one: Any = before.get(name)
        other: Any = after.get(name)
        place = f"{pointer}/{nodes.escaped(name)}"
        if nodes.text(one) == nodes.text(other) and (name in before) == (name in after):
            continue
        if name in nodes.MAPS and isinstance(one, dict) and isinstance(other, dict):
            yield from _of_map(name, one, other, place)
        elif name in nodes.LISTS and _alike(one, other):
            for index, (each, counterpart) in enumerate(zip(one, other, strict=True)):
                yield from changes(each, counterpart, f"{place}/{index}", name)
        elif name in nodes.SINGLES and isinstance(one, dict) and isinstance(other, dict):
            yield from changes(one, other, place, name)
        else:
            yield Change(place, name, one, other)


def _alike(one: Any, other: Any) -> bool:
    return isinstance(one, list) and isinstance(other, list) and len(one) == len(other)


def _of_map(
    keyword: str, one: dict[str, Any], other: dict[str, Any], place: str
) -> Iterator[Change]:
    for name in [*one, *(each for each in other if each not in one)]:
        inner = f"{place}/{nodes.escaped(name)}"
        if name in one and name in other:
            yield from changes(one[name], other[name], inner, keyword)
        else:
            yield Change(inner, keyword, one.get(name), other.get(name))


def renames(before: Any, after: Any) -> dict[str, str]:
    """Pointers of top-level members that are gone while one alike came: to the new name."""
    one, other = _members(before), _members(after)
    gone = {name: each for name, each in one.items() if name not in other}
    came = {name: each for name, each in other.items() if name not in one}
    found = {}
    for name, schema in gone.items():
        same = nodes.text(nodes.stripped(schema))
        alike = [each for each in came if nodes.text(nodes.stripped(came[each])) == same]
        rivals = [each for each in gone if nodes.text(nodes.stripped(gone[each])) == same]
        if len(alike) == 1 and len(rivals) == 1:
            found[f"/properties/{nodes.escaped(name)}"] = alike[0]
    return found


def _members(schema: Any) -> dict[str, Any]:
    found = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return found if isinstance(found, dict) else {}

"""The keywords about members of objects and items of arrays, and when two schemas never meet."""

from collections.abc import Iterator
from typing import Any

from registry.inclusion import nodes, scalars
from registry.inclusion.frame import Frame, Premise
from registry.inclusion.gaps import Gap
from registry.inclusion.nodes import Node, escaped

_NEAR = 6


def gaps(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    """Of the object's members: their schemas, which are required, how many there may be."""
    return (
        _of_members(premise, part, frame)
        + _of_rest(premise, part, frame)
        + _of_required(premise, part, frame)
        + _of_names(premise, part, frame)
        + _of_dependents(premise, part, frame)
        + scalars.of_count(premise, part, "minProperties", "maxProperties", _count(premise))
    )


def undeclared(premise: Premise, parts: Premise, frame: Frame) -> list[Gap]:
    """Members that the older schema declares by name and the newer one doesn't any more."""
    if "object" not in nodes.kinds(premise):
        return []
    older, newer = (premise, parts) if frame.reading == "parameters" else (parts, premise)
    named = {name for node in newer for name in _names_within(node)}
    if not named and nodes.kinds(newer) != {"object"}:
        return []
    return [
        Gap(f"{node.pointer}/properties/{escaped(name)}", "removed", name)
        for node in older
        for name in node.get("properties", {})
        if name not in named and not any(True for _ in _patterns(newer, name))
    ]


def _names_within(node: Node, depth: int = 0) -> Iterator[str]:
    """Every name that the schema declares somewhere for this very object."""
    yield from node.get("properties", {})
    if depth > _NEAR:
        return
    for keyword in ("anyOf", "oneOf", "allOf"):
        for index, _ in enumerate(node.get(keyword, ())):
            for each in nodes.premises(node.at(keyword, index)):
                yield from _names_within(each, depth + 1)
    for keyword in ("then", "else"):
        if node.has(keyword):
            yield from _names_within(node.at(keyword), depth + 1)


def _patterns(premise: Premise, name: str) -> Iterator[Node]:
    """The schemas whose pattern the name surely matches."""
    for node in premise:
        for pattern in node.get("patternProperties", {}):
            if nodes.matches(pattern, name):
                yield node.at("patternProperties", pattern)


def _said_of(premise: Premise, name: str) -> tuple[Node, ...]:
    """What the premise surely says of the member of that name."""
    found = list(_patterns(premise, name))
    for node in premise:
        if name in node.get("properties", {}):
            found.append(node.at("properties", name))
        elif node.has("additionalProperties") and not node.has("patternProperties"):
            found.append(node.at("additionalProperties"))
        elif node.has("additionalProperties"):
            judged = [nodes.matches(each, name) for each in node.schema["patternProperties"]]
            if judged and all(each is False for each in judged):
                found.append(node.at("additionalProperties"))
    return tuple(found)


def _wanted_of(part: Node, name: str) -> list[Node]:
    """What the wanted schema may say of the member; a pattern that can't be tried counts."""
    found = []
    if name in part.get("properties", {}):
        found.append(part.at("properties", name))
    patterns = [
        pattern
        for pattern in part.get("patternProperties", {})
        if nodes.matches(pattern, name) is not False
    ]
    found += [part.at("patternProperties", pattern) for pattern in patterns]
    if not found and part.has("additionalProperties"):
        found.append(part.at("additionalProperties"))
    return found


def _of_members(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    declared = {name: None for node in premise for name in node.get("properties", {})}
    found: list[Gap] = []
    for name in dict.fromkeys([*declared, *part.get("properties", {})]):
        said = _said_of(premise, name)
        if not said and name not in declared and frame.reading == "parameters":
            # Nothing was promised about it: an open object takes what its tool doesn't know.
            continue
        for wanted in _wanted_of(part, name):
            if wanted.schema is False and name not in part.get("properties", {}):
                found += _unwelcome(premise, name, said, frame)
            else:
                found += frame.inner(said, wanted)
    return found


def _unwelcome(premise: Premise, name: str, said: Premise, frame: Frame) -> list[Gap]:
    """A member that only the premise declares, where the wanted schema is closed."""
    if not nodes.kinds(said):
        return []
    places = [node.pointer for node in premise if name in node.get("properties", {})]
    keyword = "removed" if frame.reading == "parameters" else "added"
    return [Gap(f"{place}/properties/{escaped(name)}", keyword, name) for place in places]


def _of_rest(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    """Of members that neither schema names."""
    rest = tuple(n.at("additionalProperties") for n in premise if n.has("additionalProperties"))
    patterned = {
        pattern: tuple(
            node.at("patternProperties", pattern)
            for node in premise
            if pattern in node.get("patternProperties", {})
        )
        for node in premise
        for pattern in node.get("patternProperties", {})
    }
    unpatterned = tuple(
        node.at("additionalProperties")
        for node in premise
        if node.has("additionalProperties") and not node.has("patternProperties")
    )
    found: list[Gap] = []
    for pattern in part.get("patternProperties", {}):
        said = (*patterned.get(pattern, ()), *unpatterned)
        found += frame.inner(said, part.at("patternProperties", pattern))
    if not part.has("additionalProperties"):
        return found
    wanted = part.at("additionalProperties")
    found += frame.inner(rest, wanted)
    for pattern, said in patterned.items():
        if pattern not in part.get("patternProperties", {}):
            found += frame.inner((*said, *unpatterned), wanted)
    return found


def _of_required(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    known = {name for node in premise for name in node.get("required", ())}
    return [
        Gap(f"{part.pointer}/required", "required", None, name)
        for name in part.get("required", ())
        if name not in known and not _filled_in(part, name, frame)
    ]


def _filled_in(part: Node, name: str, frame: Frame) -> bool:
    """Whether the call path puts the default in before it looks (`schemas.with_defaults`)."""
    declared = part.get("properties", {}).get(name)
    top = part.pointer == "" and frame.reading == "parameters"
    return top and isinstance(declared, dict) and "default" in declared


def _closed(premise: Premise) -> list[str] | None:
    """The only names that there may be; None where others may come."""
    for node in premise:
        if node.get("additionalProperties") is False and not node.has("patternProperties"):
            return list(node.get("properties", {}))
    return None


def _count(premise: Premise) -> tuple[float, float]:
    required = {name for node in premise for name in node.get("required", ())}
    names = _closed(premise)
    least = max(scalars.at_least(premise, "minProperties"), len(required))
    most = scalars.at_most(premise, "maxProperties")
    return least, most if names is None else min(most, len(names))


def _of_names(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    if not part.has("propertyNames") or frame.same(premise, ("propertyNames",), part):
        return []
    wanted = part.at("propertyNames")
    said = tuple(node.at("propertyNames") for node in premise if node.has("propertyNames"))
    names = _closed(premise)
    if names is not None:
        said = (*said, Node({"enum": names}, wanted.root)) if names else (Node(False, wanted.root),)
    text = Node({"type": "string"}, wanted.root)
    return frame.inner((*said, text), wanted)


def _of_dependents(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    found = []
    required = {name for node in premise for name in node.get("required", ())}
    for name, wanted in part.get("dependentRequired", {}).items():
        known = {
            each for node in premise for each in node.get("dependentRequired", {}).get(name, ())
        }
        if not set(wanted) <= known | required:
            place = f"{part.pointer}/dependentRequired/{escaped(name)}"
            found.append(Gap(place, "dependentRequired", sorted(known), wanted))
    if part.has("dependentSchemas") and not frame.same(premise, ("dependentSchemas",), part):
        wanted = part.schema["dependentSchemas"]
        found.append(Gap(part.pointer + "/dependentSchemas", "dependentSchemas", None, wanted))
    return found


def gaps_of_items(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    """Of the array's items: in their places, the rest, how many, unlike or not."""
    known = scalars.at_least(premise, "minItems"), scalars.at_most(premise, "maxItems")
    found = scalars.of_count(premise, part, "minItems", "maxItems", known)
    places = max((len(n.get("prefixItems", ())) for n in (*premise, part)), default=0)
    for index in range(min(places, 100)):
        wanted = _item(part, index)
        if wanted is not None and index < known[1]:
            found += frame.inner(_items(premise, index), wanted)
    if part.has("items") and known[1] > places:
        rest = tuple(node.at("items") for node in premise if node.has("items"))
        found += frame.inner(rest, part.at("items"))
    unlike = any(node.get("uniqueItems") is True for node in premise) or known[1] <= 1
    if part.get("uniqueItems") is True and not unlike:
        found.append(Gap(part.pointer + "/uniqueItems", "uniqueItems", False, True))
    held = ("contains", "minContains", "maxContains")
    if part.has("contains") and not frame.same(premise, held, part):
        found.append(Gap(part.pointer + "/contains", "contains", None, part.schema["contains"]))
    return found


def _item(node: Node, index: int) -> Node | None:
    if index < len(node.get("prefixItems", ())):
        return node.at("prefixItems", index)
    return node.at("items") if node.has("items") else None


def _items(premise: Premise, index: int) -> tuple[Node, ...]:
    return tuple(each for node in premise if (each := _item(node, index)) is not None)


def disjoint(one: Premise, other: Premise, depth: int = 0) -> bool:
    """Whether surely no value fits both; False also where that can't be told."""
    left = nodes.kinds((*one, *other))
    if not left:
        return True
    if _apart(one, other) or _apart(other, one):
        return True
    if left != {"object"} or depth > _NEAR:
        return False
    required = {name for node in (*one, *other) for name in node.get("required", ())}
    for name in sorted(required):
        mine, theirs = _said_of(one, name), _said_of(other, name)
        if mine and theirs and disjoint(_expanded(mine), _expanded(theirs), depth + 1):
            return True
    return False


def _expanded(premise: Premise) -> Premise:
    return tuple(part for node in premise for part in nodes.premises(node))


def _apart(one: Premise, other: Premise) -> bool:
    """Whether every listed value of the one is refused by the other."""
    few: list[Any] | None = nodes.values(one)
    if few is None or len(few) > 1_000:
        return False
    plain = [n for n in other if isinstance(n.schema, dict) and '"$ref"' not in n.text]
    checks = [nodes.validator(Node(node.schema, node.schema)) for node in plain]
    return all(any(not check.is_valid(value) for check in checks) for value in few)

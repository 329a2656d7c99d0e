"""The proof itself: what is assumed, how a disjunction is split, when to give up."""

from dataclasses import replace
from typing import Any

import jsonschema_rs

from registry.inclusion import nodes, objects, scalars
from registry.inclusion.frame import Effort, Frame, Premise, Reading
from registry.inclusion.gaps import Gap
from registry.inclusion.nodes import Node

STEPS = 20_000
DEPTH = 60


def gaps(has: Any, wants: Any, reading: Reading = "parameters") -> tuple[Gap, ...]:
    """Why a value of schema `has` may be no value of schema `wants`; empty when each is one.

    Read as `parameters` (`has` came before), an undeclared member of an object that doesn't say
    `additionalProperties` was never promised, so a new optional member is no gap, and a member
    that isn't declared any more is one. Read as `result` (`wants` came before) a member that was
    declared has to stay so. Pointers are places in `wants`, for `removed` in the document that
    still declares it.
    """
    same = nodes.definitions_text(has) == nodes.definitions_text(wants)
    frame = Frame(reading, Effort(STEPS, same), prove)
    found = prove(nodes.premises(Node(has, has)), Node(wants, wants), frame)
    return tuple(dict.fromkeys(found)) if _hashable(found) else tuple(found)


def _hashable(found: list[Gap]) -> bool:
    try:
        hash(tuple(found))
    except TypeError:
        return False
    return True


def prove(premise: Premise, wanted: Node, frame: Frame) -> list[Gap]:
    """The gaps between what all nodes of the premise leave and the wanted schema."""
    frame.effort.left -= 1
    if frame.effort.left < 0 or frame.depth > DEPTH:
        return [Gap(wanted.pointer, "size")]
    if wanted.schema is True or wanted.text == "{}" or any(n.schema is False for n in premise):
        return []
    if any(node.text == wanted.text for node in premise) and frame.stable(wanted):
        return []
    key = (tuple(node.key for node in premise), wanted.key)
    if key in frame.assumed:
        return []
    if key in frame.open:
        return [Gap(wanted.pointer, "reference")]
    try:
        parts = nodes.conjuncts(wanted)
    except nodes.Unresolvable as error:
        return [Gap(wanted.pointer, "reference", None, str(error))]
    frame = frame.proving(key)
    found = objects.undeclared(premise, parts, frame)
    for part in parts:
        found += _prove_part(premise, part, frame)
    return found


def _prove_part(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    if any(node.text == part.text for node in premise) and frame.stable(part):
        return []
    if not nodes.kinds(premise):
        return []
    few = nodes.values(premise)
    if few is not None:
        return _listed(few, premise, part)
    found = _checked(premise, part, frame)
    if found:
        pieces = _split(premise)
        # Each half of a disjunction may fit for a reason of its own.
        if pieces and all(not _prove_part(piece, part, frame) for piece in pieces):
            return []
    return found


def _listed(few: list[Any], premise: Premise, part: Node) -> list[Gap]:
    try:
        wanted = nodes.validator(part)
        refused = [value for value in few if not wanted.is_valid(value)]
        for node in premise:
            if refused and isinstance(node.schema, dict) and "$ref" not in node.text:
                own = nodes.validator(Node(node.schema, node.schema))
                refused = [value for value in refused if own.is_valid(value)]
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
        return [Gap(part.pointer, "unknown")]
    if not refused:
        return []
    keyword = "enum" if part.has("enum") else "type" if part.has("type") else "values"
    return [Gap(part.pointer, keyword, refused, part.get(keyword))]


def _checked(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    if isinstance(part.schema, bool):
        return [] if part.schema else [Gap(part.pointer, "nothing")]
    left = nodes.kinds(premise)
    found = scalars.gaps(premise, part, left)
    if "object" in left:
        found += objects.gaps(premise, part, frame)
    if "array" in left:
        found += objects.gaps_of_items(premise, part, frame)
    return found + _combined(premise, part, frame)


def _combined(premise: Premise, part: Node, frame: Frame) -> list[Gap]:
    """anyOf, oneOf, not, if: of several schemas at once."""
    found: list[Gap] = []
    if part.has("anyOf") and not frame.same(premise, ("anyOf",), part):
        branches = [part.at("anyOf", index) for index in range(len(part.schema["anyOf"]))]
        if not any(not prove(premise, branch, frame) for branch in branches):
            found += _nearest(premise, "anyOf", part, branches, frame)
    if part.has("oneOf") and not frame.same(premise, ("oneOf",), part):
        branches = [part.at("oneOf", index) for index in range(len(part.schema["oneOf"]))]
        if not any(_only(premise, index, branches, frame) for index in range(len(branches))):
            found += _nearest(premise, "oneOf", part, branches, frame)
    kept = not part.has("not") or frame.same(premise, ("not",), part)
    if not kept and not _excluded(premise, part.at("not"), frame):
        found.append(Gap(part.pointer + "/not", "not", None, part.schema["not"]))
    if part.has("if") and not frame.same(premise, ("if", "then", "else"), part):
        found.append(Gap(part.pointer + "/if", "if", None, part.schema["if"]))
    return found


def _nearest(
    premise: Premise, keyword: str, part: Node, branches: list[Node], frame: Frame
) -> list[Gap]:
    """The reasons: of each branch against the one in its place, where there is one."""
    for node in premise:
        own = node.get(keyword)
        if isinstance(own, list) and len(own) == len(branches):
            pairs = zip(range(len(own)), branches, strict=True)
            found = [
                gap
                for index, branch in pairs
                for gap in prove(nodes.premises(node.at(keyword, index)), branch, frame)
            ]
            if found:
                return found
    return [Gap(f"{part.pointer}/{keyword}", keyword, None, part.schema[keyword])]


def _only(premise: Premise, index: int, branches: list[Node], frame: Frame) -> bool:
    """Whether each value fits this branch and no other."""
    others = [branch for place, branch in enumerate(branches) if place != index]
    return not prove(premise, branches[index], frame) and all(
        objects.disjoint(premise, nodes.premises(other)) for other in others
    )


def _excluded(premise: Premise, refused: Node, frame: Frame) -> bool:
    if objects.disjoint(premise, nodes.premises(refused)):
        return True
    fresh = replace(frame, open=frozenset(), assumed=frozenset(), depth=frame.depth + 1)
    exact = nodes.premises(refused)
    return any(not prove(exact, node.at("not"), fresh) for node in premise if node.has("not"))


def _split(premise: Premise) -> list[Premise]:
    """The premise as a union: by a disjunction of its own, else by the kinds of value."""
    for place, node in enumerate(premise):
        for keyword in ("anyOf", "oneOf"):
            if node.has(keyword):
                rest = {name: each for name, each in node.schema.items() if name != keyword}
                others = (*premise[:place], Node(rest, node.root), *premise[place + 1 :])
                return [
                    (*others, *nodes.premises(node.at(keyword, index)))
                    for index in range(len(node.schema[keyword]))
                ]
    left = nodes.kinds(premise)
    names: list[str] = [
        each for each in ("null", "boolean", "object", "array", "string") if each in left
    ]
    if left & {"integer", "fraction"}:
        names.append("number" if "fraction" in left else "integer")
    if len(names) < 2:
        return []
    return [(*premise, Node({"type": name}, premise[0].root)) for name in names]

"""The keywords about a value itself: its type, its listed values, bounds, lengths, forms."""

import math
from typing import Any

from registry.inclusion import nodes
from registry.inclusion.gaps import Gap
from registry.inclusion.nodes import Node

_HANDLED = frozenset(
    "type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength "
    "maxLength pattern format required properties patternProperties additionalProperties "
    "propertyNames minProperties maxProperties dependentRequired dependentSchemas items "
    "prefixItems minItems maxItems uniqueItems contains minContains maxContains allOf anyOf oneOf "
    "not if then else $ref".split()
)


def gaps(premise: tuple[Node, ...], part: Node, left: frozenset[str]) -> list[Gap]:
    found = _of_type(part, left) + _of_values(part)
    if left & {"integer", "fraction"}:
        found += _of_bounds(premise, part, left) + _of_multiple(premise, part, left)
    if "string" in left:
        found += _of_length(premise, part) + _of_form(premise, part)
    for keyword in part.schema:
        unknown = keyword not in _HANDLED
        if unknown and not nodes.is_annotation(keyword, part.schema[keyword]):
            # Such as unevaluatedProperties, whose meaning hangs on all that stands beside it.
            found.append(Gap(f"{part.pointer}/{keyword}", "unknown", None, keyword))
    return found


def _of_type(part: Node, left: frozenset[str]) -> list[Gap]:
    if not part.has("type") or left <= nodes.kinds([Node({"type": part.schema["type"]}, None)]):
        return []
    return [Gap(part.pointer + "/type", "type", sorted(left), part.schema["type"])]


def _of_values(part: Node) -> list[Gap]:
    """A premise with listed values never comes here: each value was tried."""
    return [
        Gap(f"{part.pointer}/{keyword}", keyword, None, part.schema[keyword])
        for keyword in ("enum", "const")
        if part.has(keyword)
    ]


def lower(premise: tuple[Node, ...], whole: bool) -> tuple[float, bool] | None:
    """The greatest lower bound that is known, and whether it is itself allowed."""
    found = [(node.schema["minimum"], True) for node in premise if node.has("minimum")]
    for node in premise:
        if node.has("exclusiveMinimum"):
            bound = node.schema["exclusiveMinimum"]
            found.append((math.floor(bound) + 1, True) if whole else (bound, False))
    if whole:
        found = [(math.ceil(bound), True) for bound, _ in found]
    return max(found, key=lambda each: (each[0], not each[1]), default=None)


def upper(premise: tuple[Node, ...], whole: bool) -> tuple[float, bool] | None:
    found = [(node.schema["maximum"], True) for node in premise if node.has("maximum")]
    for node in premise:
        if node.has("exclusiveMaximum"):
            bound = node.schema["exclusiveMaximum"]
            found.append((math.ceil(bound) - 1, True) if whole else (bound, False))
    if whole:
        found = [(math.floor(bound), True) for bound, _ in found]
    return min(found, key=lambda each: (each[0], each[1]), default=None)


def _of_bounds(premise: tuple[Node, ...], part: Node, left: frozenset[str]) -> list[Gap]:
    whole = "fraction" not in left
    low, high = lower(premise, whole), upper(premise, whole)
    wanted: dict[str, bool] = {}
    for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if not part.has(keyword):
            continue
        bound = part.schema[keyword]
        known = low if "inimum" in keyword else high
        if known is None:
            wanted[keyword] = False
            continue
        inside = known[0] > bound if "inimum" in keyword else known[0] < bound
        touches = known[0] == bound and not (keyword.startswith("exclusive") and known[1])
        wanted[keyword] = inside or touches
    return [
        Gap(f"{part.pointer}/{name}", name, said(premise, name), part.schema[name])
        for name, holds in wanted.items()
        if not holds
    ]


def said(premise: tuple[Node, ...], keyword: str) -> Any:
    return next((node.schema[keyword] for node in premise if node.has(keyword)), None)


def _of_multiple(premise: tuple[Node, ...], part: Node, left: frozenset[str]) -> list[Gap]:
    if not part.has("multipleOf"):
        return []
    step = part.schema["multipleOf"]
    if step == 1 and "fraction" not in left:
        return []
    for node in premise:
        own = node.get("multipleOf")
        exact = isinstance(own, int) and isinstance(step, int)
        if own is not None and (own == step or (exact and own % step == 0)):
            return []
    return [Gap(part.pointer + "/multipleOf", "multipleOf", said(premise, "multipleOf"), step)]


def at_least(premise: tuple[Node, ...], keyword: str) -> float:
    return max((node.schema[keyword] for node in premise if node.has(keyword)), default=0)


def at_most(premise: tuple[Node, ...], keyword: str) -> float:
    return min((node.schema[keyword] for node in premise if node.has(keyword)), default=math.inf)


def of_count(
    premise: tuple[Node, ...], part: Node, least: str, most: str, known: tuple[float, float]
) -> list[Gap]:
    """Lengths and counts, of which `known` is what the premise leaves."""
    found = []
    if part.get(least, 0) > known[0]:
        found.append(
            Gap(f"{part.pointer}/{least}", least, said(premise, least), part.schema[least])
        )
    if part.get(most, math.inf) < known[1]:
        found.append(Gap(f"{part.pointer}/{most}", most, said(premise, most), part.schema[most]))
    return found


def _of_length(premise: tuple[Node, ...], part: Node) -> list[Gap]:
    known = at_least(premise, "minLength"), at_most(premise, "maxLength")
    return of_count(premise, part, "minLength", "maxLength", known)


def _of_form(premise: tuple[Node, ...], part: Node) -> list[Gap]:
    return [
        Gap(f"{part.pointer}/{keyword}", keyword, said(premise, keyword), part.schema[keyword])
        for keyword in ("pattern", "format")
        if part.has(keyword)
        and not nodes.is_annotation(keyword, part.schema[keyword])
        and all(node.get(keyword) != part.schema[keyword] for node in premise)
    ]

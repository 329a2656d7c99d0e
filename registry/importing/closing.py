"""A translated schema becomes whole in itself: finite references are written out in place,
recursive ones (and those that would make it large) go to `$defs`.

Sizes are known before anything is copied, so that a document in which each schema names the next
one ten times costs what it has lines, not ten to the power of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry.importing.drafts import Unfit
from registry.importing.names import slug
from registry.importing.schemas import Direction, Translator, inner_schemas, mapped

INLINED = 1_500
"""So many schemas are written out in place at most; a larger whole keeps its definitions."""
MAX_SCHEMAS = 3_000
MAX_DEPTH = 50
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated"})
_ANNOTATIONS |= {"readOnly", "writeOnly", "$comment"}


@dataclass(frozen=True)
class Measure:
    """What one translated schema is by itself: its size, its depth, and what it refers to."""

    size: int
    depth: int
    targets: tuple[str, ...]


class Closing:
    """Closes the schemas of one document in one direction; what it learns serves all of them."""

    def __init__(self, translator: Translator, direction: Direction) -> None:
        self.translator, self.direction = translator, direction
        self._measures: dict[str, Measure] = {}
        self._recursive: dict[str, bool] = {}
        self._whole: dict[str, tuple[int, int]] = {}

    def closed(self, schema: Any, place: str) -> Any:
        """The schema without references to the outside. Raises Unfit for one too large."""
        measure = measured(schema)
        for target in dict.fromkeys(measure.targets):
            self._learn(target)
        reachable = self._reachable(measure.targets, place)
        size, depth = self._expanded(measure)
        kept = [each for each in reachable if self._recursive[each]]
        size += sum(self._expanded(self._measures[each])[0] for each in kept)
        depth = max([depth, *(self._expanded(self._measures[each])[1] for each in kept)])
        if size > INLINED or depth > MAX_DEPTH:
            kept = reachable
            size = measure.size + sum(self._measures[each].size for each in kept)
        if size > MAX_SCHEMAS:
            raise Unfit(place, f"it reaches {size} schemas; at most {MAX_SCHEMAS} are taken over")
        return self._written(schema, dict(zip(kept, _named(kept), strict=True)))

    def _written(self, schema: Any, names: dict[str, str]) -> Any:
        out = self._inline(schema, names)
        if names:
            out["$defs"] = {
                name: self._inline(self.translator.at(target, self.direction), names)
                for target, name in names.items()
            }
        return out

    def _inline(self, schema: Any, names: dict[str, str]) -> Any:
        if not isinstance(schema, dict) or "$ref" not in schema:
            return mapped(schema, lambda inner: self._inline(inner, names))
        target = schema["$ref"]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        beside = mapped(beside, lambda inner: self._inline(inner, names))
        if target in names:
            return {"$ref": f"#/$defs/{names[target]}"} | beside
        found = self._inline(self.translator.at(target, self.direction), names)
        if not beside:
            return found
        if isinstance(found, dict) and beside.keys() <= _ANNOTATIONS:
            return found | beside
        return beside | {"allOf": [found, *beside.get("allOf", [])]}

    def _measure(self, target: str) -> Measure:
        if target not in self._measures:
            self._measures[target] = measured(self.translator.at(target, self.direction))
        return self._measures[target]

    def _reachable(self, targets: tuple[str, ...], place: str) -> list[str]:
        found: dict[str, None] = {}
        stack, size = list(reversed(targets)), 0
        while stack:
            target = stack.pop()
            if target in found:
                continue
            found[target] = None
            size += self._measures[target].size
            if size > MAX_SCHEMAS:
                raise Unfit(place, f"it reaches more than {MAX_SCHEMAS} schemas")
            stack.extend(reversed(self._measures[target].targets))
        return list(found)

    def _expanded(self, measure: Measure) -> tuple[int, int]:
        """Schemas and levels when everything finite is written out."""
        size, depth = measure.size, measure.depth
        for target in measure.targets:
            inner = (1, 1) if self._recursive[target] else self._whole[target]
            size, depth = size + inner[0], max(depth, measure.depth + inner[1])
        return size, depth

    def _learn(self, start: str) -> None:
        """Which of the schemas that `start` reaches are recursive, and how large each is: Tarjan's
        strongly connected components (SIAM J. Comput. 1(2), 1972), without recursion."""
        if start in self._recursive:
            return
        order: dict[str, int] = {}
        low: dict[str, int] = {}
        path: list[str] = []
        on_path: set[str] = set()
        work: list[tuple[str, Iterator[str]]] = []

        def enter(target: str) -> None:
            order[target] = low[target] = len(order)
            path.append(target)
            on_path.add(target)
            work.append((target, iter(dict.fromkeys(self._measure(target).targets))))

        enter(start)
        while work:
            target, inner = work[-1]
            for each in inner:
                if each in self._recursive:
                    continue
                if each not in order:
                    enter(each)
                    break
                if each in on_path:
                    low[target] = min(low[target], order[each])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[target])
                if low[target] == order[target]:
                    self._settle(target, path, on_path)

    def _settle(self, root: str, path: list[str], on_path: set[str]) -> None:
        """One component is complete: everything that it reaches is already known."""
        at = path.index(root)
        component, path[at:] = path[at:], []
        on_path.difference_update(component)
        alone = len(component) == 1 and root not in self._measures[root].targets
        for each in component:
            self._recursive[each] = not alone
        if alone:
            self._whole[root] = self._expanded(self._measures[root])


def measured(schema: Any) -> Measure:
    """Measures without recursion: a translated schema has a bounded depth of its own."""
    size, deepest, targets = 0, 0, []
    stack = [(schema, 1)]
    while stack:
        node, depth = stack.pop()
        size, deepest = size + 1, max(deepest, depth)
        if isinstance(node, dict) and "$ref" in node:
            targets.append(node["$ref"])
        stack.extend((inner, depth + 1) for inner in inner_schemas(node))
    return Measure(size, deepest, tuple(targets))


def _named(targets: list[str]) -> list[str]:
    """A name in `$defs` for each pointer: its last part, numbered where two are the same."""
    used: dict[str, int] = {}
    names = []
    for target in targets:
        last = target.rsplit("/", 1)[-1]
        base = last if last.replace("_", "a").isalnum() and last.isascii() else slug(last)
        used[base] = used.get(base, 0) + 1
        names.append(base if used[base] == 1 else f"{base}.{used[base]}")
    return names

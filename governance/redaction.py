"""Masking: what policy wants kept out of what is stored and returned.

A spec is a text, so that specs meet as a union of texts (`verdicts.meet_redactions`):

    /user/password            a JSON pointer; `*` is every member
    $..card[?@.type=='visa']  a JSONPath
    pattern:email             a named pattern or a group of them (`governance.detectors`)
    regex:staff_id=E-\\d{6}    an expression of the policy's own, in RE2's syntax

Whatever goes wrong while masking masks the whole value: a mask that can't be put on must not mean
that everything is shown.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]
import structlog

from governance import detectors, paths
from governance.detectors import Detector

log = structlog.get_logger(__name__)

MASK = "[redacted]"
FAILED = "masking_failed"
MAX_EXPRESSION = 500
MEMORY = 64 * 2**20
# Between texts that are searched as one; no stored text holds it.
BETWEEN = "\0"
# From here on, a number may be a card's or a person's.
LONG_NUMBER = 10**10
# A shorter text stands in too many sentences by chance.
LEAST_CONCEALED = 4

Span = tuple[int, int, str]


def fault(expression: str) -> str:
    """What is wrong with a policy's own expression; empty when it can be used."""
    if len(expression) > MAX_EXPRESSION:
        return f"an expression has at most {MAX_EXPRESSION} characters"
    try:
        compiled = re2.compile(expression, _options())
    except re2.error as error:
        told = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        return f"no expression of RE2's syntax: {told[:200]}"
    if compiled.search("") is not None:
        return "it matches the empty text, so it would mask nothing or everything"
    return ""


def masked(value: Any, specs: Iterable[str]) -> tuple[Any, dict[str, int]]:
    """A copy of the JSON value with what the specs name masked, and how often each one did.

    Places are looked for in the value as it came, so no mask hides another one's place. A place is
    masked whole; of a text, only what a pattern found. Without specs it is the value itself.
    """
    plan = _plan(tuple(sorted(set(specs))))
    if plan is None or value is None:
        return value, {}
    counts: Counter[str] = Counter()
    try:
        value = _placed(value, plan, counts)
        if plan.detectors:
            value = _Search(plan, counts).masked(value)
    except Exception as error:  # noqa: BLE001
        # Recorded, and masked whole: see above.
        log.error("redaction.failed", kind=type(error).__name__)
        return MASK, {FAILED: 1}
    return value, dict(sorted(counts.items()))


def masked_text(text: str, specs: Iterable[str]) -> str:
    """A sentence for people with what the patterns find masked; places have no meaning in it."""
    found, _ = masked(text, [each for each in specs if each.startswith(("pattern:", "regex:"))])
    return str(found)


def concealed(value: Any, specs: Iterable[str]) -> frozenset[str]:
    """The texts that stand where the specs mask: no sentence may repeat them."""
    found: set[str] = set()
    for path in specs:
        if path[0] in "/$":
            found.update(text for at in paths.places(value, path) for text in _texts(value, at))
    return frozenset(text for text in found if len(text) >= LEAST_CONCEALED)


def _texts(value: Any, at: paths.Location) -> Iterator[str]:
    for step in at:
        value = value[step]
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for key in value if isinstance(value, Mapping) else range(len(value)):
            yield from _texts(value, (key,))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


@dataclass(frozen=True)
class _Plan:
    places: tuple[str, ...]
    detectors: tuple[Detector, ...]
    names: frozenset[str]
    compiled: tuple[Any, ...] = field(repr=False)
    any_of: Any = field(repr=False, default=None)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    return options


@lru_cache(maxsize=256)
def _plan(specs: tuple[str, ...]) -> _Plan | None:
    if not specs:
        return None
    named = detectors.expanded(
        frozenset(each.removeprefix("pattern:") for each in specs if each.startswith("pattern:"))
    )
    own = [each.removeprefix("regex:").partition("=") for each in specs if each[:6] == "regex:"]
    found = (
        *(each for each in detectors.DETECTORS if each.name in named),
        *(Detector(name, "own", expression) for name, _, expression in own),
    )
    together = re2.Set.SearchSet(_options())
    for each in found:
        together.Add(each.pattern)
    if found:
        together.Compile()
    return _Plan(
        places=tuple(each for each in specs if each[0] in "/$"),
        detectors=found,
        names=named,
        compiled=tuple(re2.compile(each.pattern, _options()) for each in found),
        any_of=together,
    )


def _placed(value: Any, plan: _Plan, counts: Counter[str]) -> Any:
    found: list[paths.Location] = []
    for path in plan.places:
        here = list(paths.places(value, path))
        if here:
            counts[path] += len(here)
            found += here
    return paths.replaced(value, found, MASK) if found else value


class _Search:
    """One search through all texts of a value, as if they were one: most hold nothing, and asking
    each text about each pattern is what would take the time."""

    def __init__(self, plan: _Plan, counts: Counter[str]) -> None:
        self.plan, self.counts = plan, counts
        self.texts: list[str] = []
        self.whole: dict[int, str] = {}

    def masked(self, value: Any) -> Any:
        self._collect(value)
        starts, length = [], 0
        for text in self.texts:
            starts.append(length)
            length += len(text) + len(BETWEEN)
        spans = self._spans(BETWEEN.join(self.texts))
        if not spans and not self.whole:
            return value
        self._replace(starts, spans)
        self._next = 0
        return self._rebuilt(value)

    def _collect(self, value: Any) -> None:
        if isinstance(value, str):
            self.texts.append(value)
        elif isinstance(value, Mapping):
            for name, item in value.items():
                self.texts.append(name)
                self._note_member(name, item)
                self._collect(item)
        elif isinstance(value, list | tuple):
            for item in value:
                self._collect(item)
        elif _is_long(value):
            self.texts.append(str(value))

    def _note_member(self, name: str, item: Any) -> None:
        if isinstance(item, str) and item != MASK:
            found = detectors.of_member(name)
            if found and found[0] in self.plan.names and found[1](item):
                self.whole[len(self.texts)] = found[0]

    def _spans(self, text: str) -> list[Span]:
        """What is found, without overlaps: what overlaps is one, under the first name."""
        matching = self.plan.any_of.Match(text)
        found = sorted(
            span
            for index in matching or ()
            for span in _found(self.plan.detectors[index], self.plan.compiled[index], text)
        )
        merged: list[Span] = []
        for start, end, name in found:
            if merged and start < merged[-1][1]:
                last = merged[-1]
                merged[-1] = (last[0], max(last[1], end), last[2])
            else:
                merged.append((start, end, name))
        return merged

    def _replace(self, starts: list[int], spans: list[Span]) -> None:
        by_text: dict[int, list[Span]] = {}
        for start, end, name in spans:
            index = bisect_right(starts, start) - 1
            # An expression of the policy's own may reach over several texts.
            while index < len(starts) and starts[index] < end:
                offset, length = starts[index], len(self.texts[index])
                cut = (max(start - offset, 0), min(end - offset, length), name)
                if cut[0] < cut[1]:
                    by_text.setdefault(index, []).append(cut)
                index += 1
        for index, found in by_text.items():
            if index not in self.whole:
                self.texts[index] = self._cut(self.texts[index], found)
        for index, name in self.whole.items():
            self.texts[index] = f"[redacted:{name}]"
            self.counts[name] += 1

    def _cut(self, text: str, found: list[Span]) -> str:
        parts, at = [], 0
        for start, end, name in found:
            parts += [text[at:start], f"[redacted:{name}]"]
            at = end
            self.counts[name] += 1
        return "".join([*parts, text[at:]])

    def _take(self) -> str:
        self._next += 1
        return self.texts[self._next - 1]

    def _rebuilt(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._take()
        if isinstance(value, Mapping):
            return dict(self._members(value))
        if isinstance(value, list | tuple):
            return [self._rebuilt(item) for item in value]
        if _is_long(value):
            text = self._take()
            return value if text == str(value) else text
        return value

    def _members(self, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        taken: set[str] = set()
        for name, item in value.items():
            shown = self._take()
            number = 2
            while shown in taken or (shown != name and shown in value):
                shown = f"{shown.partition(' #')[0]} #{number}"
                number += 1
            taken.add(shown)
            yield shown, self._rebuilt(item)


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LONG_NUMBER


def _found(detector: Detector, compiled: Any, text: str) -> Iterator[Span]:
    for match in compiled.finditer(text):
        start, end = match.span(detector.group)
        if start >= end or (detector.alone and _is_within(text, start, end)):
            continue
        if detector.check is None or detector.check(text[start:end]):
            yield start, end, detector.name


def _is_within(text: str, start: int, end: int) -> bool:
    """Whether the match is a part of a longer number or word."""
    before, after = text[max(start - 2, 0) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum():
        return True
    joined = before[-1:] in tuple(".-_/") and before[:1].isalnum()
    return joined or (after[:1] in tuple("-_/") and after[1:].isalnum())

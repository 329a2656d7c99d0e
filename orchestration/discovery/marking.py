"""The state of every tool of the index for one agent, as a byte each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import F
from kernel import prepared
from kernel.prepared import slot

from orchestration.discovery import shelf as shelves
from orchestration.discovery.answering import of_version
from orchestration.discovery.asking import Asker
from orchestration.discovery.judgements import (
    APPROVAL,
    CONDITIONAL,
    NO,
    YES,
    Judgement,
    Kept,
    judged_once,
    kept_for,
    met,
)
from orchestration.discovery.shelf import Entry, Groups, Shelf, kind_of
from orchestration.models import CircuitBreaker
from registry import notices
from registry.discovery.marks import Marks
from registry.models import ToolVersion

BYTE = {NO: 0, YES: 1, APPROVAL: 2, CONDITIONAL: 3}
FREE = {"cost_micros": 0}


def marks(asker: Asker, states: Iterable[str]) -> Marks:
    """A mark for every tool that is in one of these states, of which `no` can't be asked: it is
    what has none. Quarantines and sunsets of whole tools are on the tools' own rows.

    1. an agent that may call nothing may call none of them;
    2. what policies say, of all that are alike at once; kept while neither changes;
    3. rates that are used up, and prices above the least room in a budget;
    4. versions that have ended, and tools that are left alone because they fail;
    5. what the agent is bound to another version of, one by one.
    """
    if not asker.may_call:
        return Marks(0, b"")
    kept, shelf = kept_for(asker), shelves.current()
    judged = _judged(asker, kept, shelf)
    found = bytearray(judged.marks)
    for entry, state in _exceptions(asker, kept, judged):
        found[entry.id - shelf.first] = BYTE[state]
    wanted = {BYTE[state] for state in states} - {BYTE[NO]}
    shown = bytes(byte in wanted for byte in range(256))
    return Marks(shelf.first, bytes(found.translate(shown)))


@dataclass(frozen=True)
class Judged:
    """What policies say of every entry of a shelf: for each of the groups, and as bytes."""

    shelf: Shelf
    groups: Groups
    judgements: Sequence[Judgement]
    marks: bytes

    def of(self, entry: Entry) -> Judgement:
        return self.judgements[self.groups.place[entry.id]]


def _judged(asker: Asker, kept: Kept, shelf: Shelf) -> Judged:
    whole: Judged | None = kept.whole
    if whole is None or whole.shelf.state != shelf.state:
        kept.whole = whole = _judge(asker, kept, shelf)
    return whole


def _judge(asker: Asker, kept: Kept, shelf: Shelf) -> Judged:
    groups = shelves.groups(asker.rules, shelf)
    found, marks = [], bytearray(shelf.span)
    for members in groups.members:
        first = members[0]
        kind = kind_of(first.checksum)
        judgement = judged_once(asker, first.name, first.version, kind, kept)
        found.append(judgement)
        byte = BYTE[judgement.answer.state]
        for entry in members if byte else ():
            marks[entry.id - shelf.first] = byte
    return Judged(shelf, groups, found, bytes(marks))


_OPEN = prepared.Select(
    lambda: CircuitBreaker.objects.filter(
        open_until__gt=slot(CircuitBreaker, "at", "open_until")
    ).values_list("tool_id")
)

Exceptions = Iterator[tuple[Entry, str]]
"""Entries whose state isn't what policies alone say; of several for one entry, the last holds."""


def _exceptions(asker: Asker, kept: Kept, judged: Judged) -> Exceptions:
    yield from _without_room(asker, judged)
    if asker.used.times:
        yield from _limited(asker, judged)
    yield from _ended(asker, judged.shelf)
    yield from _left_alone(asker, judged.shelf)
    for tool_id, found in asker.pinned.items():
        entry = judged.shelf.by_tool.get(tool_id)
        if entry is not None:
            yield entry, of_version(asker, found, kept).state


def _without_room(asker: Asker, judged: Judged) -> Exceptions:
    least = asker.rooms.least
    for entry in judged.shelf.dearest:
        if least is None or entry.cost_micros <= least:
            return
        judgement = judged.of(entry)
        if judgement.answer.state in (YES, CONDITIONAL) and not judgement.asks:
            yield entry, NO


def _limited(asker: Asker, judged: Judged) -> Exceptions:
    """What policies count for all of a group, and then each tool that a bucket is kept for."""
    for judgement, members in zip(judged.judgements, judged.groups.members, strict=True):
        counted = judgement.rates or judgement.perhaps
        if counted and met(asker, judgement, "", FREE).state != judgement.answer.state:
            for entry in members:
                kind = kind_of(entry.checksum)
                yield entry, met(asker, judgement, entry.name, kind).state
    for name in asker.used.tools:
        known = judged.shelf.by_name.get(name)
        if known is not None:
            yield known, met(asker, judged.of(known), name, kind_of(known.checksum)).state


def _ended(asker: Asker, shelf: Shelf) -> Exceptions:
    if not shelf.retiring:
        return
    rows = ToolVersion.objects.filter(
        tool_id__in=[entry.tool_id for entry in shelf.retiring], pk=F("tool__live_version")
    )
    related = ("tool__live_version", "tool__replacement")
    for version in rows.select_related(*related).defer("contract", "tool__live_version__contract"):
        if notices.has_ended(version, asker.at):
            yield shelf.by_tool[version.tool_id], NO


def _left_alone(asker: Asker, shelf: Shelf) -> Exceptions:
    for (tool_id,) in _OPEN.rows(at=asker.at):
        entry = shelf.by_tool.get(tool_id)
        if entry is not None and kind_of(entry.checksum).get("has_breaker"):
            yield entry, NO

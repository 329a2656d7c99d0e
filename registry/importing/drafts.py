"""What reading a document gives: drafts of tools, and what was left out, each with its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel.problems import Invalid, Issue

MAX_NOTES = 1_000
"""So many parts that were left out are told one by one; beyond, they are counted."""


@dataclass(frozen=True)
class Draft:
    """A tool as a document describes it: an entry of a catalogue without owner and number.

    `place` is a JSON pointer into the document. `unready` says why the tool can't be called as it
    stands, so that it becomes a draft instead of a published tool; empty when it can. `secrets`
    are the names of the secrets that a call needs.
    """

    entry: Mapping[str, Any]
    place: str
    unready: str = ""
    secrets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.entry["name"])


@dataclass(frozen=True)
class Skipped:
    """What wasn't taken over: a whole tool, or (`part`) something about one."""

    place: str
    name: str
    reason: str
    part: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"place": self.place, "name": self.name, "reason": self.reason, "part": self.part}


@dataclass(frozen=True)
class Imported:
    """One document, read. `kind` is the format, `source` names the document among its like."""

    drafts: tuple[Draft, ...]
    skipped: tuple[Skipped, ...] = ()
    kind: str = ""
    source: str = ""


@dataclass(frozen=True)
class Terms:
    """What the importer decides, because the document can't or shouldn't.

    `url` is the base address of an OpenAPI document whose own is relative, and makes callable
    what a function list only describes: each function is then a POST of its arguments to
    `url/<their name>`. `only` keeps operations whose path, tag or own name begins with it.
    """

    prefix: str = ""
    url: str = ""
    only: str = ""
    permissions: tuple[str, ...] = ()
    shared: bool = False
    results: bool = True


class Refused(Invalid):
    """A whole document that can't be imported: where it fails, and why."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"This document can't be imported. {place or '/'}: {reason}",
            errors=(Issue(place, reason),),
        )
        self.place, self.why = place, reason


class Unfit(Exception):
    """A part of a document that can't be taken over; whoever reads the whole goes on without."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place or '/'}: {reason}")
        self.place, self.reason = place, reason


@dataclass
class Notes:
    """Collects what was left out while one document is read."""

    found: list[Skipped] = field(default_factory=list)
    beyond: int = 0

    def add(self, place: str, name: str, reason: str, *, part: bool = True) -> None:
        if part and len(self.found) >= MAX_NOTES:
            self.beyond += 1
        else:
            self.found.append(Skipped(place, name, reason, part))

    def all(self) -> tuple[Skipped, ...]:
        more = f"{self.beyond} more parts were left out; the first {MAX_NOTES} are listed"
        return (*self.found, *([Skipped("", "", more, part=True)] if self.beyond else []))


def pointer(*parts: object) -> str:
    """A JSON pointer (RFC 6901) of its parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)

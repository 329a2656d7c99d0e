"""What a gate proposes, read from what agents handed to it: hostile JSON in, bounded values out.

A workflow's gate shows named parts, usually outputs of steps. Whatever part says `base_rev`,
`rev`, `tests`, `output`, `written`, `killed`, `candidate`, `notes` or `summary` is understood;
anything else is shown as JSON.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_REV = 2**31 - 1
MAX_PARTS = 50
MAX_NAME = 300
MAX_TESTS = 200


@dataclass(frozen=True)
class Count:
    """How tests ended."""

    passed: int
    failed: int


@dataclass(frozen=True)
class Candidate:
    """What the proposal takes apart; `label` is how a request for changes leaves it out."""

    module: str
    group: str

    @property
    def label(self) -> str:
        return f"{self.module}:{self.group}"


@dataclass(frozen=True)
class Killed:
    """One written test, and how many mutants of the code it noticed."""

    test: str
    mutants: str


@dataclass(frozen=True)
class Proposal:
    """What is proposed: a project's change from `base_rev` to `rev`, and how its tests went."""

    project: str = ""
    base_rev: int | None = None
    rev: int | None = None
    summary: str = ""
    candidate: Candidate | None = None
    before: Count | None = None
    after: Count | None = None
    written: int | None = None
    killed: tuple[Killed, ...] = ()
    output: str = ""
    notes: tuple[str, ...] = ()
    revs: tuple[tuple[str, int], ...] = ()
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def changes_files(self) -> bool:
        return self.base_rev is not None and self.rev is not None and self.base_rev < self.rev

    @property
    def is_worse(self) -> bool:
        return bool(self.before and self.after and self.after.failed > self.before.failed)


def read(shown: Mapping[str, Any]) -> Proposal:
    """The proposal that the parts make up. Of several revs the earliest base and the latest rev
    count; of anything else the part with the latest rev that says it. `revs` tells what each part
    says, so that a page can show where they disagree."""
    named = sorted(_parts(shown), key=lambda part: _rev(part[1].get("rev")) or 0)
    parts = [part for _, part in named]
    bases = [rev for part in parts if (rev := _rev(part.get("base_rev"))) is not None]
    revs = [rev for part in parts if (rev := _rev(part.get("rev"))) is not None]
    tests = _last(parts, "tests", dict)
    return Proposal(
        project=_last(parts, "project", str)[:MAX_NAME],
        base_rev=min(bases, default=None),
        rev=max(revs, default=None),
        summary=_last(parts, "summary", str),
        candidate=_candidate(_last(parts, "candidate", dict)),
        before=_count(tests.get("before")),
        after=_count(tests.get("after")),
        written=_written(parts),
        killed=_killed(_last(parts, "killed", dict)),
        output=_last(parts, "output", str),
        notes=tuple(str(note) for part in parts for note in _list(part.get("notes")))[:MAX_PARTS],
        revs=tuple((name, rev) for name, part in named if (rev := _rev(part.get("rev")))),
        others={
            str(name)[:MAX_NAME]: value
            for name, value in list(shown.items())[:MAX_PARTS]
            if not isinstance(value, dict) and name not in _UNDERSTOOD
        },
    )


_UNDERSTOOD = frozenset(
    "project base_rev rev summary candidate tests written killed output notes".split()
)


def _parts(shown: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", shown
    for name, value in list(shown.items())[:MAX_PARTS]:
        if isinstance(value, dict):
            yield str(name)[:MAX_NAME], value


def _last(parts: list[Mapping[str, Any]], name: str, kind: type[Any]) -> Any:
    found = [part[name] for part in parts if isinstance(part.get(name), kind)]
    return found[-1] if found else kind()


def _rev(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_REV
    return value if fits else None


def _count(value: Any) -> Count | None:
    if not isinstance(value, dict):
        return None
    passed, failed = _rev(value.get("passed")), _rev(value.get("failed"))
    return None if passed is None or failed is None else Count(passed, failed)


def _written(parts: list[Mapping[str, Any]]) -> int | None:
    found = [number for part in parts if (number := _rev(part.get("written"))) is not None]
    return found[-1] if found else None


def _killed(value: Mapping[str, Any]) -> tuple[Killed, ...]:
    return tuple(Killed(str(name), str(told)) for name, told in list(value.items())[:MAX_TESTS])


def _candidate(value: Mapping[str, Any]) -> Candidate | None:
    module, group = value.get("module"), value.get("group")
    if not (isinstance(module, str) and isinstance(group, str) and module and group):
        return None
    return Candidate(module[:MAX_NAME], group[:MAX_NAME])


def _list(value: Any) -> list[Any]:
    return value[:MAX_PARTS] if isinstance(value, list) else []

"""A change's files as rows for a page, bounded: what is too much is counted and linked instead."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from context import diffs
from context.diffs import FileDiff, Row
from context.models import FileVersion

FILES_PER_PAGE = 50
ROWS_PER_FILE = 600
ROWS_PER_PAGE = 2_500
ROWS_OF_ONE_FILE = 20_000
LINE_LIMIT = 2_000
# Below this share of common text, marking what differs within a line only adds noise.
LEAST_COMMON = 0.4

Layout = Literal["split", "unified"]


@dataclass(frozen=True)
class Part:
    """A stretch of one line: as it was on both sides, changed, or white space at the end."""

    text: str
    kind: Literal["", "changed", "trailing"] = ""


@dataclass(frozen=True)
class Cell:
    """One line on one side; `number` counts from one."""

    kind: Literal["ctx", "add", "del", "none"]
    number: int | None = None
    parts: tuple[Part, ...] = ()

    @property
    def sign(self) -> str:
        return {"add": "+", "del": "-"}.get(self.kind, "")


@dataclass(frozen=True)
class Line:
    """One row of the page. Side by side it has both cells; unified it has one of them and the
    other side's number; `gap` is the header of a stretch."""

    kind: Literal["ctx", "add", "del", "mod", "gap"]
    old: Cell
    new: Cell
    gap: str = ""

    @property
    def shown(self) -> Cell:
        """The cell that the unified view shows."""
        return self.old if self.kind == "del" else self.new


@dataclass(frozen=True)
class FileView:
    """One file's difference as the page shows it; `left_out` rows are behind its link."""

    number: int
    diff: FileDiff
    lines: tuple[Line, ...]
    left_out: int
    is_split: bool = False

    @property
    def anchor(self) -> str:
        return f"file-{self.number}"

    @property
    def note(self) -> str:
        """Why there are no lines, where there are none."""
        if self.diff.binary:
            return "Binary content"
        if self.diff.oversized:
            return "Too large to be compared here (over 1 MiB or 20,000 lines)"
        if not self.diff.rows:
            return "Only the mode changed" if self.diff.old_mode != self.diff.new_mode else "Empty"
        return ""


@dataclass(frozen=True)
class Change:
    """A page of a change's files. `only` is the one path that was asked for, if one was."""

    files: tuple[FileView, ...]
    total: int
    page: int
    only: str = ""

    @property
    def added(self) -> int:
        return sum(file.diff.added for file in self.files)

    @property
    def deleted(self) -> int:
        return sum(file.diff.deleted for file in self.files)

    @property
    def next_page(self) -> int | None:
        return self.page + 1 if self.page * FILES_PER_PAGE < self.total else None


def load(
    project_id: UUID,
    base_rev: int,
    rev: int,
    *,
    layout: Layout,
    page: int = 1,
    only: str = "",
) -> Change:
    """The files that differ between the revs. Raises Invalid for a rev that the project lacks."""
    touched = FileVersion.objects.filter(project_id=project_id, rev__gt=base_rev, rev__lte=rev)
    paths = sorted(set(touched.values_list("path", flat=True)))
    wanted = [only] if only else paths[(page - 1) * FILES_PER_PAGE : page * FILES_PER_PAGE]
    found = diffs.between(project_id, base_rev, rev, paths=wanted)
    limit = ROWS_OF_ONE_FILE if only else ROWS_PER_FILE
    first = (page - 1) * FILES_PER_PAGE + 1
    views = tuple(_views(found, layout, first, limit, limit if only else ROWS_PER_PAGE))
    return Change(views, total=len(paths), page=page, only=only)


def _views(
    found: Iterable[FileDiff], layout: Layout, first: int, per_file: int, left: int
) -> Iterator[FileView]:
    for number, diff in enumerate(found, start=first):
        rows = diff.rows[: min(per_file, left)]
        left -= len(rows)
        # A file that is new or gone has one side only.
        fitting: Layout = layout if diff.kind == "modified" else "unified"
        yield FileView(
            number,
            # The page never reads the texts; without them it holds no file twice.
            replace(diff, old_text=None, new_text=None, unified=""),
            tuple(lines(rows, fitting)),
            len(diff.rows) - len(rows),
            is_split=fitting == "split",
        )


def lines(rows: Sequence[Row], layout: Layout) -> Iterator[Line]:
    """The rows as the page shows them: side by side as they are, unified with what went before
    what came."""
    if layout == "split":
        yield from (_line(row) for row in rows)
        return
    gone: list[Line] = []
    came: list[Line] = []
    for line in map(_line, rows):
        if line.kind in ("ctx", "gap"):
            yield from [*gone, *came, line]
            gone, came = [], []
            continue
        if line.old.kind == "del":
            gone.append(Line("del", line.old, Cell("none")))
        if line.new.kind == "add":
            came.append(Line("add", Cell("none"), line.new))
    yield from [*gone, *came]


def _line(row: Row) -> Line:
    if row.kind == "gap":
        return Line("gap", Cell("none"), Cell("none"), gap=row.old_text)
    old, new = row.old_text[:LINE_LIMIT], row.new_text[:LINE_LIMIT]
    if row.kind == "ctx":
        return Line(
            "ctx", Cell("ctx", row.old_no, (Part(old),)), Cell("ctx", row.new_no, (Part(new),))
        )
    start, end = _common(old, new) if row.kind == "mod" else (0, 0)
    gone = Cell("del", row.old_no, _parts(old, start, end))
    came = Cell("add", row.new_no, _parts(new, start, end))
    nothing = Cell("none")
    return Line(
        row.kind,
        nothing if row.kind == "add" else gone,
        nothing if row.kind == "del" else came,
    )


def _common(old: str, new: str) -> tuple[int, int]:
    """How many characters both lines begin and end with; (0, 0) where that is little."""
    most = min(len(old), len(new))
    start = next((n for n in range(most) if old[n] != new[n]), most)
    rest = most - start
    end = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    return (start, end) if start + end >= LEAST_COMMON * max(len(old), len(new)) else (0, 0)


def _parts(text: str, start: int, end: int) -> tuple[Part, ...]:
    body = text.rstrip(" \t\r")
    trailing = text[len(body) :]
    stop = max(min(len(text) - end, len(body)), 0)
    if start == 0 and end == 0:
        pieces = [Part(body)]
    else:
        start = min(start, stop)
        pieces = [Part(body[:start]), Part(body[start:stop], "changed"), Part(body[stop:])]
    return tuple(part for part in [*pieces, Part(trailing, "trailing")] if part.text)

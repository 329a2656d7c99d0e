"""What differs between two revs, file by file: unified text, and rows for a side-by-side view."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from context import blobs, files, lines
from context.models import FileVersion

CONTEXT_LINES = 3
TEXT_BYTES = 1024 * 1024
TEXT_LINES = 20_000
PROBE_BYTES = 8_000
BATCH = 500

Kind = Literal["added", "modified", "deleted"]
RowKind = Literal["ctx", "add", "del", "mod", "gap"]


@dataclass(frozen=True)
class Row:
    """One line of a side-by-side view. `mod` has a text on both sides; `gap` stands for what is
    left out and carries the hunk's header in `old_text`. Line numbers count from one."""

    kind: RowKind
    old_no: int | None
    old_text: str
    new_no: int | None
    new_text: str


@dataclass(frozen=True)
class FileDiff:
    """One file's difference. Texts are None where there is no file, or none that is shown:
    `binary` content has no lines, `oversized` content (over 1 MiB or 20,000 lines) isn't read."""

    path: str
    kind: Kind
    old_text: str | None
    new_text: str | None
    binary: bool
    unified: str
    rows: tuple[Row, ...]
    oversized: bool = False
    old_version: int | None = None
    new_version: int | None = None
    old_mode: str = ""
    new_mode: str = ""
    old_size: int = 0
    new_size: int = 0
    added: int = 0
    deleted: int = 0
    modified_by: str = ""


@dataclass(frozen=True)
class Side:
    """One side of a difference: a version of a path, or its absence."""

    version: int | None = None
    sha256: str | None = None
    mode: str = ""
    size: int = 0
    modified_by: str = ""


NOTHING = Side()


def between(
    project_id: UUID, rev_a: int, rev_b: int, *, paths: Collection[str] | None = None
) -> tuple[FileDiff, ...]:
    """The files that differ from `rev_a` to `rev_b`, by path. Raises Invalid for an unknown rev."""
    found = changes(project_id, rev_a, rev_b, paths=paths)
    return tuple(_load(path, old, new) for path, old, new in found)


def changes(
    project_id: UUID, rev_a: int, rev_b: int, *, paths: Collection[str] | None = None
) -> list[tuple[str, Side, Side]]:
    """(path, old, new) of what differs, without any content.

    1. Find the paths that changed at all between the two revs.
    2. Look up both sides of each.
    3. Keep those whose content or mode isn't the same again.
    """
    low, high = sorted((files.current_rev(project_id, rev_a), files.current_rev(project_id, rev_b)))
    touched = _touched(project_id, low, high, paths)
    old, new = _sides(project_id, touched, rev_a), _sides(project_id, touched, rev_b)
    sides = ((path, old[path], new[path]) for path in touched)
    return [(path, before, after) for path, before, after in sides if _differs(before, after)]


def _touched(project_id: UUID, low: int, high: int, paths: Collection[str] | None) -> list[str]:
    rows = FileVersion.objects.filter(project_id=project_id, rev__gt=low, rev__lte=high)
    found = set(rows.values_list("path", flat=True))
    return sorted(found if paths is None else found & set(paths))


def _sides(project_id: UUID, paths: Sequence[str], rev: int) -> dict[str, Side]:
    sides = dict.fromkeys(paths, NOTHING)
    for start in range(0, len(paths), BATCH):
        rows = FileVersion.objects.filter(
            project_id=project_id, path__in=paths[start : start + BATCH], rev__lte=rev
        ).order_by("rev")
        columns = ("path", "version", "blob_id", "mode", "blob__size", "modified_by")
        for path, version, sha256, mode, size, modified_by in rows.values_list(*columns):
            side = Side(version, sha256, mode, size or 0, modified_by)
            sides[path] = side if sha256 else NOTHING
    return sides


def _differs(old: Side, new: Side) -> bool:
    return (old.sha256, old.mode) != (new.sha256, new.mode)


def _load(path: str, old: Side, new: Side) -> FileDiff:
    oversized = max(old.size, new.size) > TEXT_BYTES
    wanted = [] if oversized else [side.sha256 for side in (old, new) if side.sha256]
    contents = blobs.get(wanted)
    return compare(
        path,
        contents.get(old.sha256 or ""),
        contents.get(new.sha256 or ""),
        old=old,
        new=new,
        oversized=oversized,
    )


def compare(
    path: str,
    old_content: bytes | None,
    new_content: bytes | None,
    *,
    old: Side,
    new: Side,
    oversized: bool = False,
) -> FileDiff:
    """The difference of two contents; pure."""
    old_text, new_text = text_of(old_content), text_of(new_content)
    binary = (old_content is not None and old_text is None) or (
        new_content is not None and new_text is None
    )
    old_lines, new_lines = lines.split(old_text or ""), lines.split(new_text or "")
    oversized = oversized or _too_large(old_content, new_content, old_lines, new_lines)
    if binary or oversized:
        old_text = new_text = None
        old_lines, new_lines = [], []
    differ = lines.Differ(old_lines, new_lines)
    groups = [list(group) for group in differ.get_grouped_opcodes(CONTEXT_LINES)]
    changed = [code for code in differ.codes if code[0] != "equal"]
    return FileDiff(
        path=path,
        kind="added" if not old.sha256 else "deleted" if not new.sha256 else "modified",
        old_text=old_text,
        new_text=new_text,
        binary=binary,
        oversized=oversized,
        unified=_unified(path, old, new, old_lines, new_lines, groups, binary or oversized),
        rows=tuple(_rows(old_lines, new_lines, groups)),
        old_version=old.version,
        new_version=new.version,
        old_mode=old.mode,
        new_mode=new.mode,
        old_size=old.size,
        new_size=new.size,
        added=sum(code[4] - code[3] for code in changed),
        deleted=sum(code[2] - code[1] for code in changed),
        modified_by=new.modified_by,
    )


def _too_large(
    old: bytes | None, new: bytes | None, old_lines: list[str], new_lines: list[str]
) -> bool:
    if max(len(old or b""), len(new or b"")) > TEXT_BYTES:
        return True
    return max(len(old_lines), len(new_lines)) > TEXT_LINES


def text_of(content: bytes | None) -> str | None:
    """The content as text; None where it is binary (a NUL early on, or no UTF-8) or absent."""
    if content is None or b"\x00" in content[:PROBE_BYTES]:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


Groups = Sequence[Sequence[lines.Opcode]]


def _unified(
    path: str,
    old: Side,
    new: Side,
    old_lines: list[str],
    new_lines: list[str],
    groups: Groups,
    opaque: bool,
) -> str:
    before = _named(f"a/{path}") if old.sha256 else "/dev/null"
    after = _named(f"b/{path}") if new.sha256 else "/dev/null"
    head = f"diff --git {_named(f'a/{path}')} {_named(f'b/{path}')}\n" + _mode_lines(old, new)
    if opaque:
        if old.sha256 == new.sha256:
            return head
        return f"{head}Binary files {before} and {after} differ\n"
    hunks = "".join(_hunk(group, old_lines, new_lines) for group in groups)
    if not hunks:
        return head
    # After a name with a blank, git and patch want a tab to see where it ends.
    ends = ["\t" if " " in name else "" for name in (before, after)]
    return f"{head}--- {before}{ends[0]}\n+++ {after}{ends[1]}\n{hunks}"


def _named(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"' if '"' in name else name


def _mode_lines(old: Side, new: Side) -> str:
    if not old.sha256:
        return f"new file mode {new.mode}\n"
    if not new.sha256:
        return f"deleted file mode {old.mode}\n"
    return f"old mode {old.mode}\nnew mode {new.mode}\n" if old.mode != new.mode else ""


def _hunk(group: Sequence[lines.Opcode], old: list[str], new: list[str]) -> str:
    parts = [_header(group) + "\n"]
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            parts += [_marked(" ", line) for line in old[i1:i2]]
            continue
        parts += [_marked("-", line) for line in old[i1:i2]]
        parts += [_marked("+", line) for line in new[j1:j2]]
    return "".join(parts)


def _header(group: Sequence[lines.Opcode]) -> str:
    first, last = group[0], group[-1]
    return f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"


def _range(start: int, stop: int) -> str:
    length = stop - start
    return f"{start + 1 if length else start},{length}" if length != 1 else f"{start + 1}"


def _marked(mark: str, line: str) -> str:
    return mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _rows(old: list[str], new: list[str], groups: Groups) -> Iterator[Row]:
    for group in groups:
        yield Row("gap", None, _header(group), None, "")
        for tag, i1, i2, j1, j2 in group:
            yield from _block(tag == "equal", old, new, range(i1, i2), range(j1, j2))


def _block(same: bool, old: list[str], new: list[str], left: range, right: range) -> Iterator[Row]:
    """Lines side by side; where one side is longer, the other stays empty."""
    for place in range(max(len(left), len(right))):
        i = left[place] if place < len(left) else None
        j = right[place] if place < len(right) else None
        kind: RowKind = "ctx" if same else "add" if i is None else "del" if j is None else "mod"
        yield Row(
            kind,
            None if i is None else i + 1,
            "" if i is None else old[i].rstrip("\n"),
            None if j is None else j + 1,
            "" if j is None else new[j].rstrip("\n"),
        )

"""pip's requirements files: which there are for tests, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

MAX_INCLUDES = 40


def requirement_files(root: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    """Requirements files whose name says that they're for tests; a .in beside a .txt wins."""
    folders = [
        root,
        *(root / n for n in ("requirements", "reqs", "requires", "tests", "test", "ci")),
    ]
    for folder in folders:
        if not folder.is_dir() or folder.is_symlink():
            continue
        for path in sorted([*folder.glob("*.txt"), *folder.glob("*.in")]):
            name = path.relative_to(root).as_posix()
            if path.is_symlink() or (path.suffix == ".txt" and path.with_suffix(".in").exists()):
                continue
            named = "require" in name.lower() or folder.name in ("reqs", "requires")
            if named and pattern.search(path.stem if folder.name != "tests" else name):
                yield name


def requirement_lines(root: Path, file: str, seen: set[str] | None = None) -> list[str]:
    """The requirements in a file and in those it includes; pip's options are left out."""
    seen = set() if seen is None else seen
    if file in seen or len(seen) > MAX_INCLUDES:
        return []
    seen.add(file)
    path = root / file
    if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return []
    lines: list[str] = []
    for raw in path.read_text("utf-8", "replace").replace("\\\n", " ").splitlines():
        line = raw.strip()
        include = re.match(r"(?:-r|--requirement)[ =]*(\S+)", line)
        if include:
            target = (path.parent / include[1]).resolve()
            if target.is_relative_to(root.resolve()):
                lines += requirement_lines(
                    root, target.relative_to(root.resolve()).as_posix(), seen
                )
        elif line and not line.startswith(("#", "-")):
            lines.append(line)
    return lines

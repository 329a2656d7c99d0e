"""The repository's tree: copied into the workspace with the uncommitted changes applied."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gatehouse_tools.protocol import Refusal

MAX_FILES = 20_000
MAX_BYTES = 400 * 2**20
MAX_SOURCE_BYTES = 1_000_000

SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "node_modules", "__pycache__"}
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".eggs"}
)
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class Source:
    """A Python file in UTF-8. ``lines`` keep their ends, so that nothing is lost."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        return LINE.findall(self.text)

    @property
    def newline(self) -> str:
        return "\r\n" if self.text.count("\r\n") * 2 > self.text.count("\n") else "\n"


def tree_root() -> Path:
    root = Path(os.environ.get("GATEHOUSE_TREE", "/tree"))
    if not root.is_dir():
        raise Refusal("tree_missing", f"There is no folder {root} with the repository's tree.")
    return root


def workspace() -> Path:
    path = Path(os.environ.get("GATEHOUSE_WORKSPACE", "/workspace"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def valid_path(path: str) -> str:
    """Return the path if it is relative, normal and inside; raise Refusal otherwise."""
    pure = PurePosixPath(path)
    wrong = (
        not path
        or pure.is_absolute()
        or ".." in pure.parts
        or str(pure) != path
        or "\0" in path
        or "\\" in path
        or ".git" in pure.parts
    )
    if wrong:
        raise Refusal("invalid_path", f"{path!r} is no path inside the repository.")
    return path


def materialise(request: Mapping[str, Any]) -> Path:
    """Copy the tree into a new folder of the workspace, with the overlay applied."""
    source = tree_root()
    copy = Path(tempfile.mkdtemp(prefix="copy-", dir=workspace()))
    try:
        _copy(source, copy)
    except OSError as error:
        message = f"The repository doesn't fit into the workspace: {error.strerror or error}."
        raise Refusal("too_large", message) from None
    apply(copy, request.get("overlay") or {})
    return copy


def _copy(source: Path, copy: Path) -> None:
    files = size = 0
    for folder, names, members in os.walk(source):
        names[:] = sorted(n for n in names if n not in SKIPPED_FOLDERS)
        relative = Path(folder).relative_to(source)
        (copy / relative).mkdir(exist_ok=True)
        for name in list(names):
            if (Path(folder) / name).is_symlink():
                names.remove(name)
                _copy_link(source, Path(folder) / name, copy / relative / name)
        for name in sorted(members):
            path = Path(folder) / name
            if path.is_symlink():
                _copy_link(source, path, copy / relative / name)
            elif path.is_file():
                files, size = files + 1, size + path.stat().st_size
                if files > MAX_FILES or size > MAX_BYTES:
                    limit = f"{MAX_FILES} files or {MAX_BYTES // 2**20} MB"
                    raise Refusal("too_large", f"The repository has over {limit}.")
                shutil.copy(path, copy / relative / name)


def _copy_link(root: Path, link: Path, copy: Path) -> None:
    """A symlink that stays inside the tree is kept, any other is left out."""
    target = link.readlink()
    if not target.is_absolute() and link.resolve().is_relative_to(root.resolve()):
        copy.symlink_to(target)


def apply(copy: Path, overlay: object) -> None:
    """Write uncommitted changes into a copy; null deletes."""
    if not isinstance(overlay, Mapping):
        raise Refusal("invalid_request", "`overlay` must be an object of path to text or null.")
    for path, content in overlay.items():
        target = inside(copy, str(path))
        if content is None:
            target.unlink(missing_ok=True)
        elif isinstance(content, str):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode("utf-8", "surrogateescape"))
        else:
            raise Refusal("invalid_request", f"`overlay` for {path} must be text or null.")


def inside(copy: Path, path: str) -> Path:
    """The path in the copy, refused where a symlink is on the way."""
    target = copy
    for part in PurePosixPath(valid_path(path)).parts:
        target = target / part
        if target.is_symlink():
            raise Refusal("invalid_path", f"{path} goes through a symlink.")
    return target


def python_files(root: Path) -> Iterator[str]:
    """Paths of all Python files that aren't symlinks, sorted."""
    found = []
    for folder, names, members in os.walk(root):
        names[:] = [n for n in names if n not in SKIPPED_FOLDERS]
        found += [
            (Path(folder) / name).relative_to(root).as_posix()
            for name in members
            if name.endswith((".py", ".pyi")) and not (Path(folder) / name).is_symlink()
        ]
    return iter(sorted(found))


def read_source(root: Path, path: str) -> Source | None:
    """The file's text, or None where it is too big, not UTF-8 or unreadable."""
    try:
        file = root / path
        if file.stat().st_size > MAX_SOURCE_BYTES:
            return None
        raw = file.read_bytes()
        if re.search(rb"coding[:=]\s*(?!utf-?8)[-\w.]+", b"\n".join(raw.splitlines()[:2]), re.I):
            return None
        return Source(path, raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None

"""Where the parts of somebody else's repository are: found without git, following no link."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from kernel.problems import Invalid

MARK = "gitdir: "
NEXT = "Give the path of a git repository: a working tree with `.git`, or a bare one."


@dataclass(frozen=True)
class GitDir:
    """`common` holds objects and references; `worktree` is a linked worktree's own part."""

    common: Path
    worktree: Path | None = None


def find(source: Path) -> GitDir:
    """The git directory of a working tree, a linked worktree or a bare repository.

    A `.git` that is a symbolic link isn't followed, and one that is a file is believed only where
    the place that it names says so too. Raises Invalid.
    """
    top = source.absolute()
    if not top.is_dir():
        raise Invalid(f"{source} is no directory. {NEXT}")
    dot = top / ".git"
    try:
        mode = dot.lstat().st_mode
    except FileNotFoundError:
        return _checked(GitDir(top), source)
    if stat.S_ISLNK(mode):
        raise Invalid(f"{dot} is a symbolic link, which isn't followed. {NEXT}")
    if stat.S_ISDIR(mode):
        return _checked(GitDir(dot), source)
    return _checked(_linked(dot), source)


def _linked(dot: Path) -> GitDir:
    """A linked worktree: `<common>/worktrees/<name>`, whose `gitdir` names `dot` in turn."""
    text = _line(dot)
    if not text.startswith(MARK):
        raise Invalid(f"{dot} is neither a directory nor names one. {NEXT}")
    worktree = Path(os.path.normpath(dot.parent / text.removeprefix(MARK)))
    if worktree.parent.name != "worktrees" or not _is_same(Path(_line(worktree / "gitdir")), dot):
        raise Invalid(
            f"{dot} names {worktree}, which doesn't name it in turn. Give the repository itself."
        )
    return GitDir(worktree.parent.parent, worktree)


def _line(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return ""
        return os.fsdecode(file.read(8_192)).strip()


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _checked(found: GitDir, source: Path) -> GitDir:
    for name, wanted in (("objects", stat.S_ISDIR), ("HEAD", stat.S_ISREG), ("refs", stat.S_ISDIR)):
        try:
            mode = (found.common / name).lstat().st_mode
        except OSError:
            mode = 0
        if not wanted(mode):
            raise Invalid(f"{source} is no git repository: it has no plain {name}. {NEXT}")
    for folder in (found.common, found.worktree):
        if folder is not None and folder.is_symlink():
            raise Invalid(f"{folder} is a symbolic link, which isn't followed. {NEXT}")
    return found

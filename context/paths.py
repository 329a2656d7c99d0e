"""Which paths a project may hold: relative, plain, and the same on every machine they land on."""

import re
from collections.abc import Iterable, Iterator

from context import limits

# Characters that HFS+ ignores in names (git's `core.protectHFS`): `.g\u200cit` is `.git` there.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GIT = frozenset({".git", "git~1"})


def fault(path: str) -> str:
    """Why this can't be a path of a project; empty when it can."""
    if not path:
        return "a path can't be empty"
    if len(path) > limits.PATH_CHARACTERS:
        return f"a path has at most {limits.PATH_CHARACTERS} characters, this one {len(path)}"
    if "\x00" in path:
        return "a path can't contain a NUL character"
    if _CONTROL.search(path):
        return "a path can't contain control characters"
    if "\\" in path:
        return "write `/` between the parts of a path, never a backslash"
    if path.startswith("/"):
        return "a path is relative to the project: leave out the leading `/`"
    return next((found for found in map(_fault_of_part, path.split("/")) if found), "")


def _fault_of_part(part: str) -> str:
    if part in ("", ".", ".."):
        return f"a path can't contain the part {part!r}: it names a place outside or nowhere"
    try:
        encoded = part.encode()
    except UnicodeEncodeError:
        return "a path must be text that UTF-8 can hold"
    if len(encoded) > limits.NAME_BYTES:
        return f"one part of a path has at most {limits.NAME_BYTES} bytes, this one {len(encoded)}"
    if _IGNORED.sub("", part).casefold().split(":")[0].rstrip(" .") in _GIT:
        return "a path can't contain `.git`: a repository's own data doesn't belong to its files"
    return ""


def parents(path: str) -> Iterator[str]:
    """The folders that the path lies in: `a`, `a/b` for `a/b/c`."""
    place = path.find("/")
    while place != -1:
        yield path[:place]
        place = path.find("/", place + 1)


def clash(paths: Iterable[str]) -> tuple[str, str] | None:
    """A path that is both a file and a folder of another one: (the file, the other)."""
    files = set(paths)
    for path in sorted(files):
        for folder in parents(path):
            if folder in files:
                return folder, path
    return None

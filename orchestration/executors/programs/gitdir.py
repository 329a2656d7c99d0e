"""Finds a hostile repository's parts without running git in it: plain files, no link followed.

The repository's git directory lies at /source; a linked worktree's own part lies at /worktree.
"""

import os
import re
import stat

from .plumbing import Refusal

SOURCE = "/source"
WORKTREE = "/worktree"
LARGEST = 64 * 1024 * 1024
_REFERENCE = re.compile(r"^refs/[^\x00-\x20~^:?*\[\\\x7f]+$")


def read(root: str, path: str, *, required: bool = False) -> str:
    """The text of a plain file below root; empty where it isn't there or is no plain file."""
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        parts = path.split("/")
        for part in parts[:-1]:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        if required:
            message = f"There is no plain {path} in its git directory."
            raise Refusal("no_repository", message) from None
        return ""
    finally:
        os.close(folder)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return ""
        with os.fdopen(os.dup(fd), "rb") as file:
            return file.read(LARGEST).decode("utf-8", errors="surrogateescape")
    finally:
        os.close(fd)


def packed(wanted: str) -> str:
    for line in read(SOURCE, "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == wanted:
            return commit
    return ""


def reference(name: str, depth: int = 0) -> str:
    """The commit that a reference names, through at most five symbolic ones."""
    if not _REFERENCE.match(name) or ".." in name or depth > 5:
        raise Refusal("no_commit", f"Its HEAD names {name[:200]!r}, which is no reference.")
    text = read(SOURCE, name).strip() or packed(name)
    if text.startswith("ref: "):
        return reference(text[5:].strip(), depth + 1)
    return text


def head() -> tuple[str, str]:
    """(commit, branch) of HEAD; the branch is empty where HEAD is detached."""
    root = WORKTREE if os.path.isdir(WORKTREE) else SOURCE
    text = read(root, "HEAD", required=True).strip()
    if not text.startswith("ref: "):
        return checked(text, "HEAD"), ""
    name = text[5:].strip()
    if name == "refs/heads/.invalid":
        raise Refusal("unsupported", "Its references are in the reftable format.")
    branch = name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else ""
    return checked(reference(name), name), branch


def checked(commit: str, name: str) -> str:
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        return commit
    raise Refusal("no_commit", f"There is no commit at {name[:200]}: it has nothing to import.")


def shallow() -> list[str]:
    """The commits whose parents a shallow clone left out."""
    words = read(SOURCE, "shallow").split()
    return [word for word in words if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", word)]

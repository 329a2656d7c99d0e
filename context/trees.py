"""A project's files as a folder, read only by agreement and shared by all who need the same tree.

A tree is addressed by the SHA-256 over its (path, mode, digest of content), so the same files are
laid out once, whatever project and rev they come from:

    <root>/<digest>/files/…    the tree
    <root>/<digest>/size       its bytes, for the bound
    <root>/.new-…              one being written; moved into place by a rename when it is whole

Links come from hostile repositories: they are written last and never followed here. Whoever reads a
tree from outside of a sandbox must not follow them either.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from context import blobs, files, paths
from context.files import Entry
from context.models.files import Mode

MOST_TREES = 64
MOST_BYTES = 2 * 1024 * 1024 * 1024
# A tree just handed out may not be held yet; a draft this old has lost its writer.
GRACE_SECONDS = 900.0
DRAFT_SECONDS = 3600.0

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def materialise(project_id: UUID, rev: int, *, root: Path) -> Path:
    """The folder with the project's files at that rev, laid out now or before.

    It stays for at least 15 minutes; who needs it longer uses `held`. Folders are 0755, files 0644
    or 0755, so another uid can read them. Raises Invalid for a rev that doesn't exist.
    """
    entries = files.listing(project_id, at_rev=rev)
    home = root / digest(entries)
    if not _touch(home):
        _lay_out(entries, home)
        evict(root)
    return home / "files"


@contextmanager
def held(project_id: UUID, rev: int, *, root: Path) -> Iterator[Path]:
    """The same folder, which can't be evicted while inside; a dead process lets go of it."""
    while True:
        tree = materialise(project_id, rev, root=root)
        lock = _hold(tree.parent)
        if lock is not None:
            break
    try:
        yield tree
    finally:
        os.close(lock)


def digest(entries: Sequence[Entry]) -> str:
    """The address of a tree: SHA-256 over path, mode and digest of each file, by path."""
    total = sha256()
    for entry in sorted(entries, key=lambda entry: entry.path.encode()):
        total.update(f"{entry.mode} {entry.sha256} {entry.path}\x00".encode())
    return total.hexdigest()


def _touch(home: Path) -> bool:
    try:
        os.utime(home)
    except FileNotFoundError:
        return False
    return True


def _hold(home: Path) -> int | None:
    """A shared lock on the tree; None where it was evicted before the lock was had."""
    try:
        lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        if os.path.samestat(os.fstat(lock), os.stat(home)):
            return lock
    except FileNotFoundError:
        pass
    os.close(lock)
    return None


def _lay_out(entries: Sequence[Entry], home: Path) -> None:
    """Write a draft and move it into place; who comes second finds it done."""
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = home.parent / f".new-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        _write(entries, draft / "files")
        (draft / "size").write_text(str(sum(entry.size for entry in entries)))
        draft.chmod(0o755)
        with suppress(FileExistsError):
            _rename(draft, home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename(draft: Path, home: Path) -> None:
    try:
        draft.rename(home)
    except OSError as error:
        if not home.is_dir():
            raise
        raise FileExistsError(home) from error


def _write(entries: Sequence[Entry], folder: Path) -> None:
    """Folders, then files, then links: no link exists while anything is written by its path."""
    for place in sorted({"", *(above for entry in entries for above in paths.parents(entry.path))}):
        (folder / place).mkdir(parents=place == "")
        (folder / place).chmod(0o755)
    by_digest: dict[str, list[Entry]] = {}
    for entry in entries:
        by_digest.setdefault(entry.sha256, []).append(entry)
    links: list[tuple[Path, bytes]] = []
    for key, content in blobs.stream(by_digest):
        for entry in by_digest[key]:
            if entry.mode == Mode.SYMLINK:
                links.append((folder / entry.path, content))
            else:
                _write_file(folder / entry.path, content, entry.mode)
    for link, target in sorted(links):
        os.symlink(target, os.fsencode(link))


def _write_file(place: Path, content: bytes, mode: str) -> None:
    descriptor = os.open(place, _NEW_FILE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        # The umask may be strict; the tree's modes may not depend on it.
        os.fchmod(file.fileno(), 0o755 if mode == Mode.EXECUTABLE else 0o644)


def evict(root: Path, *, most_trees: int = MOST_TREES, most_bytes: int = MOST_BYTES) -> int:
    """Remove the trees used longest ago until both bounds hold; how many were removed.

    What is held, or was handed out within the last 15 minutes, stays even over the bounds.
    """
    now, removed = time.time(), 0
    _sweep_drafts(root, now)
    trees = sorted(_trees(root), key=lambda tree: tree[1])
    count, total = len(trees), sum(size for _, _, size in trees)
    for home, used, size in trees:
        if count <= most_trees and total <= most_bytes:
            break
        if now - used > GRACE_SECONDS and _remove(home):
            count, total, removed = count - 1, total - size, removed + 1
    return removed


def _trees(root: Path) -> Iterator[tuple[Path, float, int]]:
    for home in root.iterdir():
        if home.name.startswith("."):
            continue
        with suppress(FileNotFoundError):
            yield home, home.stat().st_mtime, int((home / "size").read_text())


def _remove(home: Path) -> bool:
    """Take the tree out of its place, unless somebody holds it, and delete it."""
    try:
        lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        grave = home.parent / f".new-evicted-{secrets.token_hex(8)}"
        home.rename(grave)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(lock)
    shutil.rmtree(grave, ignore_errors=True)
    return True


def _sweep_drafts(root: Path, now: float) -> None:
    for draft in root.glob(".new-*"):
        with suppress(FileNotFoundError):
            if now - draft.stat().st_mtime > DRAFT_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)

"""What somebody wants a project to become, checked for its form before any lock is taken."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel.actor import Actor
from kernel.problems import Invalid, Issue, Problem, TooLarge
from kernel.schemas import pointer

from context import blobs, limits, paths
from context.conflicts import Write
from context.models.changes import DecisionStatus
from context.models.files import Mode

FAULTS = 20
KINDS: Final = frozenset({"import", "change", "merge", "rollback"})
FIRST_STATUSES: Final = frozenset({"proposed", "accepted", "implemented", "rejected"})


@dataclass(frozen=True)
class FileChange:
    """What becomes of one path. `content` None deletes it; `mode` None keeps git's mode that it
    has; `expected_version` is the version that must be current, 0 for a path that must be free."""

    content: bytes | None
    mode: str | None = None
    expected_version: int | None = None


@dataclass(frozen=True)
class DecisionEntry:
    """A new decision; or, with the `key` of an earlier one, its move to another status.

    `agent` names who decided (empty: the writer). `supersedes` is the key of the decision that
    this one replaces.
    """

    decision: str = ""
    rationale: str = ""
    status: str = "proposed"
    agent: str = ""
    decided_at: datetime | None = None
    supersedes: UUID | None = None
    key: UUID | None = None


@dataclass(frozen=True)
class Proposal:
    """One changeset as it is asked for. `base_rev` None goes by the read ledger."""

    by: Actor
    base_rev: int | None = None
    writes: tuple[Write, ...] = ()
    decisions: tuple[DecisionEntry, ...] = ()
    status: str | None = None
    next_step: str | None = None
    summary: str = ""
    kind: str = "change"
    call_id: UUID | None = None
    run_id: UUID | None = None
    team_id: UUID | None = None
    note_reads: bool = field(default=True)


def writes_of(files: Mapping[str, FileChange], kind: str) -> tuple[Write, ...]:
    """The changes by path with their digests. Raises Invalid or TooLarge for what no project may
    hold, naming each place and limit."""
    # Twice as many as a project holds: every file may make room for another.
    most = 2 * limits.FILES
    if len(files) > most:
        raise TooLarge(
            f"A changeset touches at most {most} paths, this one {len(files)}.",
            extra={"limit": most},
        )
    _refuse(_file_faults(files))
    _refuse_large(files, limits.file_bytes(kind))
    return tuple(_write(path, change) for path, change in sorted(files.items()))


def _write(path: str, change: FileChange) -> Write:
    sha256 = None if change.content is None else blobs.digest(change.content)
    return Write(path, sha256, change.content, change.mode, change.expected_version)


def _refuse(faults: Iterable[Issue]) -> None:
    found = tuple(fault for fault, _ in zip(faults, range(FAULTS), strict=False))
    if found:
        shown = "; ".join(f"{issue.pointer or '/'}: {issue.message}" for issue in found[:3])
        raise Invalid(f"The changeset doesn't fit, so nothing was written: {shown}.", errors=found)


def _file_faults(files: Mapping[str, FileChange]) -> Iterator[Issue]:
    for path, change in files.items():
        message = paths.fault(path) or _mode_fault(change)
        if message:
            yield Issue(pointer(["files", path[: limits.PATH_CHARACTERS]]), message)


def _mode_fault(change: FileChange) -> str:
    if change.mode is None or change.content is None:
        return ""
    if change.mode not in Mode.values:
        return f"mode {change.mode!r} isn't one of {', '.join(Mode.values)}"
    return link_fault(change.content) if change.mode == Mode.SYMLINK else ""


def link_fault(target: bytes) -> str:
    """Why this can't be what a symbolic link points at; empty when it can."""
    if not target or len(target) > limits.LINK_BYTES or b"\x00" in target:
        return f"a symbolic link points at 1 to {limits.LINK_BYTES} bytes without a NUL"
    return ""


def _refuse_large(files: Mapping[str, FileChange], limit: int) -> None:
    for path, change in files.items():
        size = len(change.content or b"")
        if size > limit:
            message = f"the file has {size} bytes; the limit is {limits.size(limit)} ({limit})"
            raise TooLarge(
                f"{path}: {message}. Nothing was written; split the file or leave it out.",
                errors=(Issue(pointer(["files", path]), message),),
                extra={"limit": limit},
            )


def check(proposal: Proposal) -> None:
    """Raises Invalid where words, kinds or numbers don't fit."""
    _refuse(_faults(proposal))


def _faults(proposal: Proposal) -> Iterator[Issue]:
    if proposal.kind not in KINDS:
        yield Issue("/kind", f"{proposal.kind!r} isn't one of {', '.join(sorted(KINDS))}")
    if proposal.base_rev is not None and proposal.base_rev < 0:
        yield Issue("/base_rev", "a rev is 0 or more")
    yield from _text_faults("/summary", proposal.summary, limits.SUMMARY_CHARACTERS)
    yield from _text_faults("/status", proposal.status or "", limits.STATUS_CHARACTERS)
    yield from _text_faults("/next_step", proposal.next_step or "", limits.NEXT_STEP_CHARACTERS)
    if proposal.status is not None and not proposal.status.strip():
        yield Issue("/status", "a status can't be empty; leave it out to keep the current one")
    yield from _decision_faults(proposal.decisions)


def _text_faults(place: str, text: str, limit: int) -> Iterator[Issue]:
    if len(text) > limit:
        yield Issue(place, f"at most {limit} characters, this has {len(text)}")
    if "\x00" in text or not _encodes(text):
        yield Issue(place, "this holds a NUL or something that UTF-8 can't hold")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decision_faults(entries: Sequence[DecisionEntry]) -> Iterator[Issue]:
    if len(entries) > limits.DECISIONS:
        yield Issue("/decisions", f"at most {limits.DECISIONS} at once, these are {len(entries)}")
        return
    for index, entry in enumerate(entries):
        place = f"/decisions/{index}"
        yield from _text_faults(f"{place}/decision", entry.decision, limits.DECISION_CHARACTERS)
        yield from _text_faults(f"{place}/rationale", entry.rationale, limits.RATIONALE_CHARACTERS)
        yield from _text_faults(f"{place}/agent", entry.agent, 200)
        if entry.status not in DecisionStatus.values:
            known = ", ".join(DecisionStatus.values)
            yield Issue(f"{place}/status", f"{entry.status!r} isn't one of {known}")
    keys = [key for entry in entries for key in (entry.key, entry.supersedes) if key]
    if len(keys) != len(set(keys)):
        yield Issue("/decisions", "one changeset touches the same decision twice")


__all__ = ["DecisionEntry", "FileChange", "Problem", "Proposal", "check", "writes_of"]

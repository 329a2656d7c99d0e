"""When a changeset can't be applied: what stands there now, who put it there, and the difference.

412: a version that was named isn't the current one. 409: the file changed after the rev, or the
version, that the writer worked from. 428: the writer has never seen what it would overwrite.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kernel import problems
from kernel.problems import Issue, Problem
from kernel.schemas import pointer

from context import blobs, diffs
from context.models import FileVersion, Project
from context.states import State

DESCRIBED = 20
CONTENT_BYTES = 64 * 1024
DIFF_CHARACTERS = 64 * 1024


class Stale(problems.Conflict):
    """409: somebody else changed the same thing; carries the current state and the difference."""


class PreconditionFailed(problems.PreconditionFailed):
    """412: the named version isn't the current one; carries the same as Stale."""


class PreconditionRequired(problems.PreconditionRequired):
    """428: an existing file would be overwritten unseen; carries the same as Stale."""


@dataclass(frozen=True)
class Write:
    """One path that a changeset writes, or deletes where `sha256` is None. A `mode` of None keeps
    the current one; `content` is None where the content is known to be stored already."""

    path: str
    sha256: str | None
    content: bytes | None = None
    mode: str | None = None
    expected_version: int | None = None
    modified_by: str | None = None


@dataclass(frozen=True)
class Clash:
    """One path that can't be written, and the version that its writer worked from, if any."""

    state: State
    write: Write
    status: int
    base_version: int | None = None


@dataclass(frozen=True)
class Basis:
    """What a writer goes by: the rev it names, or else what the read ledger says it saw."""

    rev: int | None
    seen: Mapping[str, int]


def find(writes: Sequence[Write], states: Mapping[str, State], basis: Basis) -> list[Clash]:
    """The writes that would lose somebody's work; pure."""
    found = (_clash(write, states[write.path], basis) for write in writes)
    return [clash for clash in found if clash is not None]


def _clash(write: Write, state: State, basis: Basis) -> Clash | None:
    current = state.version if state.exists else 0
    if write.expected_version is not None:
        agreed = write.expected_version == current
        return None if agreed else Clash(state, write, 412, write.expected_version)
    if not state.exists and write.sha256 is None:
        return None
    if basis.rev:
        return Clash(state, write, 409) if state.rev > basis.rev else None
    return _unseen(write, state, basis.seen.get(write.path))


def _unseen(write: Write, state: State, seen: int | None) -> Clash | None:
    if seen is None:
        return Clash(state, write, 428) if state.exists else None
    return None if seen == state.version else Clash(state, write, 409, seen)


def problem(project: Project, clashes: Sequence[Clash], base_rev: int | None) -> Problem:
    """The refusal, with all that the writer needs to come back with something that fits."""
    status = next(code for code in (412, 409, 428) if any(c.status == code for c in clashes))
    shown = [_describe(project.id, clash, base_rev) for clash in clashes[:DESCRIBED]]
    extra: dict[str, Any] = {"project": project.name, "rev": project.rev, "conflicts": shown}
    if base_rev is not None:
        extra["base_rev"] = base_rev
    if len(clashes) > DESCRIBED:
        extra["more_conflicts"] = [clash.state.path for clash in clashes[DESCRIBED:]]
    kinds: dict[int, type[Problem]] = {
        409: Stale,
        412: PreconditionFailed,
        428: PreconditionRequired,
    }
    issues = tuple(Issue(pointer(["files", c.state.path]), _said(c)) for c in clashes[:DESCRIBED])
    return kinds[status](_detail(status, project, clashes), errors=issues, extra=extra)


def _said(clash: Clash) -> str:
    state = clash.state
    now = f"is at version {state.version}" if state.exists else "doesn't exist now"
    if clash.status == 412:
        return f"{state.path} {now}, not at version {clash.base_version}"
    if clash.status == 428:
        return f"{state.path} {now} and you have not read it"
    return f"{state.path} {now} since rev {state.rev}, which is newer than what you worked from"


def _detail(status: int, project: Project, clashes: Sequence[Clash]) -> str:
    names = ", ".join(clash.state.path for clash in clashes[:3])
    names += f" and {len(clashes) - 3} more" if len(clashes) > 3 else ""
    if status == 428:
        return (
            f"Project {project.name} already has {names}, and you have never read what stands "
            f"there. Read it first, or name its version (`If-Match`), then write."
        )
    return (
        f"Somebody changed {names} in project {project.name} before you. Nothing was written. "
        f"Look at the differences here, redo your change on rev {project.rev}, and send "
        f"{'that version' if status == 412 else f'base_rev {project.rev}'}."
    )


def _describe(project_id: UUID, clash: Clash, base_rev: int | None) -> dict[str, Any]:
    state = clash.state
    rows = FileVersion.objects.filter(project_id=project_id, path=state.path)
    now = rows.select_related("changeset").filter(version=state.version).first()
    base = _base(project_id, clash, base_rev)
    shown: dict[str, Any] = {
        "path": state.path,
        "base_version": base.version if base else None,
        "current_version": state.version if state.exists else None,
        "identical": clash.write.sha256 == state.sha256,
        "current": _current(state),
        "diff": _diff(base, state),
    }
    return shown | (_author(now) if now else {})


def _base(project_id: UUID, clash: Clash, base_rev: int | None) -> FileVersion | None:
    rows = FileVersion.objects.filter(project_id=project_id, path=clash.state.path)
    if clash.base_version is not None:
        return rows.filter(version=clash.base_version).first()
    return rows.filter(rev__lte=base_rev or 0).order_by("-rev").first()


def _author(version: FileVersion) -> dict[str, Any]:
    change = version.changeset
    return {
        "changed_by": {"kind": change.actor_kind, "name": change.actor_name},
        "changed_at": change.created_at.isoformat(),
        "rev": change.rev,
        "summary": change.summary,
        "run": str(change.run_id) if change.run_id else None,
    }


def _current(state: State) -> dict[str, Any] | None:
    if state.sha256 is None:
        return None
    shown: dict[str, Any] = {"version": state.version, "sha256": state.sha256, "mode": state.mode}
    content = blobs.get([state.sha256])[state.sha256]
    if len(content) > CONTENT_BYTES:
        return shown | {"content_omitted": f"{len(content)} bytes; read the file to see it"}
    return shown | content_as_json(content)


def content_as_json(content: bytes) -> dict[str, str]:
    """`{content, encoding}`: text as it is, anything else in base64."""
    text = diffs.text_of(content)
    if text is not None:
        return {"content": text, "encoding": "utf-8"}
    return {"content": base64.b64encode(content).decode(), "encoding": "base64"}


def _diff(base: FileVersion | None, state: State) -> str:
    old = diffs.NOTHING
    if base is not None and base.blob_id is not None:
        old = diffs.Side(base.version, base.blob_id, base.mode)
    new = diffs.Side(state.version, state.sha256, state.mode) if state.exists else diffs.NOTHING
    contents = blobs.get(side.sha256 for side in (old, new) if side.sha256)
    found = diffs.compare(
        state.path,
        contents.get(old.sha256 or ""),
        contents.get(new.sha256 or ""),
        old=old,
        new=new,
    )
    if len(found.unified) > DIFF_CHARACTERS:
        return found.unified[:DIFF_CHARACTERS] + "\n[cut: read both versions to see the rest]\n"
    return found.unified

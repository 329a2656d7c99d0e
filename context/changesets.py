"""Changesets: the one way in which a project changes, atomically, one gap-free rev at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from kernel.actor import Actor
from kernel.problems import Conflict, Invalid, Issue, NotFound, TooLarge
from kernel.schemas import pointer

from context import conflicts, decisions, limits, paths, proposals, reads, states, writing
from context.conflicts import PreconditionFailed, PreconditionRequired, Stale, Write
from context.models import Changeset, File, Project
from context.models.files import Mode
from context.proposals import DecisionEntry, FileChange, Proposal
from context.states import State
from context.words import sentence

__all__ = [
    "DecisionEntry",
    "FileChange",
    "Outcome",
    "PreconditionFailed",
    "PreconditionRequired",
    "Proposal",
    "Stale",
    "apply",
    "commit",
    "locked",
]

NARROW = 20


@dataclass(frozen=True)
class Outcome:
    """The changeset, and whether it was made now: a repeat makes none, nor does no effect."""

    changeset: Changeset
    is_new: bool


def apply(
    project_id: UUID,
    *,
    base_rev: int | None,
    by: Actor,
    files: Mapping[str, FileChange] | None = None,
    decisions: Sequence[DecisionEntry] = (),
    status: str | None = None,
    next_step: str | None = None,
    summary: str = "",
    kind: str = "change",
    call_id: UUID | None = None,
    run_id: UUID | None = None,
    team_id: UUID | None = None,
) -> Changeset:
    """Change the project, whole or not at all; the changeset that did it.

    `base_rev` is the rev that the change was made on: what others changed since in other places is
    merged, in the same place it raises Stale. None goes by the read ledger instead. A file's own
    `expected_version` goes before both. A repeated `call_id` returns what was recorded for it. A
    change without effect makes no rev and returns the changeset of the current one.

    Raises Stale (409), PreconditionFailed (412), PreconditionRequired (428), Invalid (422),
    TooLarge (413), decisions.IllegalMove (409) and NotFound.
    """
    proposal = Proposal(
        by=by,
        base_rev=base_rev,
        writes=proposals.writes_of(files or {}, kind),
        decisions=tuple(decisions),
        status=status,
        next_step=next_step,
        summary=summary,
        kind=kind,
        call_id=call_id,
        run_id=run_id,
        team_id=team_id,
        note_reads=kind != "import",
    )
    return commit(project_id, proposal).changeset


def commit(project_id: UUID, proposal: Proposal) -> Outcome:
    """The transaction behind `apply`.

    1. Lock the project's row; find what a repeated call wrote.
    2. Refuse what would lose somebody's work.
    3. Keep what has an effect.
    4. Refuse a tree that can't be.
    5. Write rows, rev and audit lines.
    """
    proposals.check(proposal)
    with transaction.atomic():
        project = locked(project_id)
        recorded = _recorded(project, proposal.call_id)
        if recorded is not None:
            return Outcome(recorded, is_new=False)
        current = states.load(project.id, [write.path for write in proposal.writes])
        _refuse_clashes(project, proposal, current)
        effect = _effect(project, proposal, current)
        if not effect.any:
            return Outcome(_standing(project), is_new=False)
        _refuse_impossible(project, effect.files)
        return Outcome(writing.write(project, proposal, effect), is_new=True)


def locked(project_id: UUID) -> Project:
    """The project, with nobody else changing it until the transaction ends."""
    # SQLite has no row locks: there the transaction took the write lock when it began.
    project = Project.objects.select_for_update().filter(id=project_id).first()
    if project is None:
        raise NotFound("There is no such project.")
    found: Project = project
    return found


def _recorded(project: Project, call_id: UUID | None) -> Changeset | None:
    if call_id is None:
        return None
    recorded: Changeset | None = Changeset.objects.filter(call_id=call_id).first()
    if recorded is not None and recorded.project_id != project.id:
        raise Conflict(f"Call {call_id} has already changed another project.")
    return recorded


def _refuse_clashes(project: Project, proposal: Proposal, current: Mapping[str, State]) -> None:
    base = proposal.base_rev
    if base is not None and base > project.rev:
        message = f"rev {base} doesn't exist: the project is at rev {project.rev}"
        raise Invalid(sentence(message), errors=(Issue("/base_rev", message),))
    reader = reads.reader(proposal.by, proposal.run_id)
    seen = {} if base else reads.seen(project.id, reader, current)
    clashes = conflicts.find(proposal.writes, current, conflicts.Basis(base, seen))
    if clashes:
        raise conflicts.problem(project, clashes, base)
    _refuse_clashing_status(project, proposal)


def _refuse_clashing_status(project: Project, proposal: Proposal) -> None:
    """Status and next step are one thing each: who moves it after somebody else did is stale."""
    if not proposal.base_rev or proposal.base_rev == project.rev:
        return
    base = Changeset.objects.get(project_id=project.id, rev=proposal.base_rev)
    for name in ("status", "next_step"):
        wanted, before, now = (getattr(thing, name) for thing in (proposal, base, project))
        if wanted is not None and before != now and wanted != now:
            raise Stale(
                f"The project's {name} became {now!r} after rev {proposal.base_rev}. Nothing was "
                f"written. Look at the project again and send base_rev {project.rev}.",
                errors=(Issue(f"/{name}", f"is {now!r} now, was {before!r} at your base"),),
                extra={"rev": project.rev, "base_rev": proposal.base_rev, name: now},
            )


def _effect(project: Project, proposal: Proposal, current: Mapping[str, State]) -> writing.Effect:
    now = writing.moment()
    return writing.Effect(
        at=now,
        files=tuple(
            writing.Written(write, current[write.path], mode)
            for write in proposal.writes
            for mode in [_mode(write, current[write.path])]
            if _has_effect(write, current[write.path], mode)
        ),
        decisions=tuple(
            decisions.plan(project.id, proposal.decisions, writer=proposal.by.name, now=now)
        ),
        status=proposal.status or project.status,
        next_step=project.next_step if proposal.next_step is None else proposal.next_step,
        moves=(proposal.status or project.status) != project.status
        or (proposal.next_step is not None and proposal.next_step != project.next_step),
    )


def _mode(write: Write, state: State) -> str:
    mode = write.mode or state.mode or Mode.FILE
    if mode == Mode.SYMLINK and write.mode is None and write.content is not None:
        message = proposals.link_fault(write.content)
        if message:
            raise Invalid(f"{write.path}: {message}.")
    return str(mode)


def _has_effect(write: Write, state: State, mode: str) -> bool:
    if write.sha256 is None:
        return state.exists
    return (write.sha256, mode) != (state.sha256, state.mode)


def _standing(project: Project) -> Changeset:
    changeset: Changeset | None = Changeset.objects.filter(
        project_id=project.id, rev=project.rev
    ).first()
    if changeset is None:
        raise Invalid("The changeset changes nothing: give it files, decisions or a status.")
    return changeset


def _refuse_impossible(project: Project, written: Sequence[writing.Written]) -> None:
    created = {w.write.path for w in written if w.write.sha256 and not w.state.exists}
    if not created:
        return
    gone = {w.write.path for w in written if w.write.sha256 is None}
    total = File.objects.filter(project_id=project.id).count() + len(created) - len(gone)
    if total > limits.FILES:
        raise TooLarge(
            f"Project {project.name} would hold {total} files; the limit is {limits.FILES}. "
            f"Nothing was written.",
            extra={"limit": limits.FILES},
        )
    neighbours = _neighbours(project, created) - gone
    found = paths.clash(neighbours | created)
    if found is not None:
        message = f"{found[0]} would be a file and, for {found[1]}, a folder"
        place = next(path for path in (found[1], found[0]) if path in created)
        raise Invalid(
            f"{message}. Nothing was written; delete or rename one of them.",
            errors=(Issue(pointer(["files", place]), message),),
        )


def _neighbours(project: Project, created: set[str]) -> set[str]:
    """The files that could stand in the way: folders above as files, files below as folders."""
    rows = File.objects.filter(project_id=project.id).values_list("path", flat=True)
    if len(created) > NARROW:
        return set(rows)
    above = {folder for path in created for folder in paths.parents(path)}
    found = set(rows.filter(path__in=above))
    for path in created:
        # SQLite matches whatever the case: more rows than asked for, but never fewer.
        found.update(rows.filter(path__startswith=path + "/"))
    return found

"""How a changeset that may be applied becomes rows. Called inside its transaction alone."""

from dataclasses import dataclass
from datetime import datetime

from kernel import clock, ids
from kernel.actor import acting

from context import blobs, reads
from context.conflicts import Write
from context.decisions import Planned
from context.models import Changeset, Decision, File, FileVersion, Project
from context.proposals import Proposal
from context.states import State
from governance import audit

AUDITED_PATHS = 50
BATCH = 500
EVENTS = {"import": "project.imported", "rollback": "project.rolled_back"}


@dataclass(frozen=True)
class Written:
    """One path that really changes: from its state to what is written, in this mode."""

    write: Write
    state: State
    mode: str

    @property
    def version(self) -> int:
        return self.state.version + 1


@dataclass(frozen=True)
class Effect:
    """What a proposal really changes; `moves` says whether status or next step do."""

    at: datetime
    files: tuple[Written, ...]
    decisions: tuple[Planned, ...]
    status: str
    next_step: str
    moves: bool

    @property
    def any(self) -> bool:
        return bool(self.files or self.decisions or self.moves)


def moment() -> datetime:
    """The one instant that everything in a changeset bears."""
    return clock.now()


def write(project: Project, proposal: Proposal, effect: Effect) -> Changeset:
    """The rows of one changeset; the project moves to its rev.

    1. Contents, so that versions can point at them.
    2. The changeset, its file versions and decisions.
    3. The files as they are now, and the project's rev and status.
    4. What the writer has seen by writing it.
    5. The audit's lines.
    """
    contents = [w.write for w in effect.files]
    blobs.put({w.sha256: w.content for w in contents if w.sha256 and w.content is not None})
    changeset = _changeset(project, proposal, effect)
    _write_versions(changeset, proposal, effect)
    _write_decisions(changeset, effect)
    _write_files(changeset, proposal, effect)
    rows = Project.objects.filter(id=project.id, rev=project.rev)
    rows.update(rev=changeset.rev, status=effect.status, next_step=effect.next_step)
    _note_reads(changeset, proposal, effect)
    _audit(project, changeset, proposal, effect)
    return changeset


def _changeset(project: Project, proposal: Proposal, effect: Effect) -> Changeset:
    base = project.rev if proposal.base_rev is None else proposal.base_rev
    changeset: Changeset = Changeset.objects.create(
        project=project,
        team_id=proposal.team_id or project.team_id,
        rev=project.rev + 1,
        base_rev=base,
        kind=proposal.kind,
        summary=proposal.summary,
        actor_kind=proposal.by.kind,
        actor_id=proposal.by.id,
        actor_name=proposal.by.name,
        status=effect.status,
        next_step=effect.next_step,
        call_id=proposal.call_id,
        run_id=proposal.run_id,
        created_at=effect.at,
    )
    return changeset


def _author(proposal: Proposal, written: Written) -> str:
    """Whom the file's state names: nobody for an import, whom it says for what is restored."""
    if written.write.modified_by is not None:
        return written.write.modified_by
    return "" if proposal.kind == "import" else proposal.by.name


def _write_versions(changeset: Changeset, proposal: Proposal, effect: Effect) -> None:
    rows = [
        FileVersion(
            id=ids.uuid7(),
            project_id=changeset.project_id,
            changeset=changeset,
            path=w.write.path,
            version=w.version,
            rev=changeset.rev,
            blob_id=w.write.sha256,
            mode=w.mode,
            modified_by=_author(proposal, w),
        )
        for w in effect.files
    ]
    FileVersion.objects.bulk_create(rows, batch_size=BATCH)


def _write_files(changeset: Changeset, proposal: Proposal, effect: Effect) -> None:
    rows = [
        File(
            project_id=changeset.project_id,
            path=w.write.path,
            version=w.version,
            rev=changeset.rev,
            blob_id=sha256,
            mode=w.mode,
            modified_by=_author(proposal, w),
        )
        for w in effect.files
        for sha256 in [w.write.sha256]
        if sha256 is not None
    ]
    File.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["project", "path"],
        update_fields=["version", "rev", "blob", "mode", "modified_by"],
    )
    gone = [w.write.path for w in effect.files if w.write.sha256 is None]
    for start in range(0, len(gone), BATCH):
        part = gone[start : start + BATCH]
        File.objects.filter(project_id=changeset.project_id, path__in=part).delete()


def _write_decisions(changeset: Changeset, effect: Effect) -> None:
    rows = [
        Decision(
            id=ids.uuid7(),
            key=planned.key,
            project_id=changeset.project_id,
            changeset=changeset,
            team_id=changeset.team_id,
            rev=changeset.rev,
            decided_at=planned.decided_at,
            agent=planned.agent,
            decision=planned.decision,
            rationale=planned.rationale,
            status=planned.status,
            supersedes=planned.supersedes,
            run_id=changeset.run_id,
        )
        for planned in effect.decisions
    ]
    Decision.objects.bulk_create(rows)


def _note_reads(changeset: Changeset, proposal: Proposal, effect: Effect) -> None:
    reader = reads.reader(proposal.by, proposal.run_id)
    if reader is None or not proposal.note_reads:
        return
    versions = {w.write.path: w.version for w in effect.files}
    reads.note_all(changeset.project_id, reader, versions, rev=changeset.rev)


def _audit(project: Project, changeset: Changeset, proposal: Proposal, effect: Effect) -> None:
    with acting(proposal.by):
        audit.record(
            EVENTS.get(proposal.kind, "project.changed"),
            target_kind="project",
            target_id=str(project.id),
            target_name=project.name,
            team_id=changeset.team_id,
            rev=changeset.rev,
            base_rev=changeset.base_rev,
            summary=proposal.summary,
            files=[w.write.path for w in effect.files[:AUDITED_PATHS]],
            files_total=len(effect.files),
            status=effect.status,
            next_step=effect.next_step,
            run=str(proposal.run_id) if proposal.run_id else None,
            call=str(proposal.call_id) if proposal.call_id else None,
        )
        for planned in effect.decisions:
            audit.record(
                "decision.recorded",
                target_kind="project",
                target_id=str(project.id),
                target_name=project.name,
                team_id=changeset.team_id,
                rev=changeset.rev,
                key=str(planned.key),
                decision=planned.decision[:200],
                status=planned.status,
                agent=planned.agent,
            )

"""Rollback: a new changeset that makes a project's files what they were. Nothing is overwritten,
so a rollback can be rolled back too."""

from uuid import UUID

from django.db import transaction
from kernel.actor import Actor
from kernel.problems import Invalid, Issue

from context import changesets, diffs, files, projects
from context.changesets import DecisionEntry, Proposal
from context.conflicts import Write
from context.models import Changeset, Project
from context.words import sentence


def to(
    project_id: UUID,
    rev: int,
    *,
    by: Actor,
    reason: str,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
) -> Changeset:
    """Restore the files, status and next step of a past rev as a new changeset.

    Decisions are history and stay as they are; one is added that says to which rev the project went
    back. Raises Invalid for the current rev and for one that doesn't exist.
    """
    with transaction.atomic():
        project = changesets.locked(project_id)
        files.current_rev(project_id, rev)
        if rev == project.rev:
            message = f"the project is at rev {rev} already"
            raise Invalid(sentence(message), errors=(Issue("/rev", message),))
        proposal = _proposal(project, rev, by=by, reason=reason, run_id=run_id, call_id=call_id)
        return changesets.commit(project_id, proposal).changeset


def _proposal(
    project: Project, rev: int, *, by: Actor, reason: str, run_id: UUID | None, call_id: UUID | None
) -> Proposal:
    status, next_step = projects.moment(project, rev)
    writes = tuple(
        Write(path, then.sha256, mode=then.mode or None, modified_by=then.modified_by)
        for path, _, then in diffs.changes(project.id, project.rev, rev)
    )
    return Proposal(
        by=by,
        base_rev=project.rev,
        writes=writes,
        decisions=(
            DecisionEntry(
                decision=f"Rolled back to rev {rev}", rationale=reason, status="implemented"
            ),
        ),
        status=status,
        next_step=next_step,
        summary=f"Roll back to rev {rev}" + (f": {reason}"[:1900] if reason else ""),
        kind="rollback",
        call_id=call_id,
        run_id=run_id,
        note_reads=False,
    )

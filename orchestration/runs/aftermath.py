"""What a run that didn't succeed leaves in its project: no status that isn't true any more, and,
where its gate says so, no change that people rejected."""

from django.db import transaction
from django.db.models import Q
from kernel.actor import SYSTEM
from kernel.problems import Problem

from context import changesets, rollback
from context.models import Changeset, Project
from orchestration.definitions import GateNode
from orchestration.definitions.nodes import ROLL_BACK
from orchestration.journal import Journal
from orchestration.models.runs import RunStatus


def tidy(journal: Journal, status: str, reason: str) -> None:
    """Put the project right after the run's end, in the same transaction.

    1. a run that succeeded, or wrote nothing, leaves nothing to do;
    2. a rejected one is rolled back where its gate asks for it and nobody else has changed the
       project since; 3. otherwise the project's status says how the run ended, if the run spoke
       last. What can't be done is an event of the run and stops nothing.
    """
    mine = Changeset.objects.filter(run_id=journal.run.id).order_by("rev")
    first = mine.filter(project=journal.run.project).first()
    if status == RunStatus.SUCCEEDED or first is None:
        return
    try:
        with transaction.atomic():
            if status == RunStatus.REJECTED and _is_rolled_back(journal, first):
                _roll_back(journal, first, reason)
            else:
                _tell(journal, first.project, status, reason)
    except Problem as problem:
        journal.record("run.project_left", reason=problem.detail)


def _is_rolled_back(journal: Journal, first: Changeset) -> bool:
    wanted = any(
        isinstance(node, GateNode) and node.on_reject == ROLL_BACK
        for node in journal.definition.steps
    )
    since = Changeset.objects.filter(project_id=first.project_id, rev__gte=first.rev)
    by_others = since.filter(~Q(run_id=journal.run.id) | Q(run_id__isnull=True))
    return wanted and not by_others.exists()


def _roll_back(journal: Journal, first: Changeset, reason: str) -> None:
    undone = rollback.to(
        first.project_id, first.rev - 1, by=SYSTEM, reason=reason, run_id=journal.run.id
    )
    journal.record("run.rolled_back", to=first.rev - 1, rev=undone.rev)


def _tell(journal: Journal, project: Project, status: str, reason: str) -> None:
    last = Changeset.objects.filter(project=project).order_by("-rev").first()
    if last is None or last.run_id != journal.run.id:
        return
    changesets.apply(
        project.id,
        base_rev=last.rev,
        by=SYSTEM,
        status=str(status),
        next_step="",
        summary=f"The run ended as {status}: {reason}"[:2000],
        run_id=journal.run.id,
    )

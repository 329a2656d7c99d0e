"""Preparing what an executor needs of a project: its files at a rev, its managed repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from context import files, trees
from context.models import Changeset, Project
from orchestration.calls.case import Case, Decision
from orchestration.executors.invocation import Edit, ExecutorUnavailable, Workspace


@contextmanager
def prepared(case: Case, decision: Decision) -> Iterator[Workspace | None]:
    """The workspace at the rev that admission pinned, held while inside; None for tools without.

    Raises ExecutorUnavailable where the project has no managed repository but needs one.
    """
    project = decision.project
    if project is None:
        yield None
        return
    rev = int(decision.arguments["rev"])
    written = Changeset.objects.filter(project=project, rev=rev).first()
    moment = written.created_at if written else project.created_at
    plain = Workspace(project.id, project.name, rev, moment)
    if case.contract.executor == "context":
        yield plain
        return
    if case.contract.executor == "git":
        plain = replace(
            plain,
            repository=repository(project),
            branch=project.branch,
            edits=edits(project, rev),
        )
    with trees.held(project.id, rev, root=Path(settings.VAR) / "trees") as tree:
        yield replace(plain, tree=tree)


def repository(project: Project) -> Path:
    """The project's managed bare repository. Raises ExecutorUnavailable where there is none."""
    path = Path(settings.VAR) / "repositories" / project.repository
    if not project.repository or not path.is_dir():
        raise ExecutorUnavailable(
            f"Project {project.name} has no git repository. Import one into it first."
        )
    return path


def edits(project: Project, rev: int) -> tuple[Edit, ...]:
    """The paths that differ between the import and `rev`."""
    imported = Changeset.objects.filter(project=project, kind="import").order_by("-rev").first()
    before = _listing(project, imported.rev) if imported else {}
    after = _listing(project, rev)
    gone = [Edit(path, None) for path in before if path not in after]
    changed = [
        Edit(path, mode) for path, (sha, mode) in after.items() if before.get(path) != (sha, mode)
    ]
    return tuple(sorted([*gone, *changed], key=lambda edit: edit.path))


def _listing(project: Project, rev: int) -> dict[str, tuple[str, str]]:
    return {
        entry.path: (entry.sha256, entry.mode) for entry in files.listing(project.id, at_rev=rev)
    }

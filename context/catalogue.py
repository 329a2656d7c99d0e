"""The context's kind in a catalogue: project. Its files come by import or changeset."""

from collections.abc import Mapping
from typing import Any

from kernel import actor as actors
from kernel.catalogue import CatalogueError, CatalogueKind, Change, refuse_unknown, register
from kernel.problems import Issue, Problem

from context import projects
from context.models import Project
from registry.models import Team

KEYS = frozenset({"kind", "name", "team", "description"})


def apply(entry: Mapping[str, Any]) -> Change:
    """Make the project, or bring its team and description in line. Raises CatalogueError."""
    name = str(entry.get("name", ""))
    refuse_unknown("project", entry, KEYS)
    team = Team.objects.filter(name=entry.get("team")).first()
    if team is None:
        issue = Issue("/team", f"there is no team {entry.get('team')!r}")
        raise CatalogueError("project", name, [issue])
    description = str(entry.get("description", ""))
    project = Project.objects.filter(name=name).first()
    if project is None:
        return _create(name, team, description)
    return _update(project, team, description)


def _create(name: str, team: Team, description: str) -> Change:
    try:
        projects.create(name, team=team, description=description, by=actors.current())
    except Problem as problem:
        issues = problem.errors or (Issue("", problem.detail),)
        raise CatalogueError("project", name, issues) from problem
    return Change("project", name, "create")


def _update(project: Project, team: Team, description: str) -> Change:
    if (project.team_id, project.description) == (team.pk, description):
        return Change("project", project.name, "unchanged")
    project.team, project.description = team, description
    project.save(update_fields=["team", "description"])
    return Change("project", project.name, "update")


def export() -> list[dict[str, Any]]:
    return [
        {
            "kind": "project",
            "name": project.name,
            "team": project.team.name,
            "description": project.description,
        }
        for project in Project.objects.select_related("team").order_by("name")
    ]


def register_kind() -> None:
    register(CatalogueKind("project", rank=60, apply=apply, export=export))

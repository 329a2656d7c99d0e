"""Projects: making them, finding them as somebody, and showing them as the shared context."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from kernel.actor import Actor, acting
from kernel.problems import Conflict, Forbidden, Invalid, Issue, NotFound

from context import decisions, files
from context.models import Changeset, Decision, Project
from governance import audit
from registry.models import Team

FIRST_STATUS = "new"


def create(name: str, *, team: Team, description: str = "", by: Actor) -> Project:
    """A new project of the team, at rev 0. Raises Invalid for its name, Conflict if it is taken."""
    project = Project(name=name, team=team, description=description)
    try:
        project.clean_fields()
    except ValidationError as error:
        raise _misfit(error) from error
    try:
        with transaction.atomic(), acting(by):
            project.save()
            audit.record(
                "project.created",
                target_kind="project",
                target_id=str(project.id),
                target_name=project.name,
                team_id=team.id,
            )
    except IntegrityError as error:
        raise Conflict(
            f"There is already a project {name!r}. Choose another name.",
            errors=(Issue("/name", "taken"),),
        ) from error
    return project


def _misfit(error: ValidationError) -> Invalid:
    faults = tuple(
        Issue(f"/{place}", message)
        for place, messages in error.message_dict.items()
        for message in messages
    )
    shown = "; ".join(f"{fault.pointer}: {fault.message}" for fault in faults)
    return Invalid(f"The project doesn't fit: {shown}", errors=faults)


def find(name: str, actor: Actor) -> Project:
    """The project as this actor may see it. Raises NotFound, also where it is only invisible."""
    # What can't be a name isn't asked for: PostgreSQL refuses a NUL in a query.
    rows = Project.objects.select_related("team").filter(name=name.replace("\x00", "?"))
    project: Project | None = rows.visible_to(actor).first()
    if project is None:
        raise NotFound(f"There is no project {name!r}, or it isn't visible to you.")
    return project


def find_to_change(name: str, actor: Actor) -> Project:
    """The same for somebody who wants to change it. Raises Forbidden where they may only look."""
    project = find(name, actor)
    if not Project.objects.filter(id=project.id).visible_to(actor, "change").exists():
        raise Forbidden(
            f"You may see project {name!r}, but not change it. Ask its team, {project.team.name}."
        )
    return project


def as_json(project: Project, *, at_rev: int | None = None) -> dict[str, Any]:
    """The shared context: `{project, files: [{path, state, version}], decisions: [{timestamp,
    agent, decision, status, …}], status, next_step, rev, …}`, now or at a past rev.

    A file's state is `unchanged` since its import, or `modified_by: <name>`. Every member is of the
    one rev that the answer names. Raises Invalid for a rev that doesn't exist.
    """
    rev = files.current_rev(project.id, at_rev)
    status, next_step = moment(project, rev)
    return {
        "project": project.name,
        "files": [file_as_json(entry) for entry in files.listing(project.id, at_rev=rev)],
        "decisions": [decision_as_json(row) for row in decisions.at(project.id, rev)],
        "status": status,
        "next_step": next_step,
        "rev": rev,
        "id": str(project.id),
        "team": project.team.name,
        "description": project.description,
    }


def moment(project: Project, rev: int) -> tuple[str, str]:
    """Status and next step at a rev."""
    row = Changeset.objects.filter(project_id=project.id, rev=rev)
    found = row.values_list("status", "next_step").first()
    return found or (FIRST_STATUS, "")


def file_as_json(entry: files.Entry) -> dict[str, Any]:
    return {"path": entry.path, "state": state_of(entry.modified_by), "version": entry.version}


def state_of(modified_by: str) -> str:
    return f"modified_by: {modified_by}" if modified_by else "unchanged"


def decision_as_json(row: Decision) -> dict[str, Any]:
    return {
        "timestamp": timestamp(row.decided_at),
        "agent": row.agent,
        "decision": row.decision,
        "status": row.status,
        "rationale": row.rationale,
        "key": str(row.key),
        "supersedes": str(row.supersedes) if row.supersedes else None,
        "rev": row.rev,
    }


def timestamp(at: datetime) -> str:
    """UTC to the second, with a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

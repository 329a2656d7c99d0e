"""Publishing workflows: what a definition names must exist, and a version never changes."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from django.db import transaction
from kernel import actor as actors
from kernel import canonical
from kernel.actor import Actor
from kernel.catalogue import CatalogueError, CatalogueKind, Change, register
from kernel.problems import Conflict, Invalid, Issue, NotFound, Problem
from kernel.versions import Version

from governance import audit
from orchestration import definitions
from orchestration.definitions import AgentNode, Definition, Document, GateNode, ToolNode
from orchestration.models import Workflow, WorkflowVersion
from registry import publishing
from registry.models import Agent, Permission, Team, User
from registry.models.people import Role

KIND = "workflow"


def validate(source: str, *, by: Actor) -> Definition:
    """The definition behind the YAML, if all that it names is there. Raises Invalid with every
    fault's place (pointer and line)."""
    return _known(definitions.load(source), by)


def _known(document: Document, by: Actor) -> Definition:
    definition = definitions.read(document)
    for pointer, message in _unknown(definition, by):
        document.fault(pointer, message)
    document.refuse(f"The workflow {definition.name!r}")
    return definition


def _unknown(definition: Definition, by: Actor) -> Iterable[tuple[str, str]]:
    agents = _names(Agent, "name")
    permissions = _names(Permission, "name")
    if definition.team and not Team.objects.filter(name=definition.team).exists():
        yield "/team", f"there is no team {definition.team!r}"
    for node in definition.steps:
        where = f"/steps/{node.position}"
        if isinstance(node, AgentNode | ToolNode) and node.agent not in agents:
            key = "agent" if isinstance(node, AgentNode) else "as"
            yield f"{where}/{key}", f"there is no agent {node.agent!r}"
        if isinstance(node, AgentNode):
            for name in node.permissions:
                if name not in permissions:
                    yield f"{where}/permissions", f"there is no permission {name!r}"
        if isinstance(node, ToolNode):
            yield from _unknown_tool(where, node, by)
        if isinstance(node, GateNode):
            yield from _unknown_reviewers(f"{where}/gate/reviewers", node.reviewers)


def _names(model: Any, field: str) -> set[str]:
    return set(model.objects.values_list(field, flat=True))


def _unknown_tool(where: str, node: ToolNode, by: Actor) -> Iterable[tuple[str, str]]:
    try:
        publishing.resolve(node.tool, node.version, by)
    except Problem as problem:
        yield f"{where}/{'version' if node.version else 'tool'}", problem.detail


def _unknown_reviewers(where: str, reviewers: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if "role" in reviewers and reviewers["role"] not in Role.values:
        yield f"{where}/role", f"unknown role; known: {', '.join(Role.values)}"
    if "team" in reviewers and not Team.objects.filter(name=reviewers["team"]).exists():
        yield f"{where}/team", f"there is no team {reviewers['team']!r}"
    for name in reviewers.get("users", ()):
        if not User.objects.filter(username=name).exists():
            yield f"{where}/users", f"there is no person {name!r}"


def publish(workflow: Workflow, *, by: Actor) -> WorkflowVersion:
    """Publish the workflow's source as the version that it says, and make that the live one.

    The same source again is the version that there is. Raises Invalid, and Conflict when the
    version is published with other content.
    """
    definition = validate(workflow.source, by=by)
    _fits(definition, workflow)
    checksum = canonical.digest(definition.document)
    with transaction.atomic():
        key = Version.parse(definition.version).key
        found = workflow.versions.filter(sort_key=key).first()
        if found is not None and found.checksum != checksum:
            raise Conflict(
                f"Workflow {workflow.name} {found.version} is published with other content. "
                "Raise the version and publish again.",
                errors=(Issue("/version", f"{found.version} is taken; raise it"),),
            )
        version = found or _create(workflow, definition, key, checksum, by)
        _enliven(workflow, definition, version)
    return version


def _fits(definition: Definition, workflow: Workflow) -> None:
    issues = []
    if definition.name != workflow.name:
        issues.append(Issue("/name", f"the workflow is called {workflow.name!r}"))
    if definition.team and definition.team != workflow.team.name:
        issues.append(Issue("/team", f"the workflow belongs to team {workflow.team.name!r}"))
    if issues:
        raise Invalid(
            "; ".join(f"{issue.pointer}: {issue.message}" for issue in issues),
            errors=tuple(issues),
        )


def _create(
    workflow: Workflow, definition: Definition, key: int, checksum: str, by: Actor
) -> WorkflowVersion:
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        version=definition.version,
        sort_key=key,
        document=definition.document,
        checksum=checksum,
        published_by=by.reference,
    )
    audit.record(
        "workflow.published",
        target_kind="workflow",
        target_id=workflow.id,
        target_name=workflow.name,
        team_id=workflow.team_id,
        version=version.version,
        checksum=checksum,
    )
    return version


def _enliven(workflow: Workflow, definition: Definition, version: WorkflowVersion) -> None:
    """The newest version is live; publishing an old one again doesn't go back to it."""
    live = workflow.live_version
    if live is not None and live.sort_key >= version.sort_key:
        return
    workflow.live_version = version
    workflow.description = definition.description
    workflow.baseline_minutes = definition.baseline_minutes
    workflow.save()


def install(source: str, *, by: Actor, team: str | None = None) -> WorkflowVersion:
    """Write the YAML as its workflow, made when it is new, and publish it. Raises Invalid, NotFound
    (no such team), Conflict."""
    return _install(definitions.load(source), source, by=by, team=team)


def _install(
    document: Document, source: str, *, by: Actor, team: str | None = None
) -> WorkflowVersion:
    definition = _known(document, by)
    workflow = Workflow.objects.filter(name=definition.name).first()
    owner = definition.team or team
    with transaction.atomic():
        if workflow is None:
            found = Team.objects.filter(name=owner).first()
            if found is None:
                raise NotFound(f"Say in the definition which team owns it: there is no {owner!r}.")
            workflow = Workflow(name=definition.name, team=found)
        if workflow.source != source or workflow._state.adding:
            workflow.source = source
            workflow.save()
        return publish(workflow, by=by)


def register_kind() -> None:
    """Workflows in a catalogue: one file is one workflow."""
    register(CatalogueKind(KIND, 60, apply_entry, export))


def apply_entry(entry: Mapping[str, Any]) -> Change:
    """Write and publish one catalogue entry."""
    content = {key: value for key, value in entry.items() if key != "kind"}
    name = str(entry.get("name", ""))
    before = Workflow.objects.filter(name=name).first()
    # What people have edited and published since stays as it is.
    if before and before.versions.filter(checksum=canonical.digest(content)).exists():
        return Change(KIND, name, "unchanged")
    try:
        version = _install(Document(content), written(content), by=actors.current())
    except Problem as problem:
        issues = problem.errors or (Issue("", problem.detail),)
        raise CatalogueError(KIND, name, issues) from problem
    return Change(KIND, name, "publish" if before else "create", version.version)


def export() -> list[dict[str, Any]]:
    """Every published workflow as its live version's document."""
    rows = Workflow.objects.filter(live_version__isnull=False).select_related("live_version")
    return [{"kind": KIND, **row.live_version.document} for row in rows.order_by("name")]


def written(content: Mapping[str, Any]) -> str:
    """The document as YAML, for the editor."""
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100)

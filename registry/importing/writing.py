"""What a plan holds is written: all tools in a few statements, each with history, audit, version
and index entry, as if it had been written alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from kernel import histories
from kernel.actor import Actor
from kernel.catalogue import CatalogueError
from kernel.problems import Invalid, Issue, Problem

from registry import catalogue, lifecycle, publishing
from registry.importing.plans import Planned
from registry.models import Permission, Tool, ToolVersion

# Others wrote them, or the database itself holds the rule; each would be a question of its own.
_UNASKED = ("team", "replacement", "live_version")


@dataclass
class _Batch:
    """What is written together, and what has to be written alone."""

    created: list[tuple[Tool, Planned]] = field(default_factory=list)
    changed: list[Tool] = field(default_factory=list)
    fields: list[list[str]] = field(default_factory=list)
    versions: list[ToolVersion] = field(default_factory=list)
    alone: list[Planned] = field(default_factory=list)


def write(planned: Sequence[Planned], by: Actor) -> None:
    """Write and publish, in the caller's transaction. Raises Invalid, Problem and IntegrityError.

    1. the rows as they will be, and the versions that are drawn up from them;
    2. the rows, with what each requires;
    3. the versions: a row may point at one that comes later in the same transaction;
    4. one by one, what also begins or ends a tool's way out.
    """
    batch = _Batch()
    for each in planned:
        if each.act != "unchanged":
            _add(batch, each, by)
    rows = [tool for tool, _ in batch.created]
    histories.create_all(rows, {"permissions_required": _required(batch.created)})
    histories.change_all(batch.changed, batch.fields)
    publishing.publish_all(batch.versions)
    for each in batch.alone:
        _write_alone(each, by)


def _required(tools: Sequence[tuple[Tool, Planned]]) -> list[list[Permission]]:
    """What each new tool requires, in their order. Raises Invalid."""
    names = set().union(*(each.entry["permissions_required"] for _, each in tools))
    known = {each.name: each for each in Permission.objects.filter(name__in=names)} if names else {}
    for _, each in tools:
        for name in each.entry["permissions_required"]:
            if name not in known:
                told = f"there is no permission {name!r}"
                raise _whole(each, (Issue("/permissions_required", told),))
    return [[known[name] for name in each.entry["permissions_required"]] for _, each in tools]


def _add(batch: _Batch, planned: Planned, by: Actor) -> None:
    tool = planned.tool or Tool(name=planned.name)
    before = lifecycle.standing(tool)
    try:
        changed = _set(tool, planned)
        if lifecycle.standing(tool) != before:
            batch.alone.append(planned)
            return
        tool.clean_fields(exclude=_UNASKED)
        version = None
        if not planned.draft:
            document, told = dict(planned.document), planned.differences
            version = publishing.drawn_up(tool, document, told, by=by.reference)
    except ValidationError as error:
        issues = [Issue(f"/{key}", " ".join(told)) for key, told in error.message_dict.items()]
        raise _whole(planned, tuple(issues)) from error
    except Problem as problem:
        raise _whole(planned, problem.errors or (Issue("", problem.detail),)) from problem
    if version is not None:
        batch.versions.append(version)
    if planned.tool is None:
        batch.created.append((tool, planned))
    else:
        batch.changed.append(tool)
        batch.fields.append([*changed, *(["live_version"] if version else [])])


def _set(tool: Tool, planned: Planned) -> list[str]:
    """Give the row the entry's values; the names of the fields that differ."""
    values = catalogue.values_of(planned.entry, planned.team)
    is_new = planned.tool is None
    changed = [name for name in values if is_new or getattr(tool, name) != values[name]]
    for name in changed:
        setattr(tool, name, values[name])
    return changed


def _write_alone(planned: Planned, by: Actor) -> None:
    try:
        tool, _ = catalogue.write_tool(planned.entry)
        if not planned.draft:
            publishing.publish(tool, by=by.reference)
    except CatalogueError as error:
        raise _whole(planned, error.issues) from error
    except Problem as problem:
        raise _whole(planned, problem.errors or (Issue("", problem.detail),)) from problem


def _whole(planned: Planned, issues: tuple[Issue, ...]) -> Invalid:
    told = f"{planned.place or '/'}: tool {planned.name!r} can't be written; nothing was."
    return Invalid(told, errors=issues)

"""Publishing a tool's entry as an immutable version, and finding the one that a caller means."""

from datetime import datetime

from django.db import transaction
from kernel import acts, canonical, clock
from kernel.actor import Actor
from kernel.problems import Conflict, Invalid, Problem
from kernel.versions import Version, VersionError

from registry import contracts, discovery, validation
from registry.models import Tool, ToolVersion


class UnknownTool(Problem):
    status, reason, title = 404, "unknown_tool", "Unknown tool"


class AlreadyPublished(Conflict):
    """The version number is taken by another contract."""


def publish(tool: Tool, *, by: str) -> ToolVersion:
    """Publish the entry as it stands, and make it the live version.

    1. refuse it with the place of each fault (Invalid);
    2. the same contract under the same number is the version that there is;
    3. another contract needs another number (AlreadyPublished), above the live one;
    4. write the version and point the tool at it, in one transaction.
    """
    document = contracts.document_of(tool)
    found = validation.faults(document)
    if found:
        raise Invalid(f"Tool {tool.name!r} can't be published.", errors=found)
    number = Version.parse(tool.version)
    checksum = canonical.digest(document)
    with transaction.atomic():
        existing = tool.versions.filter(sort_key=number.key).first()
        if existing is not None:
            return _same(tool, existing, checksum)
        live = tool.live_version
        if live is not None and live.sort_key > number.key:
            raise AlreadyPublished(
                f"{tool.name} {tool.version} is below the live version {live.version}. "
                "Give it a higher number."
            )
        version = ToolVersion.objects.create(
            tool=tool,
            version=tool.version,
            sort_key=number.key,
            contract=document,
            checksum=checksum,
            published_by=by,
        )
        tool.live_version = version
        tool.save()
        discovery.refresh(tool)
        acts.record(
            "tool.published",
            target_kind="tool",
            target_id=tool.id,
            target_name=tool.name,
            team_id=tool.team_id,
            version=version.version,
            checksum=checksum,
        )
    return version


def _same(tool: Tool, existing: ToolVersion, checksum: str) -> ToolVersion:
    if existing.checksum == checksum:
        return existing
    raise AlreadyPublished(
        f"{tool.name} {tool.version} is published with another contract. "
        "A published version never changes: give the new one a higher number."
    )


def resolve(name: str, selector: str | None, actor: Actor) -> ToolVersion:
    """The version of a visible tool that `selector` (`1.2`, or None for the live one) means.

    Raises UnknownTool; whether a tool doesn't exist or isn't visible can't be told apart.
    """
    tool = Tool.objects.visible_to(actor).select_related("live_version").filter(name=name).first()
    if tool is None or tool.live_version is None:
        raise UnknownTool(f"There is no tool {name!r} for you. See GET /api/v1/tools/.")
    if not selector:
        version: ToolVersion = tool.live_version
        version.tool = tool
        return version
    return _numbered(tool, selector)


def _numbered(tool: Tool, selector: str) -> ToolVersion:
    try:
        key = Version.parse(selector).key
    except VersionError as error:
        raise UnknownTool(str(error)) from error
    version: ToolVersion | None = tool.versions.filter(sort_key=key).first()
    if version is None:
        known = ", ".join(tool.versions.values_list("version", flat=True)[:10])
        raise UnknownTool(f"Tool {tool.name!r} has no version {selector}; it has {known}.")
    version.tool = tool
    return version


def is_sunset(tool: Tool, at: datetime | None = None) -> bool:
    """Whether calls to the tool are over."""
    return tool.sunset_at is not None and tool.sunset_at <= (at or clock.now())

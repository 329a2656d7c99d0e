"""Publishing a tool's entry as an immutable version, and finding the one that a caller means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from kernel import actor as actors
from kernel import acts, canonical
from kernel.problems import Conflict, Forbidden, Invalid, Issue, Problem
from kernel.versions import Version

from registry import compatibility, contracts, discovery, validation
from registry.compatibility import Difference
from registry.models import Tool, ToolVersion
from registry.notices import is_sunset
from registry.resolution import OutsidePin, UnknownTool, resolve

__all__ = [
    "AlreadyPublished",
    "NumberTooLow",
    "OutsidePin",
    "Publication",
    "UnknownTool",
    "check",
    "drawn_up",
    "is_sunset",
    "publish",
    "publish_all",
    "resolve",
]

BATCH = 200


class AlreadyPublished(Conflict):
    """The version number is taken by another contract."""


class NumberTooLow(Conflict):
    """The number promises less of a change than there is. `errors` has each reason, with its place;
    `extra` the lowest honest number as `required_version`, and the differences."""

    reason, title = "number_too_low", "The version number is too low"


@dataclass(frozen=True)
class Publication:
    """What publishing the entry as it stands would do.

    `live` is the number that is live, `required` the lowest number that would be honest, `existing`
    the version that already is this very contract, `refusal` why it would be refused.
    """

    number: str
    document: dict[str, Any]
    live: str | None
    required: str | None
    differences: tuple[Difference, ...]
    faults: tuple[Issue, ...]
    existing: ToolVersion | None
    refusal: Problem | None

    @property
    def is_breaking(self) -> bool:
        return compatibility.is_breaking(self.differences)

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.number,
            "live_version": self.live,
            "required_version": self.required,
            "breaking": self.is_breaking,
            "unchanged": self.existing is not None,
            "refused": self.refusal.detail if self.refusal else None,
            "errors": [issue.as_json() for issue in self.refusal.errors] if self.refusal else [],
            "differences": [each.as_json() for each in self.differences],
        }


def check(tool: Tool) -> Publication:
    """What `publish` would do with the entry as it stands, without doing it. Reads only."""
    document = contracts.document_of(tool)
    faults = validation.faults(document)
    live = tool.live_version
    differences: tuple[Difference, ...] = ()
    required: Version | None = None
    existing: ToolVersion | None = None
    refusal: Problem | None = None
    if faults:
        refusal = Invalid(f"Tool {tool.name!r} can't be published.", errors=faults)
    else:
        if live is not None:
            differences = compatibility.compare(live.contract, document)
            required = compatibility.required_number(live.version, differences)
        existing, refusal = _judged(tool, document, differences, required, _taken(tool))
    return Publication(
        number=tool.version,
        document=document,
        live=live.version if live else None,
        required=str(required) if required else None,
        differences=differences,
        faults=faults,
        existing=existing,
        refusal=refusal,
    )


def _taken(tool: Tool) -> ToolVersion | None:
    """The version that has the entry's number already."""
    number = Version.parse(tool.version).key
    return tool.versions.filter(sort_key=number).first() if tool.pk else None


def _judged(
    tool: Tool,
    document: dict[str, Any],
    differences: tuple[Difference, ...],
    required: Version | None,
    taken: ToolVersion | None,
) -> tuple[ToolVersion | None, Problem | None]:
    """The version that is this contract already, or what speaks against its number."""
    number, live = Version.parse(tool.version), tool.live_version
    if taken is not None:
        if canonical.digest(contracts.lasting(taken.contract)) == _checksum(document):
            return taken, None
        return None, AlreadyPublished(
            f"{tool.name} {tool.version} is published with another contract. "
            f"A published version never changes: {_numbered_as(required)}.",
            errors=tuple(each.issue for each in differences),
            extra=_told(differences, required),
        )
    if live is not None and live.sort_key > number.key:
        return None, AlreadyPublished(
            f"{tool.name} {tool.version} is below the live version {live.version}. "
            "Give it a higher number."
        )
    if required is not None and number.key < required.key:
        return None, _too_low(tool, differences, required)
    return None, None


def _numbered_as(required: Version | None) -> str:
    lowest = f", {required} or above" if required else ""
    return f"give the new one a higher number{lowest}"


def _too_low(tool: Tool, differences: tuple[Difference, ...], required: Version) -> NumberTooLow:
    worst = differences[0].kind
    reasons = tuple(each for each in differences if each.kind == worst)
    said = "; ".join(f"{each.pointer}: {each.message}" for each in reasons[:3])
    more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
    live = tool.live_version.version if tool.live_version else ""
    return NumberTooLow(
        f"{tool.name} {tool.version} has {worst} changes against the live version {live}: {said}"
        f"{more}. Give it the number {required} or above.",
        errors=tuple(each.issue for each in reasons),
        extra=_told(differences, required),
    )


def _told(differences: tuple[Difference, ...], required: Version | None) -> dict[str, Any]:
    return {
        "required_version": str(required) if required else None,
        "differences": [each.as_json() for each in differences],
    }


def publish(tool: Tool, *, by: str, notes: str = "") -> ToolVersion:
    """Publish the entry as it stands, and make it the live version.

    1. refuse it with the place of each fault (Invalid);
    2. the same contract under the same number is the version that there is;
    3. another contract needs another number, above the live one (AlreadyPublished);
    4. a number as high as its changes are grave (NumberTooLow);
    5. write the version and point the tool at it, in one transaction.

    `notes` go into the changelog; the entry's own `release_notes` where none are given.
    Only the platform team publishes (Forbidden): a team submits its entry for review.
    """
    _require_platform(tool)
    with transaction.atomic():
        publication = check(tool)
        if publication.refusal is not None:
            raise publication.refusal
        if publication.existing is not None:
            return publication.existing
        version = _made(
            tool, publication.document, publication.differences, by, notes or _news(tool)
        )
        version.save(force_insert=True)
        tool.live_version = version
        tool.save()
        discovery.refresh(tool)
        _record(version, breaking=publication.is_breaking)
    return version


def drawn_up(
    tool: Tool, document: dict[str, Any], differences: tuple[Difference, ...], *, by: str
) -> ToolVersion | None:
    """The version that an entry becomes among many, not written yet; the tool points at it. None
    where the live version is this very contract.

    `document` was found without faults, and `differences` are its against the live version. Raises
    Forbidden, and what `publish` says of the number.
    """
    _require_platform(tool)
    live = tool.live_version
    required = compatibility.required_number(live.version, differences) if live else None
    # Whether an older version has the number, the database says when it is written.
    taken = live if live and live.sort_key == Version.parse(tool.version).key else None
    existing, refusal = _judged(tool, document, differences, required, taken)
    if refusal is not None:
        raise refusal
    if existing is not None:
        return None
    version = _made(tool, document, differences, by, _news(tool))
    tool.live_version = version
    return version


def publish_all(versions: Sequence[ToolVersion]) -> None:
    """Write versions that were drawn up, and all that comes of a publication, in few statements and
    the caller's transaction; their tools are written already. Raises IntegrityError."""
    ToolVersion.objects.bulk_create(versions, batch_size=BATCH)
    discovery.refresh_all([version.tool for version in versions])
    for version in versions:
        _record(version, breaking=any(each["kind"] == "breaking" for each in version.changes))


def _record(version: ToolVersion, *, breaking: bool) -> None:
    acts.record(
        "tool.published",
        target_kind="tool",
        target_id=version.tool.id,
        target_name=version.tool.name,
        team_id=version.tool.team_id,
        version=version.version,
        checksum=version.checksum,
        breaking=breaking,
    )


def _require_platform(tool: Tool) -> None:
    """Here, below every door, so that none can forget it."""
    if not actors.current().is_platform:
        raise Forbidden(
            f"The platform team publishes tools. Submit {tool.name!r} for review, in its form or "
            f"by POST /api/v1/tools/{tool.name}/proposals/."
        )


def _made(
    tool: Tool,
    document: dict[str, Any],
    differences: tuple[Difference, ...],
    by: str,
    notes: str,
) -> ToolVersion:
    return ToolVersion(
        tool=tool,
        version=tool.version,
        sort_key=Version.parse(tool.version).key,
        contract=contracts.lasting(document),
        checksum=_checksum(document),
        changes=[each.as_json() for each in differences],
        notes=notes,
        published_by=by,
    )


def _checksum(document: dict[str, Any]) -> str:
    """Over what a version is: a tool that is deprecated later is still the same version."""
    return canonical.digest(contracts.lasting(document))


def _news(tool: Tool) -> str:
    """The entry's release notes, unless they are what the last version told already."""
    told: str = tool.release_notes
    last = tool.live_version
    return "" if last is not None and last.notes == told else told

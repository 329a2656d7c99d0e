"""What an agent's pins come to: the versions that it gets unasked, for all of them at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kernel import prepared
from kernel.prepared import slot

from registry import resolution, selection
from registry.models import ToolAlias, ToolVersion, VersionPin
from registry.selection import SelectorError


@dataclass(frozen=True)
class Bound:
    """The version that a call of the tool gets. `objection` says why it gets none: nothing is what
    the pin says, and the version is the live one."""

    version: ToolVersion
    objection: str = ""


# Most agents have none, and this is asked of every list.
_PINS = prepared.Select(
    lambda: VersionPin.objects.filter(agent_id=slot(VersionPin, "agent")).values_list("id")
)


def of_agent(agent_id: UUID) -> dict[UUID, Bound]:
    """What `resolution.resolve` gives the agent unasked, for each tool that it has a pin for, by
    the tools' ids. One query where there is no pin, else five."""
    ids = {id for (id,) in _PINS.rows(agent=agent_id)}
    if not ids:
        return {}
    related = ("tool__team", "tool__live_version", "tool__replacement")
    rows = VersionPin.objects.filter(id__in=ids, tool__live_version__isnull=False)
    pins = list(rows.select_related(*related))
    versions = _versions([pin.tool_id for pin in pins])
    aliases = _aliases(pins)
    found = {pin.tool_id: _bound(pin, versions[pin.tool_id], aliases) for pin in pins}
    _read_contracts([each.version for each in found.values()])
    return found


def _versions(tool_ids: Sequence[UUID]) -> dict[UUID, list[ToolVersion]]:
    found: dict[UUID, list[ToolVersion]] = defaultdict(list)
    rows = ToolVersion.objects.filter(tool_id__in=tool_ids).order_by("-sort_key")
    for version in rows.defer("contract"):
        found[version.tool_id].append(version)
    return found


def _aliases(pins: Sequence[VersionPin]) -> dict[tuple[UUID, str], UUID]:
    rows = ToolAlias.objects.filter(tool_id__in=[pin.tool_id for pin in pins])
    named = rows.filter(name__in={pin.selector for pin in pins})
    return {
        (tool, name): version
        for tool, name, version in named.values_list("tool_id", "name", "version_id")
    }


def _bound(
    pin: VersionPin, versions: list[ToolVersion], aliases: dict[tuple[UUID, str], UUID]
) -> Bound:
    tool: Any = pin.tool
    try:
        meant = selection.parse(pin.selector)
    except SelectorError as error:
        return Bound(_of(tool, tool.live_version), str(error))
    named = aliases.get((pin.tool_id, meant.text))
    fitting = resolution.fitting(tool, meant, versions, () if named is None else (named,))
    if not fitting:
        return Bound(_of(tool, tool.live_version), resolution.unmet(tool, meant))
    best = resolution.best(tool, fitting)
    return Bound(_of(tool, tool.live_version if best.pk == tool.live_version_id else best))


def _of(tool: Any, version: ToolVersion) -> ToolVersion:
    version.tool = tool
    return version


def _read_contracts(versions: Sequence[ToolVersion]) -> None:
    lacking = {each.pk: each for each in versions if "contract" in each.get_deferred_fields()}
    if lacking:
        read = ToolVersion.objects.filter(pk__in=lacking).values_list("pk", "contract")
        for pk, contract in read:
            lacking[pk].contract = contract

"""What callers are told of a tool, or of one version, that is on its way out.

A tool is deprecated as a whole (message, replacement, sunset), or some of its versions are retired
(`Tool.retired`, by range). Neither touches the published contract. Sources: RFC 9745
(`Deprecation`), RFC 8594 (`Sunset`), RFC 5829 (`successor-version`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from kernel import clock

from registry import selection
from registry.models import Tool, ToolVersion


@dataclass(frozen=True)
class Notice:
    """That a version is deprecated: since when, what to use instead, and until when it runs."""

    name: str
    version: str
    since: datetime
    message: str
    replacement: str | None
    sunset_at: datetime | None

    def has_ended(self, at: datetime) -> bool:
        return self.sunset_at is not None and self.sunset_at <= at

    @property
    def advice(self) -> str:
        if self.replacement:
            return f"Use {self.replacement} instead."
        return "Ask its owner what to use."

    @property
    def line(self) -> str:
        """One sentence or two, for a response and for the description of a tool."""
        until = f", and ends on {self.sunset_at:%Y-%m-%d}" if self.sunset_at else ""
        told = f" {self.message.strip()}" if self.message.strip() else ""
        return f"Deprecated: {self.name} {self.version} is deprecated{until}. {self.advice}{told}"

    @property
    def farewell(self) -> str:
        """What a caller is told once it is over."""
        told = f" {self.message.strip()}" if self.message.strip() else ""
        return f"Tool {self.name} {self.version} isn't offered any more. {self.advice}{told}"

    def extra(self) -> dict[str, Any]:
        """The members of the problem document of a call that came too late."""
        ended = self.sunset_at.isoformat() if self.sunset_at else None
        return {"replacement": self.replacement, "sunset_at": ended}

    def headers(self) -> dict[str, str]:
        found = {"Deprecation": f"@{int(self.since.timestamp())}"}
        if self.sunset_at is not None:
            found["Sunset"] = format_datetime(self.sunset_at.astimezone(UTC), usegmt=True)
        if self.replacement and " " not in self.replacement:
            found["Link"] = f'</api/v1/tools/{self.replacement}/>; rel="successor-version"'
        return found


def of(version: ToolVersion) -> Notice | None:
    """What is to be told of the version; its `tool` and the tool's replacement are read."""
    tool: Tool = version.tool
    own = _retired(tool, version)
    if own is None and not tool.deprecated and tool.sunset_at is None:
        return None
    ends = [tool.sunset_at, _moment(own.get("sunset_at")) if own else None]
    return Notice(
        name=tool.name,
        version=version.version,
        since=tool.deprecated_at or _moment((own or {}).get("since")) or version.published_at,
        message=tool.deprecation_message if tool.deprecated else (own or {}).get("message", ""),
        replacement=_instead(tool, own),
        sunset_at=min((each for each in ends if each is not None), default=None),
    )


def _instead(tool: Tool, own: dict[str, Any] | None) -> str | None:
    if tool.replacement is not None:
        return str(tool.replacement.name)
    if own is not None and not tool.deprecated and tool.live_version is not None:
        return f"{tool.name} {tool.live_version.version}"
    return None


def _retired(tool: Tool, version: ToolVersion) -> dict[str, Any] | None:
    """The entry that retires the version; of several, the one that ends first."""
    found = [each for each in tool.retired if covers(each["versions"], version.sort_key)]
    return min(found, key=lambda each: each.get("sunset_at") or "9", default=None)


def covers(versions: str, key: int) -> bool:
    try:
        return selection.parse(versions).admits(key)
    except selection.SelectorError:
        return False


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def is_sunset(tool: Tool, at: datetime | None = None) -> bool:
    """Whether calls to the tool are over."""
    return tool.sunset_at is not None and tool.sunset_at <= (at or clock.now())


def has_ended(version: ToolVersion, at: datetime) -> bool:
    """Whether calls to this version are over, or to the whole tool."""
    notice = of(version)
    return notice is not None and notice.has_ended(at)


def headers(version: ToolVersion) -> dict[str, str]:
    """`Deprecation`, `Sunset` and `Link`, where there is something to tell."""
    notice = of(version)
    return notice.headers() if notice else {}


def warnings(version: ToolVersion) -> list[str]:
    """What a response tells in words."""
    notice = of(version)
    return [notice.line] if notice else []


def described(contract: Mapping[str, Any]) -> str:
    """The description of a contract with its lifecycle, for clients that have no other place for a
    deprecation: it comes first, because long descriptions are cut."""
    told: str = contract["description"]
    if not contract.get("deprecated"):
        return told
    notice = Notice(
        name=contract["name"],
        version=contract["version"],
        # When it began is told in headers alone.
        since=datetime.min,
        message=contract.get("deprecation_message") or "",
        replacement=contract.get("replacement"),
        sunset_at=_moment(contract.get("sunset_at")),
    )
    return f"{notice.line}\n\n{told}"

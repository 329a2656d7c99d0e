"""The contract of a tool: the whole registry entry as one document, and a typed view of it.

The document's words are the article's: `parameters`, `permissions_required`, `sandbox_config`,
`audit`, `cost_per_call`, `owner`, `version`, `deprecated`. A published version keeps it whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from kernel import money

from registry import sizes
from registry.models import Tool, ToolVersion

DEFAULT_SANDBOX: dict[str, Any] = {
    "cpu_limit": 1,
    "memory_limit": "512MB",
    "network": "none",
    "timeout": 30,
    "processes": 64,
    "disk_limit": "256MB",
    "output_limit": "1MB",
    "packages": [],
    "fixed_packages": [],
}
OPTIONAL: dict[str, Any] = {
    "pure": False,
    "cache_seconds": None,
    "retry": {},
    "rate_limit": {},
    "circuit_breaker": {},
    "environments": [],
    "annotations": {},
}
"""Parts of a contract that are left out where they say nothing, and what they mean then."""

_SIZES = {"memory_limit": "memory", "disk_limit": "disk", "output_limit": "output"}
_NUMBERS = {"cpu_limit": "cpu", "timeout": "timeout", "processes": "processes"}


@dataclass(frozen=True)
class Contract:
    """A published contract, with its limits in canonical units.

    `limits` holds timeout (seconds), cpu (cores), memory, disk and output (bytes), processes
    (count), network ("none" or a list of hosts) and packages (patterns of allowed names).
    """

    version_id: UUID
    name: str
    version: str
    document: Mapping[str, Any]
    permissions: frozenset[str]
    cost_micros: int
    limits: Mapping[str, Any]
    executor: str
    executor_config: Mapping[str, Any]
    idempotent: bool
    sunset_at: datetime | None

    @property
    def parameters(self) -> dict[str, Any]:
        schema: dict[str, Any] = self.document["parameters"]
        return schema

    def said(self, name: str) -> Any:
        """An optional part of the contract (see OPTIONAL), or what its absence means."""
        return self.document.get(name, OPTIONAL[name])

    @property
    def fixed_packages(self) -> tuple[str, ...]:
        return tuple(self.document["sandbox_config"].get("fixed_packages", ()))

    @classmethod
    def of(cls, version: ToolVersion) -> "Contract":
        """The typed view of a published version; cached, because a version never changes."""
        return _cached(version.id, _Held(version))


@dataclass(frozen=True)
class _Held:
    """Carries a version past the cache's key: equal to any other of its kind."""

    version: ToolVersion

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=4096)
def _cached(version_id: UUID, held: _Held) -> Contract:
    document = held.version.contract
    sunset = document.get("sunset_at")
    return Contract(
        version_id=version_id,
        name=document["name"],
        version=document["version"],
        document=document,
        permissions=frozenset(document["permissions_required"]),
        cost_micros=money.to_micros(document["cost_per_call"]),
        limits=limits_of(document["sandbox_config"]),
        executor=document["executor"],
        executor_config=document["executor_config"],
        idempotent=document["idempotent"],
        sunset_at=datetime.fromisoformat(sunset) if sunset else None,
    )


def limits_of(sandbox: Mapping[str, Any]) -> dict[str, Any]:
    """The sandbox part in canonical units. Raises SizeError."""
    full = DEFAULT_SANDBOX | dict(sandbox)
    limits: dict[str, Any] = {to: full[of] for of, to in _NUMBERS.items()}
    limits |= {to: sizes.parse(full[of]) for of, to in _SIZES.items()}
    return limits | {"network": full["network"], "packages": list(full["packages"])}


def document_of(tool: Tool, permissions: Iterable[str] | None = None) -> dict[str, Any]:
    """The entry as it stands in the definition, ready to be published. `permissions` are the names
    of those that it requires, where they are known already or aren't written yet."""
    if permissions is None:
        permissions = [each.name for each in tool.permissions_required.all()] if tool.pk else ()
    return (
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "result_schema": tool.result_schema,
            "permissions_required": sorted(permissions),
            "sandbox_config": DEFAULT_SANDBOX | tool.sandbox_config,
            "audit": tool.audit,
            "cost_per_call": money.text(tool.cost_micros),
            "data_class": tool.data_class,
            "executor": tool.executor,
            "executor_config": tool.executor_config,
            "idempotent": tool.idempotent,
            "compensation": tool.compensation,
            "examples": tool.examples,
            "tags": tool.tags,
            "owner": tool.team.name,
            "version": tool.version,
        }
        | _told(tool)
        | lifecycle_of(tool)
    )


def _told(tool: Tool) -> dict[str, Any]:
    """What an entry may say beyond what every entry says: only what it does say."""
    values = {name: getattr(tool, name) for name in OPTIONAL}
    return {name: value for name, value in values.items() if value != OPTIONAL[name]}


LIFECYCLE = ("deprecated", "deprecation_message", "replacement", "sunset_at")


def lasting(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a publication fixes: the document without what changes without a new version."""
    return {name: value for name, value in document.items() if name not in LIFECYCLE}


def lifecycle_of(tool: Tool) -> dict[str, Any]:
    """What may change about a published tool without a new version."""
    return {
        "deprecated": tool.deprecated,
        "deprecation_message": tool.deprecation_message,
        "replacement": tool.replacement.name if tool.replacement else None,
        "sunset_at": tool.sunset_at.isoformat() if tool.sunset_at else None,
    }

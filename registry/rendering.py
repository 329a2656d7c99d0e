"""The registry's nouns as JSON."""

from typing import Any

from registry import contracts
from registry.models import Agent, Tool, ToolVersion


def entry(version: ToolVersion) -> dict[str, Any]:
    """The whole contract of a version, with the tool's lifecycle as it is now."""
    contract: dict[str, Any] = version.contract
    return contract | contracts.lifecycle_of(version.tool) | {"checksum": version.checksum}


def listed(tool: Tool) -> dict[str, Any]:
    """A tool in a list: enough to choose by."""
    contract = tool.live_version.contract if tool.live_version else contracts.document_of(tool)
    kept = (
        "name",
        "description",
        "permissions_required",
        "cost_per_call",
        "owner",
        "version",
        "tags",
        "data_class",
    )
    return {name: contract[name] for name in kept} | contracts.lifecycle_of(tool)


def agent(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "description": agent.description,
        "team": agent.team.name,
        "environment": agent.environment,
        "runtime": agent.runtime,
        "tags": agent.tags,
        "baseline_minutes": str(agent.baseline_minutes),
        "is_active": agent.is_active,
    }

"""The registry in the admin: where the platform team edits tools, agents, teams and people."""

from registry.admin import agents, curation, people, search, secrets, tools, versions

__all__ = ["agents", "curation", "people", "search", "secrets", "tools", "versions"]

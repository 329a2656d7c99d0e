from registry.models.agents import Agent, Credential
from registry.models.people import Team, User
from registry.models.tools import Permission, Tool, ToolVersion

__all__ = ["Agent", "Credential", "Permission", "Team", "Tool", "ToolVersion", "User"]

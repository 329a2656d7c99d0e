from registry.models.agents import Agent, Credential
from registry.models.curation import ToolProposal, ToolReport
from registry.models.people import Team, User
from registry.models.search import ToolEntry
from registry.models.secrets import Secret, SecretGrant, SecretValue
from registry.models.tools import Permission, Tool, ToolVersion
from registry.models.upstreams import UpstreamServer, UpstreamTool

__all__ = [
    "Agent",
    "Credential",
    "Permission",
    "Secret",
    "SecretGrant",
    "SecretValue",
    "Team",
    "Tool",
    "ToolEntry",
    "ToolProposal",
    "ToolReport",
    "ToolVersion",
    "UpstreamServer",
    "UpstreamTool",
    "User",
]

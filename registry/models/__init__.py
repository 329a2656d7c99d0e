from registry.models.agents import Agent, Credential
from registry.models.curation import ToolProposal, ToolReport
from registry.models.people import Team, User
from registry.models.search import ToolEntry
from registry.models.secrets import Secret, SecretGrant, SecretValue
from registry.models.tools import Permission, Tool, ToolVersion
from registry.models.upstreams import UpstreamServer, UpstreamTool
from registry.models.versions import ToolAlias, VersionPin

__all__ = [
    "Agent",
    "Credential",
    "Permission",
    "Secret",
    "SecretGrant",
    "SecretValue",
    "Team",
    "Tool",
    "ToolAlias",
    "ToolEntry",
    "ToolProposal",
    "ToolReport",
    "ToolVersion",
    "UpstreamServer",
    "UpstreamTool",
    "User",
    "VersionPin",
]

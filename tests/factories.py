"""Small factories: each makes one real row, with only what a test needs to say."""

from typing import Any

from governance.models import Grant
from registry import keys, publishing
from registry.models import Agent, Permission, Team, Tool, User

PASSWORD = "correct horse battery staple"

ECHO_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "timeout": {"type": "integer", "default": 30},
        "packages": {"type": "array", "items": {"type": "string"}, "default": []},
    },
    "required": ["code"],
    "additionalProperties": False,
}


def make_team(name: str) -> Team:
    team, _ = Team.objects.get_or_create(name=name)
    return team


def make_user(name: str, role: str = "member", team: Team | None = None) -> User:
    user: User = User.objects.create_user(username=name, password=PASSWORD, role=role)
    if team is not None:
        team.add(user)
    return user


def make_agent(name: str, team: Team, **fields: Any) -> Agent:
    return Agent.objects.create(name=name, team=team, **fields)


def make_key(agent: Agent, **fields: Any) -> str:
    return keys.issue(agent, label="test", **fields).text


def make_permission(name: str) -> Permission:
    permission, _ = Permission.objects.get_or_create(name=name)
    return permission


def grant(agent: Agent, permission: str, **fields: Any) -> Grant:
    return Grant.objects.create(
        agent=agent,
        permission=make_permission(permission),
        reason="test",
        granted_by="test",
        **fields,
    )


def make_tool(
    name: str = "execute_python", *, permissions: tuple[str, ...] = (), **fields: Any
) -> Tool:
    """A published tool; `fields` override the definition's."""
    values: dict[str, Any] = {
        "team": make_team("platform-team"),
        "description": f"{name}, for tests.",
        "parameters": ECHO_SCHEMA,
        "executor": "python",
        "version": "1.0",
        "cost_micros": 10_000,
        "sandbox_config": {"cpu_limit": 1, "memory_limit": "256MB", "timeout": 30},
    }
    tool = Tool.objects.create(name=name, **(values | fields))
    tool.permissions_required.set([make_permission(each) for each in permissions])
    publishing.publish(tool, by="test")
    tool.refresh_from_db()
    return tool

"""How an agent is known: `Authorization: Bearer <key>`."""

from dataclasses import dataclass, replace
from uuid import UUID

from kernel.actor import Actor
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from registry import keys
from registry.models import Agent, Credential


@dataclass(frozen=True)
class Caller:
    """What `request.user` is when an agent calls."""

    agent: Agent
    credential: Credential
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def actor(self) -> Actor:
        """The agent; with a task's key also on behalf of the team that the task is for."""
        team = self.credential.for_team
        if team is None:
            return self.agent.actor
        return replace(
            self.agent.actor,
            teams=self.agent.actor.teams | {team.id},
            on_behalf_of=f"team:{team.name}",
        )

    @property
    def team_id(self) -> UUID:
        """The team that is acted for, and that pays."""
        found: UUID = self.credential.for_team_id or self.agent.team_id
        return found

    @property
    def pk(self) -> object:
        return self.agent.pk


class KeyAuthentication(BaseAuthentication):
    """Reads the bearer key. A request without one goes on to the next way of being known."""

    def authenticate(self, request: Request) -> tuple[Caller, Credential] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        credential = keys.find(text.strip())
        if credential is None:
            raise exceptions.AuthenticationFailed(
                "This key isn't valid: it is unknown, expired or revoked. "
                "Ask the agent's team for a new one."
            )
        keys.touch(credential)
        return Caller(credential.agent, credential), credential

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

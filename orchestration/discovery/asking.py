"""Who asks: an agent, in an environment, at a moment, and what it has left then."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from kernel import clock, money
from kernel.actor import Actor

from governance import grants, policies, rates
from governance.facts import Facts, of_agent, of_tool
from governance.rates import Party
from governance.rooms import Rooms
from orchestration.discovery.rules import Rules
from registry import bound
from registry.bound import Bound
from registry.models import Agent
from registry.models.agents import Environment


@dataclass(frozen=True)
class Asker:
    """An agent that asks, and the permissions that it holds. Its calls are made as `actor`, and
    counted and paid for by the team of `team_id`. What else is asked about it is read once."""

    agent: Agent
    actor: Actor
    team_id: UUID
    environment: str
    at: datetime
    permissions: tuple[str, ...]

    @classmethod
    def of(cls, agent: Agent, environment: str = "", *, actor: Actor | None = None) -> "Asker":
        """The agent as it calls by itself; as `actor`, it may call on behalf of another team."""
        at = clock.now()
        held = tuple(sorted(grants.live(agent.id, at)))
        caller = actor or agent.actor
        other = next(iter(caller.teams - {agent.team_id}), agent.team_id)
        return cls(agent, caller, other, environment or agent.environment, at, held)

    @property
    def may_call(self) -> bool:
        """Whether it may call anything at all where it asks."""
        promoted = self.environment == Environment.PRODUCTION != self.agent.environment
        return self.agent.is_active and not promoted

    @cached_property
    def rooms(self) -> Rooms:
        return Rooms.of(team_id=self.team_id, agent_id=self.agent.id, at=self.at)

    @cached_property
    def used(self) -> rates.Used:
        return rates.Used.by(self.party(""), self.at)

    @cached_property
    def rules(self) -> Rules:
        return Rules.of(policies.enforced())

    @cached_property
    def pinned(self) -> Mapping[UUID, Bound]:
        """What it is bound to, by the tools' ids."""
        return bound.of_agent(self.agent.id)

    def party(self, tool: str) -> Party:
        return Party(self.agent.id, self.agent.name, self.team_id, tool)

    @property
    def seen(self) -> tuple[Any, ...]:
        """What policies can see of it, except for the time."""
        agent = self.agent
        tags = tuple(map(str, agent.tags))
        own = (agent.id, agent.name, agent.team_id, agent.environment, tags)
        return (own, self.environment, self.permissions)

    def facts(self, name: str, version: str, kind: Mapping[str, Any]) -> Facts:
        """A call of the tool, as policies see it, without arguments."""
        return Facts(
            agent=of_agent(self.agent, self.permissions),
            tool=of_tool(name, version, kind, money.text(kind["cost_micros"])),
            arguments={},
            environment=self.environment,
            at=self.at,
        )

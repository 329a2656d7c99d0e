"""What a caller asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kernel import canonical
from kernel.actor import Actor

from registry.models import Agent


@dataclass(frozen=True)
class CallRequest:
    """One request for one call. `version` None means the live one; `environment` None the agent's;
    `team_id` (for whom the call is made, and who pays) None the run's, or the agent's.

    `run_id`, `step_id` and `task_id` are trusted: a door takes them from `binding`, whose
    objection, if it has one, is what the call is refused with.
    """

    tool: str
    arguments: Mapping[str, Any]
    actor: Actor
    agent: Agent
    version: str | None = None
    environment: str | None = None
    run_id: UUID | None = None
    step_id: UUID | None = None
    task_id: UUID | None = None
    team_id: UUID | None = None
    idempotency_key: str | None = None
    objection: str = ""

    def digest(self) -> str:
        """What the same idempotency key has to ask again. Raises ValueError for arguments that
        canonical JSON can't hold (an infinite number, a lone surrogate)."""
        return canonical.digest(
            {
                "tool": self.tool,
                "version": self.version,
                "arguments": dict(self.arguments),
                "environment": self.environment,
                "run": self.run_id,
                "step": self.step_id,
            }
        )

"""One call while it is considered: what was asked, of which contract, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from context.models import Project
from governance.budgets import Held
from governance.verdicts import Verdict
from orchestration.calls.limits import Clamped
from orchestration.calls.outcomes import No
from orchestration.calls.request import CallRequest
from orchestration.models import ToolCall, WorkflowRun
from registry.contracts import Contract
from registry.models import ToolVersion


@dataclass(frozen=True)
class Case:
    """A request that named a tool which its agent may see."""

    request: CallRequest
    version: ToolVersion
    contract: Contract
    environment: str
    at: datetime
    call_id: UUID
    run: WorkflowRun | None = None
    digest: str = ""

    @property
    def team_id(self) -> UUID:
        """For whom the call is made: who sees it, and who pays."""
        found: UUID = self.request.agent.team_id
        if self.request.team_id is not None:
            found = self.request.team_id
        elif self.run is not None:
            found = self.run.team_id
        return found


@dataclass(frozen=True)
class Decision:
    """What is to become of a case. With `no` it is refused, whatever the verdict."""

    arguments: Mapping[str, Any]
    verdict: Verdict = field(default_factory=Verdict)
    clamped: Clamped | None = None
    project: Project | None = None
    no: No | None = None
    held: tuple[Held, ...] = ()

    @property
    def effect(self) -> str:
        """What the row says: a refusal for any reason is a deny."""
        return "deny" if self.no is not None else self.verdict.effect

    @property
    def limits(self) -> dict[str, Any]:
        return self.clamped.as_json() if self.clamped else {}

    @property
    def explanation(self) -> list[dict[str, Any]]:
        return [line.as_json() for line in self.verdict.explanation]


@dataclass(frozen=True)
class Admitted:
    """A call whose row is written and whose money is held: it may be executed, once."""

    call: ToolCall
    token: UUID
    case: Case
    decision: Decision
    resumed: bool = False

    @property
    def limits(self) -> Mapping[str, Any]:
        """What it runs under, in canonical units."""
        clamped = self.decision.clamped
        return clamped.limits if clamped else self.case.contract.limits

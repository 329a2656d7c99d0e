"""What budgets have room for: read and not held, so that it can be asked for many acts at once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from kernel import prepared
from kernel.prepared import slot

from governance import budgets
from governance.budgets import Exhausted
from governance.models import Account, Budget

_LIVE = prepared.Select(
    lambda: Budget.objects.filter(
        Q(team_id=slot(Budget, "team"), agent__isnull=True) | Q(agent_id=slot(Budget, "agent")),
        is_active=True,
    ).values_list("id")
)


@dataclass(frozen=True)
class Rooms:
    """The live budgets that an amount counts against, each with its account of the period, in the
    order in which they are held."""

    found: tuple[tuple[Budget, Account], ...] = ()

    @classmethod
    def of(cls, *, team_id: UUID, agent_id: UUID | None, at: datetime) -> "Rooms":
        """What `budgets.reserve` would hold on for the team and the agent."""
        ids = [id for (id,) in _LIVE.rows(team=team_id, agent=agent_id)]
        rows = Budget.objects.filter(id__in=ids).select_related("team").order_by("id")
        asked = budgets.with_current(rows, at) if ids else ()
        return cls(tuple((budget, budgets.current(budget)) for budget in asked))

    @property
    def least(self) -> int | None:
        """The most that one act may cost (micro-units); None where nothing limits it. What costs
        nothing needs no room."""
        return min((_room(*each) for each in self.found), default=None)

    def refusal(self, amount_micros: int) -> Exhausted | None:
        """What `budgets.reserve` would raise now."""
        if amount_micros <= 0:
            return None
        for budget, account in self.found:
            if _room(budget, account) < amount_micros:
                return Exhausted(budget, account, amount_micros)
        return None


def _room(budget: Budget, account: Account) -> int:
    return budget.limit_micros - account.spent_micros - account.held_micros

"""The accounts of budgets: which ones an amount counts against, and how they move.

Each moves by conditional updates of its one row. The statements are the hottest ones there are, so
they are prepared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import BigIntegerField, Exists, F, FilteredRelation, OuterRef, Q
from kernel import prepared
from kernel.partial import whatever_the_index
from kernel.prepared import Slot, slot
from kernel.together import Statement

from governance.models import Account, Budget, Hold
from governance.models.budgets import HoldStatus, Period

_PERIODS = tuple(Period.values)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Purse:
    """A live budget with its account of the period; `is_held`: the subject holds on it already."""

    budget_id: UUID
    limit_micros: int
    account_id: UUID
    is_held: bool = False


def period_start(period: str, at: datetime) -> datetime:
    """When the period that `at` lies in began, in UTC; weeks begin on Monday."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == Period.DAY:
        return day
    if period == Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == Period.MONTH else EPOCH


def _asked() -> Iterable[tuple[str, Slot]]:
    return ((period, slot(Account, period, "period_start")) for period in Period.values)


_PURSES = prepared.Select(
    lambda: (
        Budget.objects.filter(
            Q(team_id=slot(Budget, "team"), agent__isnull=True) | Q(agent_id=slot(Budget, "agent")),
            is_active=True,
        )
        .annotate(
            account=FilteredRelation(
                "accounts", condition=Q(accounts__period_start__in=[each for _, each in _asked()])
            ),
            held=Exists(
                Hold.objects.filter(
                    whatever_the_index("status", HoldStatus.HELD),
                    account_id=OuterRef("account__id"),
                    subject_id=slot(Hold, "subject", "subject_id"),
                )
            ),
        )
        .order_by("id")
        .values_list("id", "period", "limit_micros", "account__id", "account__period_start", "held")
    )
)


def purses(
    *, team_id: UUID, agent_id: UUID | None, subject_id: UUID, at: datetime
) -> tuple[Purse, ...]:
    """What an amount of the team and the agent counts against, in the order in which it is held.
    Accounts that the period hasn't got yet are opened."""
    starts = _starts(at)
    found: dict[UUID, Purse | None] = {}
    rows = _PURSES.rows(team=team_id, agent=agent_id, subject=subject_id, **starts)
    fresh: dict[UUID, tuple[str, int]] = {}
    for budget_id, period, limit, account_id, start, is_held in rows:
        found.setdefault(budget_id, None)
        fresh[budget_id] = period, limit
        if account_id is not None and start == starts[period]:
            found[budget_id] = Purse(budget_id, limit, account_id, bool(is_held))
    return tuple(
        purse or Purse(budget_id, fresh[budget_id][1], _open(budget_id, fresh[budget_id][0], at))
        for budget_id, purse in found.items()
    )


def question(*, team_id: UUID, agent_id: UUID | None, subject_id: UUID, at: datetime) -> Statement:
    """What `purses` asks, for `together.ahead`."""
    return _PURSES.question(team=team_id, agent=agent_id, subject=subject_id, **_starts(at))


def _starts(at: datetime) -> dict[str, datetime]:
    return {period: period_start(period, at) for period in _PERIODS}


def _open(budget_id: UUID, period: str, at: datetime) -> UUID:
    start = period_start(period, at)
    fresh = Account(budget_id=budget_id, period_start=start)
    Account.objects.bulk_create([fresh], ignore_conflicts=True)
    found: UUID = Account.objects.values_list("id", flat=True).get(
        budget_id=budget_id, period_start=start
    )
    return found


def _amount(name: str) -> Slot:
    return Slot(name, BigIntegerField())


# The limit as a number, not as a join: PostgreSQL checks the row's own columns again after waiting
# for its lock, but not what a subquery found before.
_TAKE = prepared.Update(
    lambda: Account.objects.filter(
        id=slot(Account, "id"), spent_micros__lte=_amount("room") - F("held_micros")
    ),
    held_micros=F("held_micros") + _amount("amount"),
)
_MOVE = prepared.Update(
    lambda: Account.objects.filter(id=slot(Account, "id")),
    held_micros=F("held_micros") - _amount("freed"),
    spent_micros=F("spent_micros") + _amount("spent"),
)


def take(purse: Purse, amount_micros: int) -> bool:
    """Add the amount to what is held, if the limit has room for it. Returns whether it had."""
    room = purse.limit_micros - amount_micros
    return bool(_TAKE.run(id=purse.account_id, room=room, amount=amount_micros))


def move(account_id: UUID, *, freed: int = 0, spent: int = 0) -> None:
    """Take `freed` off what is held, and add `spent` to what is spent (micro-units)."""
    _MOVE.run(id=account_id, freed=freed, spent=spent)

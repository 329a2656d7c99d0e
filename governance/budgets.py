"""Money: reserve it before an act, settle what was really spent, let go of what wasn't.

What is held stands beside what is spent, never in it, and every hold expires: a process that dies
leaks nothing. An account moves by conditional updates of its one row, always in the order of budget
ids, so that two calls neither overshoot a limit nor wait for each other in a circle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Prefetch, QuerySet, Sum, Value
from kernel import clock, money, prepared
from kernel.partial import whatever_the_index
from kernel.prepared import slot
from kernel.problems import Problem

from governance import accounts, audit
from governance.accounts import EPOCH, Purse, period_start
from governance.models import Account, Budget, Hold, LedgerEntry
from governance.models.budgets import HoldStatus, Period

__all__ = ["EPOCH", "Exhausted", "Held", "Spent", "period_start"]

BATCH = 500
_HOLDS = prepared.Insert(Hold)
_ENTRIES = prepared.Insert(LedgerEntry, ignore_conflicts=True)
_CLOSE = prepared.Update(
    lambda: Hold.objects.filter(whatever_the_index("status", HoldStatus.HELD), id=slot(Hold, "id"))
)


class Exhausted(Problem):
    """A budget has no room for an amount."""

    status, reason, title = 402, "budget_exhausted", "Budget exhausted"

    def __init__(self, budget: Budget, account: Account, amount_micros: int) -> None:
        self.budget_name = budget.name
        self.limit_micros = budget.limit_micros
        self.spent_micros = account.spent_micros
        self.held_micros = account.held_micros
        self.amount_micros = amount_micros
        self.owner = budget.team.name
        super().__init__(self._sentence(), extra={"budget": self._figures()})

    def _sentence(self) -> str:
        limit, spent = money.text(self.limit_micros), money.text(self.spent_micros)
        state = f"Budget *{self.budget_name}* is spent ({spent} of {limit} {settings.CURRENCY})."
        if self.spent_micros < self.limit_micros:
            held, needed = money.text(self.held_micros), money.text(self.amount_micros)
            state = (
                f"Budget *{self.budget_name}* has no room for {needed} {settings.CURRENCY}: "
                f"{spent} of {limit} is spent and {held} held for what is under way."
            )
        return f"{state} Ask its owner, team *{self.owner}*, to raise it."

    def _figures(self) -> dict[str, str]:
        return {
            "name": self.budget_name,
            "owner": self.owner,
            "limit": money.text(self.limit_micros),
            "spent": money.text(self.spent_micros),
            "held": money.text(self.held_micros),
        }


@dataclass(frozen=True)
class Spent:
    """What was spent on what. `kind`: `tool_call`, `presumed` (the call was lost), `correction`."""

    kind: str
    team_id: UUID
    agent_id: UUID | None
    agent_name: str
    tool_name: str
    subject_kind: str
    subject_id: UUID
    run_id: UUID | None
    amount_micros: int
    memo: str = ""


@dataclass(frozen=True)
class Held:
    """One hold: so much on one account."""

    id: UUID
    account_id: UUID
    amount_micros: int


def reserve(
    *,
    team_id: UUID,
    agent_id: UUID | None,
    amount_micros: int,
    subject_kind: str,
    subject_id: UUID,
    expires_at: datetime,
    at: datetime,
) -> tuple[Held, ...]:
    """Hold the amount on every budget that it counts against, or on none. Raises Exhausted.

    Call it as the last statement of the transaction that admits the act: it locks the accounts.
    Asked twice for one subject, it holds once. Returns the new holds, in the order of budget ids.
    """
    if amount_micros <= 0:
        return ()
    with transaction.atomic(savepoint=False):
        found = accounts.purses(team_id=team_id, agent_id=agent_id, subject_id=subject_id, at=at)
        wanted = [purse for purse in found if not purse.is_held]
        spent = _without_room(wanted, amount_micros)
        holds = [
            Hold(
                account_id=purse.account_id,
                team_id=team_id,
                subject_kind=subject_kind,
                subject_id=subject_id,
                amount_micros=amount_micros,
                expires_at=expires_at,
                created_at=at,
            )
            for purse in wanted
        ]
        if holds and spent is None:
            _HOLDS.run(*holds)
    # Said outside of the block: inside, it would undo the transaction that it is a part of.
    if spent is not None:
        raise _exhausted(spent, amount_micros)
    return tuple(Held(hold.id, hold.account_id, hold.amount_micros) for hold in holds)


def _without_room(purses: Sequence[Purse], amount_micros: int) -> Purse | None:
    """Take the amount of all of them, or of none: the first that had no room for it."""
    for place, purse in enumerate(purses):
        if not accounts.take(purse, amount_micros):
            for taken in purses[:place]:
                accounts.move(taken.account_id, freed=amount_micros)
            return purse
    return None


def _exhausted(purse: Purse, amount_micros: int) -> Exhausted:
    account = Account.objects.select_related("budget__team").get(id=purse.account_id)
    return Exhausted(account.budget, account, amount_micros)


def settle(*, subject_id: UUID, entry: Spent, held: Sequence[Held] | None = None) -> LedgerEntry:
    """Close the subject's holds, count the amount as spent, and write one ledger entry.

    A second time for the same subject and kind returns the entry that there is; corrections may
    repeat. What was never held, such as a presumed cost's correction, counts against the same
    accounts, or against today's where there were none. Who reserved may say what is `held`.
    """
    with transaction.atomic(savepoint=False):
        written = LedgerEntry(subject_id=subject_id, kind=entry.kind, **_columns(entry))
        if not _ENTRIES.run(written):
            found: LedgerEntry = LedgerEntry.objects.get(subject_id=subject_id, kind=entry.kind)
            return found
        _charge(subject_id, entry, _holds(subject_id) if held is None else held)
    return written


def _columns(entry: Spent) -> dict[str, object]:
    return {
        "team_id": entry.team_id,
        "agent_id": entry.agent_id,
        "agent_name": entry.agent_name,
        "tool_name": entry.tool_name,
        "subject_kind": entry.subject_kind,
        "run_id": entry.run_id,
        "amount_micros": entry.amount_micros,
        "memo": entry.memo,
        "created_at": clock.now(),
    }


def _charge(subject_id: UUID, entry: Spent, holds: Sequence[Held]) -> None:
    charged = set()
    for hold in holds:
        closed = _close(hold.id, HoldStatus.SETTLED)
        amount = 0 if hold.account_id in charged else entry.amount_micros
        charged.add(hold.account_id)
        accounts.move(hold.account_id, freed=hold.amount_micros if closed else 0, spent=amount)
    if not holds and entry.amount_micros:
        counted = accounts.purses(
            team_id=entry.team_id, agent_id=entry.agent_id, subject_id=subject_id, at=clock.now()
        )
        for purse in counted:
            accounts.move(purse.account_id, spent=entry.amount_micros)


def _held(subject_id: UUID) -> list[Hold]:
    rows = Hold.objects.filter(subject_id=subject_id)
    return list(rows.order_by("account__budget_id", "account_id", "id"))


def _holds(subject_id: UUID) -> list[Held]:
    return [Held(hold.id, hold.account_id, hold.amount_micros) for hold in _held(subject_id)]


def _close(hold_id: UUID, status: str) -> bool:
    """Whether it was this call that ended the hold."""
    return bool(_CLOSE.run({"status": status}, id=hold_id))


def _let_go(holds: Iterable[Hold], status: str) -> list[Hold]:
    ended = []
    for hold in holds:
        if _close(hold.id, status):
            accounts.move(hold.account_id, freed=hold.amount_micros)
            ended.append(hold)
    return ended


def release(*, subject_id: UUID) -> None:
    """Let go of what is held for the subject; nothing was spent."""
    with transaction.atomic():
        _let_go(_held(subject_id), HoldStatus.RELEASED)


def expire_holds() -> int:
    """Let go of holds past their time, at most 500 at once. Returns how many ended."""
    due = Hold.objects.filter(status=HoldStatus.HELD, expires_at__lte=clock.now())
    subjects = list(dict.fromkeys(due.order_by("expires_at").values_list("subject_id")[:BATCH]))
    return sum(_expire(subject_id) for (subject_id,) in subjects)


def _expire(subject_id: UUID) -> int:
    with transaction.atomic():
        now = clock.now()
        ended = _let_go(
            [hold for hold in _held(subject_id) if hold.expires_at <= now], HoldStatus.EXPIRED
        )
        for hold in ended:
            audit.record(
                "hold.expired",
                target_kind=hold.subject_kind,
                target_id=hold.subject_id,
                team_id=hold.team_id,
                amount=money.text(hold.amount_micros),
                expires_at=hold.expires_at,
            )
    return len(ended)


def spent_by_run(run_id: UUID) -> int:
    """What the run has cost so far, in micro-units."""
    found = LedgerEntry.objects.filter(run_id=run_id).aggregate(total=Sum("amount_micros"))
    return int(found["total"] or 0)


def current(budget: Budget) -> Account:
    """The account of this period; a fresh, unsaved one where nothing happened.

    Where `with_current` fetched the budget, its clock and its accounts are used.
    """
    start = period_start(budget.period, getattr(budget, "as_of", None) or clock.now())
    fetched: list[Account] | None = getattr(budget, "current", None)
    rows = budget.accounts.filter(period_start=start) if fetched is None else fetched
    found = next((each for each in rows if each.period_start == start), None)
    return found or Account(budget=budget, period_start=start)


def with_current(rows: QuerySet[Budget], at: datetime) -> QuerySet[Budget]:
    """The budgets as of `at`, each with its accounts of the periods then: one query for all."""
    starts = [period_start(period, at) for period in Period.values]
    accounts = Account.objects.filter(period_start__in=starts)
    fetched = Prefetch("accounts", queryset=accounts, to_attr="current")
    return rows.annotate(as_of=Value(at, output_field=DateTimeField())).prefetch_related(fetched)

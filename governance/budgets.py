"""Money: reserve it before an act, settle what was really spent, let go of what wasn't.

What is held stands beside what is spent, never in it, and every hold expires: a process that dies
leaks nothing. An account moves by conditional updates of its one row, always in the order of budget
ids, so that two calls neither overshoot a limit nor wait for each other in a circle.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, F, Prefetch, Q, QuerySet, Sum, Value
from kernel import clock, money
from kernel.problems import Problem

from governance import audit
from governance.models import Account, Budget, Hold, LedgerEntry
from governance.models.budgets import HoldStatus, Period

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = 500


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


def period_start(period: str, at: datetime) -> datetime:
    """When the period that `at` lies in began, in UTC; weeks begin on Monday."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == Period.DAY:
        return day
    if period == Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == Period.MONTH else EPOCH


def matching(team_id: UUID, agent_id: UUID | None) -> list[Budget]:
    """The live budgets of the team and of the agent, in the order in which they are held."""
    of_agent = Q(agent_id=agent_id) if agent_id else Q(pk__in=[])
    rows = Budget.objects.filter(Q(team_id=team_id, agent__isnull=True) | of_agent, is_active=True)
    return list(rows.select_related("team").order_by("id"))


def reserve(
    *,
    team_id: UUID,
    agent_id: UUID | None,
    amount_micros: int,
    subject_kind: str,
    subject_id: UUID,
    expires_at: datetime,
    at: datetime,
) -> None:
    """Hold the amount on every budget that it counts against, or on none. Raises Exhausted.

    Call it as the last statement of the transaction that admits the act: it locks the accounts.
    Asked twice for one subject, it holds once.
    """
    if amount_micros <= 0:
        return
    with transaction.atomic():
        held = set(
            Hold.objects.filter(subject_id=subject_id, status=HoldStatus.HELD).values_list(
                "account_id", flat=True
            )
        )
        for budget in matching(team_id, agent_id):
            account = _account(budget, at)
            if account.id in held:
                continue
            _take(budget, account, amount_micros)
            Hold.objects.create(
                account=account,
                team_id=team_id,
                subject_kind=subject_kind,
                subject_id=subject_id,
                amount_micros=amount_micros,
                expires_at=expires_at,
                created_at=at,
            )


def _account(budget: Budget, at: datetime) -> Account:
    start = period_start(budget.period, at)
    found = Account.objects.filter(budget=budget, period_start=start).first()
    if found is None:
        fresh = Account(budget=budget, period_start=start)
        Account.objects.bulk_create([fresh], ignore_conflicts=True)
        found = Account.objects.get(budget=budget, period_start=start)
    return found


def _take(budget: Budget, account: Account, amount_micros: int) -> None:
    # The limit as a number, not as a join: PostgreSQL checks the row's own columns again after
    # waiting for its lock, but not what a subquery found before.
    room = budget.limit_micros - amount_micros - F("held_micros")
    rows = Account.objects.filter(id=account.id, spent_micros__lte=room)
    if not rows.update(held_micros=F("held_micros") + amount_micros):
        account.refresh_from_db()
        raise Exhausted(budget, account, amount_micros)


def settle(*, subject_id: UUID, entry: Spent) -> LedgerEntry:
    """Close the subject's holds, count the amount as spent, and write one ledger entry.

    A second time for the same subject and kind returns the entry that there is; corrections may
    repeat. What was never held, such as a presumed cost's correction, counts against the same
    accounts, or against today's where there were none.
    """
    with transaction.atomic():
        if entry.kind != "correction":
            written, is_new = LedgerEntry.objects.get_or_create(
                subject_id=subject_id, kind=entry.kind, defaults=_columns(entry)
            )
            if not is_new:
                return written
        else:
            columns = _columns(entry)
            written = LedgerEntry.objects.create(subject_id=subject_id, kind=entry.kind, **columns)
        _charge(subject_id, entry)
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


def _charge(subject_id: UUID, entry: Spent) -> None:
    holds = _holds(subject_id)
    charged = set()
    for hold in holds:
        closed = _close(hold, HoldStatus.SETTLED)
        amount = 0 if hold.account_id in charged else entry.amount_micros
        charged.add(hold.account_id)
        Account.objects.filter(id=hold.account_id).update(
            held_micros=F("held_micros") - (hold.amount_micros if closed else 0),
            spent_micros=F("spent_micros") + amount,
        )
    if not holds and entry.amount_micros:
        now = clock.now()
        for budget in matching(entry.team_id, entry.agent_id):
            account = _account(budget, now)
            Account.objects.filter(id=account.id).update(
                spent_micros=F("spent_micros") + entry.amount_micros
            )


def _holds(subject_id: UUID) -> list[Hold]:
    rows = Hold.objects.filter(subject_id=subject_id)
    return list(rows.order_by("account__budget_id", "account_id", "id"))


def _close(hold: Hold, status: str) -> bool:
    """Whether it was this call that ended the hold."""
    rows = Hold.objects.filter(id=hold.id, status=HoldStatus.HELD)
    return bool(rows.update(status=status))


def _let_go(holds: Iterable[Hold], status: str) -> list[Hold]:
    ended = []
    for hold in holds:
        if _close(hold, status):
            Account.objects.filter(id=hold.account_id).update(
                held_micros=F("held_micros") - hold.amount_micros
            )
            ended.append(hold)
    return ended


def release(*, subject_id: UUID) -> None:
    """Let go of what is held for the subject; nothing was spent."""
    with transaction.atomic():
        _let_go(_holds(subject_id), HoldStatus.RELEASED)


def expire_holds() -> int:
    """Let go of holds past their time, at most 500 at once. Returns how many ended."""
    due = Hold.objects.filter(status=HoldStatus.HELD, expires_at__lte=clock.now())
    subjects = list(dict.fromkeys(due.order_by("expires_at").values_list("subject_id")[:BATCH]))
    return sum(_expire(subject_id) for (subject_id,) in subjects)


def _expire(subject_id: UUID) -> int:
    with transaction.atomic():
        now = clock.now()
        ended = _let_go(
            [hold for hold in _holds(subject_id) if hold.expires_at <= now], HoldStatus.EXPIRED
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

"""Money is held before an act and settled after it: never over a limit, never twice, never lost."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel import clock, ids

from governance import budgets
from governance.models import Account, AuditEvent, Hold, LedgerEntry
from governance.models.budgets import Period
from registry.models import Agent, Team
from tests import factories
from tests.governance.rows import in_an_hour, make_budget, spent

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def reserve(agent: Agent, amount: int, subject: UUID | None = None, **fields: Any) -> UUID:
    subject = subject or ids.uuid7()
    values: dict[str, Any] = {
        "team_id": agent.team_id,
        "agent_id": agent.id,
        "amount_micros": amount,
        "subject_kind": "tool_call",
        "subject_id": subject,
        "expires_at": in_an_hour(),
        "at": clock.now(),
    }
    budgets.reserve(**(values | fields))
    return subject


def state() -> tuple[int, int]:
    """(spent, held) of the only account."""
    account = Account.objects.get()
    return account.spent_micros, account.held_micros


def test_a_call_is_held_and_then_spent(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 40)
    assert state() == (0, 40)
    entry = budgets.settle(subject_id=subject, entry=spent(agent, 30, subject_id=subject))
    assert state() == (30, 0)
    assert (entry.amount_micros, entry.kind) == (30, "tool_call")
    assert Hold.objects.get().status == "settled"


def test_settling_twice_counts_once(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 40)
    entry = spent(agent, 40, subject_id=subject)
    first = budgets.settle(subject_id=subject, entry=entry)
    assert budgets.settle(subject_id=subject, entry=entry) == first
    assert LedgerEntry.objects.count() == 1
    assert state() == (40, 0)


def test_an_exhausted_budget_says_whose_it_is_and_holds_nothing(agent: Agent, team: Team) -> None:
    make_budget("of_agent", team, 1_000_000, agent=agent)
    make_budget("search_q3", team, 50_000_000)
    subject = reserve(agent, 999_000)
    budgets.settle(subject_id=subject, entry=spent(agent, 50_000_000, subject_id=subject))
    with pytest.raises(budgets.Exhausted) as told:
        reserve(agent, 10_000)
    assert told.value.budget_name == "of_agent"
    assert "Ask its owner, team *search*, to raise it." in str(told.value)
    make_budget("later", team, 10)
    Account.objects.filter(budget__name="of_agent").update(spent_micros=0)
    with pytest.raises(budgets.Exhausted) as told:
        reserve(agent, 5)
    assert str(told.value) == (
        "Budget *search_q3* is spent (50.00 of 50.00 USD). "
        "Ask its owner, team *search*, to raise it."
    )
    assert not Hold.objects.filter(status="held").exists()
    assert set(Account.objects.values_list("held_micros", flat=True)) == {0}


def test_what_is_held_counts_until_it_is_let_go(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 60)
    with pytest.raises(budgets.Exhausted, match="held for what is under way"):
        reserve(agent, 60)
    budgets.release(subject_id=subject)
    budgets.release(subject_id=subject)
    assert state() == (0, 0)
    reserve(agent, 60)
    assert state() == (0, 60)


def test_reserving_twice_for_one_call_holds_once(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 60)
    reserve(agent, 60, subject)
    assert state() == (0, 60)


def test_a_budget_of_another_team_or_agent_or_switched_off_is_not_touched(
    agent: Agent, team: Team, other_agent: Agent, other_team: Team
) -> None:
    make_budget("theirs", other_team, 1)
    make_budget("colleague", team, 1, agent=factories.make_agent("colleague", team))
    make_budget("off", team, 1, is_active=False)
    reserve(agent, 50)
    assert Account.objects.count() == 0


def test_a_free_call_needs_no_room(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 0)
    subject = reserve(agent, 0)
    budgets.settle(subject_id=subject, entry=spent(agent, 0, subject_id=subject))
    assert LedgerEntry.objects.get().amount_micros == 0


def test_a_hold_expires_by_itself_and_is_on_record(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 60)
    assert budgets.expire_holds() == 0
    with clock.shifted(timedelta(hours=2)):
        assert budgets.expire_holds() == 1
        assert budgets.expire_holds() == 0
    assert state() == (0, 0)
    line = AuditEvent.objects.get(event="hold.expired")
    assert (line.target_id, line.data["amount"]) == (str(subject), "0.00006")


def test_a_late_settlement_after_the_hold_expired_still_counts(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 60)
    with clock.shifted(timedelta(hours=2)):
        budgets.expire_holds()
    budgets.settle(subject_id=subject, entry=spent(agent, 60, subject_id=subject))
    assert state() == (60, 0)


def test_a_presumed_cost_is_corrected_by_another_entry(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    subject = reserve(agent, 60)
    presumed = spent(agent, 60, kind="presumed", subject_id=subject)
    budgets.settle(subject_id=subject, entry=presumed)
    for _ in range(2):
        correction = spent(agent, -20, kind="correction", subject_id=subject)
        budgets.settle(subject_id=subject, entry=correction)
    assert state() == (20, 0)
    assert sorted(LedgerEntry.objects.values_list("amount_micros", flat=True)) == [-20, -20, 60]


def test_what_was_never_held_counts_against_todays_accounts(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 100)
    entry = spent(agent, 30, kind="model")
    budgets.settle(subject_id=entry.subject_id, entry=entry)
    assert state() == (30, 0)


def test_a_runs_cost_is_the_sum_of_its_entries(agent: Agent) -> None:
    run = ids.uuid7()
    for amount in (10, 20):
        entry = spent(agent, amount, run_id=run)
        budgets.settle(subject_id=entry.subject_id, entry=entry)
    other = spent(agent, 5, run_id=ids.uuid7())
    budgets.settle(subject_id=other.subject_id, entry=other)
    assert budgets.spent_by_run(run) == 30
    assert budgets.spent_by_run(ids.uuid7()) == 0


@pytest.mark.parametrize(
    ("period", "start"),
    [
        (Period.DAY, datetime(2026, 3, 4, tzinfo=UTC)),
        (Period.WEEK, datetime(2026, 3, 2, tzinfo=UTC)),
        (Period.MONTH, datetime(2026, 3, 1, tzinfo=UTC)),
        (Period.TOTAL, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_period_begins_at_midnight_utc(period: str, start: datetime) -> None:
    assert budgets.period_start(period, datetime(2026, 3, 4, 23, 59, tzinfo=UTC)) == start


def test_a_new_period_starts_with_nothing_spent(agent: Agent, team: Team) -> None:
    make_budget("daily", team, 50, period=Period.DAY)
    reserve(agent, 50)
    with pytest.raises(budgets.Exhausted):
        reserve(agent, 1)
    reserve(agent, 50, at=clock.now() + timedelta(days=1))
    assert Account.objects.count() == 2


def test_settling_costs_the_same_however_long_the_ledger_is(agent: Agent, team: Team) -> None:
    make_budget("search_q3", team, 10_000)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            subject = reserve(agent, 1)
            budgets.settle(subject_id=subject, entry=spent(agent, 1, subject_id=subject))
        return len(seen)

    queries()
    before = queries()
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            kind="tool_call",
            team_id=team.id,
            subject_kind="x",
            subject_id=ids.uuid7(),
            amount_micros=1,
        )
        for _ in range(500)
    )
    assert queries() == before


def _together(work: Callable[[], object], threads: int) -> list[object]:
    """Run the work in threads that start at once; what each returned or raised."""
    barrier, found = threading.Barrier(threads), []

    def run() -> None:
        barrier.wait()
        try:
            found.append(work())
        except budgets.Exhausted as error:
            found.append(error)
        finally:
            connections.close_all()

    started = [threading.Thread(target=run) for _ in range(threads)]
    for each in started:
        each.start()
    for each in started:
        each.join()
    assert len(found) == threads, "a thread died"
    return found


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_never_overshoot() -> None:
    team = factories.make_team("search")
    agent = factories.make_agent("worker", team)
    make_budget("search_q3", team, 70)
    make_budget("of_agent", team, 1_000, agent=agent)

    found = _together(lambda: reserve(agent, 10), 16)

    assert sum(isinstance(each, UUID) for each in found) == 7
    assert sum(isinstance(each, budgets.Exhausted) for each in found) == 9
    held = dict(Account.objects.values_list("budget__name", "held_micros"))
    assert held == {"search_q3": 70, "of_agent": 70}


@pytest.mark.django_db(transaction=True)
def test_settling_at_once_counts_once() -> None:
    team = factories.make_team("search")
    agent = factories.make_agent("worker", team)
    make_budget("search_q3", team, 70)
    subject = reserve(agent, 10)
    entry = spent(agent, 10, subject_id=subject)

    found = _together(lambda: budgets.settle(subject_id=subject, entry=entry).id, 8)

    assert len(set(found)) == 1
    assert state() == (10, 0)


steps = st.lists(
    st.tuples(st.sampled_from(["reserve", "settle", "release", "expire"]), st.integers(1, 60)),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(steps=steps)
def test_whatever_happens_accounts_agree_with_holds_and_ledger(steps: list[Any]) -> None:
    suffix = ids.uuid7().hex
    team = factories.make_team(f"t-{suffix}"[:50])
    agent = factories.make_agent(f"a_{suffix}"[:60], team)
    budget = make_budget(f"b_{suffix}"[:60], team, 100)
    subjects: list[UUID] = []
    for verb, amount in steps:
        if verb == "reserve":
            try:
                subjects.append(reserve(agent, amount))
            except budgets.Exhausted:
                continue
        elif verb == "expire":
            with clock.shifted(timedelta(hours=2)):
                budgets.expire_holds()
        elif subjects:
            subject = subjects[amount % len(subjects)]
            if verb == "release":
                budgets.release(subject_id=subject)
            else:
                # Never more than was held for it.
                held = Hold.objects.filter(subject_id=subject).first()
                assert held is not None
                entry = spent(agent, held.amount_micros, subject_id=subject)
                budgets.settle(subject_id=subject, entry=entry)
    _agrees(budget.id)


def _agrees(budget_id: UUID) -> None:
    account = Account.objects.filter(budget_id=budget_id).first()
    if account is None:
        return
    live = Hold.objects.filter(account=account, status="held")
    assert account.held_micros == sum(live.values_list("amount_micros", flat=True))
    ledger = LedgerEntry.objects.filter(team_id=account.budget.team_id)
    assert account.spent_micros == sum(ledger.values_list("amount_micros", flat=True))

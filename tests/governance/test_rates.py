"""Rate limits let in what they say, exactly, however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from kernel import clock, ids

from governance import rates
from governance.models import RateBucket
from governance.rates import Limited, Party, Rate

AT = datetime(2026, 3, 4, 10, 23, tzinfo=UTC)
PARTY = Party(agent_id=ids.uuid7(), agent="worker", team_id=ids.uuid7(), tool="search_code")


def bucket(calls: int = 3, seconds: int = 60, key: str = "agent:1|tool:t") -> Rate:
    return Rate(key, calls, seconds, "Tool t takes 3 calls a minute from agent worker")


def taken(rate: Rate, at: datetime) -> bool:
    try:
        rates.take([rate], at)
    except Limited:
        return False
    return True


@pytest.mark.django_db
def test_the_whole_allowance_may_be_used_at_once_and_comes_back_evenly() -> None:
    rate = bucket()
    assert [taken(rate, AT) for _ in range(4)] == [True, True, True, False]
    assert not taken(rate, AT + timedelta(seconds=19))
    assert taken(rate, AT + timedelta(seconds=20))
    assert not taken(rate, AT + timedelta(seconds=20))


@pytest.mark.django_db
def test_an_idle_bucket_holds_no_more_than_its_allowance() -> None:
    rate = bucket()
    assert taken(rate, AT)
    later = AT + timedelta(days=3)
    assert [taken(rate, later) for _ in range(4)] == [True, True, True, False]


@pytest.mark.django_db
def test_who_is_limited_is_told_when_to_come_back() -> None:
    rate = bucket(calls=1)
    rates.take([rate], AT)
    with pytest.raises(Limited) as refused:
        rates.take([rate], AT + timedelta(seconds=10))
    assert refused.value.retry_after == 50
    assert refused.value.headers["Retry-After"] == "50"
    assert "Try again in 50 s" in str(refused.value.detail)


@pytest.mark.django_db
def test_a_call_that_one_bucket_refuses_takes_nothing_from_the_others() -> None:
    wide, narrow = bucket(calls=9, key="a"), bucket(calls=1, key="b")
    rates.take([wide, narrow], AT)
    before = RateBucket.objects.get(key="a").tat
    with pytest.raises(Limited):
        rates.take([wide, narrow], AT)
    assert RateBucket.objects.get(key="a").tat == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_sixteen_threads_get_exactly_what_there_is() -> None:
    rate = bucket(calls=20, seconds=3600)

    def one(_: int) -> bool:
        try:
            return taken(rate, AT)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(64))) == 20


@given(
    calls=st.integers(1, 50),
    seconds=st.sampled_from([1, 60, 3600]),
    gaps=st.lists(st.integers(0, 5_000_000), max_size=60),
)
@pytest.mark.django_db
def test_no_window_lets_in_more_than_its_share(calls: int, seconds: int, gaps: list[int]) -> None:
    """In any span the calls let in are at most the allowance and what flows back meanwhile."""
    RateBucket.objects.all().delete()
    rate, at, let_in = bucket(calls, seconds), AT, []
    for gap in gaps:
        at += timedelta(microseconds=gap)
        if taken(rate, at):
            let_in.append(at)
    for first, start in enumerate(let_in):
        for last in range(first, len(let_in)):
            span = (let_in[last] - start).total_seconds()
            assert last - first + 1 <= calls + span * calls / seconds + 1e-6


def test_a_tools_rates_are_its_own_and_a_rules_rates_the_rules() -> None:
    (of_tool,) = rates.of_tool({"agent": "60/minute"}, PARTY)
    assert of_tool.key == f"agent:{PARTY.agent_id}|tool:search_code"
    assert (of_tool.calls, of_tool.seconds) == (60, 60)
    (of_rule,) = rates.of_policy(["few_calls/rule_1 team 9/hour"], PARTY)
    assert of_rule.key == f"team:{PARTY.team_id}|few_calls/rule_1"
    assert of_rule.told == "Policy *few_calls* allows 9 calls per hour to the team"


@pytest.mark.django_db
def test_buckets_that_are_full_for_a_day_are_swept() -> None:
    rates.take([bucket(key="old")], AT)
    with clock.frozen(AT + timedelta(hours=25)):
        rates.take([bucket(key="new")], clock.now())
        assert rates.sweep() == 1
    assert list(RateBucket.objects.values_list("key", flat=True)) == ["new"]

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kernel import clock

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_the_clock_is_in_utc_and_moves():
    first = clock.now()
    assert first.tzinfo is UTC
    assert clock.now() >= first


def test_a_shift_ends_with_its_block():
    with clock.shifted(timedelta(days=2)):
        assert clock.now() > datetime.now(UTC) + timedelta(days=1)
    assert clock.now() < datetime.now(UTC) + timedelta(days=1)


def test_frozen_time_stands_still():
    at = datetime(2026, 3, 4, 10, 23, tzinfo=UTC)
    with clock.frozen(at), clock.shifted(timedelta(minutes=1)):
        assert clock.now() == clock.now() == at + timedelta(minutes=1)


def test_an_operation_counts_on_from_one_reading():
    with clock.operation():
        first = clock.now()
        with CaptureQueriesContext(connection) as asked, clock.operation():
            second = clock.now()
            with clock.shifted(timedelta(days=2)):
                assert clock.now() > second + timedelta(days=1)
        assert first < second < first + timedelta(seconds=clock.FRESH_SECONDS)
        assert not asked.captured_queries


def test_an_old_reading_is_renewed(monkeypatch: pytest.MonkeyPatch):
    with clock.operation():
        clock.now()
        before = clock._steady()
        monkeypatch.setattr(clock, "_steady", lambda: before + 60)
        assert clock.now() < datetime.now(UTC) + timedelta(seconds=30)


def test_what_a_query_heard_is_the_operations_reading():
    at = datetime(2026, 3, 4, 10, 23, tzinfo=UTC)
    clock.heard(at)
    assert clock.now() > at + timedelta(days=1)
    with clock.operation():
        clock.heard(at)
        assert at <= clock.now() < at + timedelta(seconds=clock.FRESH_SECONDS)

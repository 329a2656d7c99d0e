from datetime import UTC, datetime, timedelta

import pytest
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

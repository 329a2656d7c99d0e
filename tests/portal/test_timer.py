"""One timer works, the others stand by, and nothing that fails ends the loop."""

import threading
import time
from datetime import timedelta

import pytest
from kernel import clock, ids, outbox
from kernel.models import Outbox
from portal import timer
from portal.timer import LEASE_ID, Duty, Lease, Timer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_one_timer_holds_the_lease_and_the_other_stands_by() -> None:
    one, other = Lease(ids.uuid7()), Lease(ids.uuid7())
    assert one.hold()
    assert not other.hold()
    assert one.hold()


def test_who_lets_go_is_followed_at_once() -> None:
    one, other = Lease(ids.uuid7()), Lease(ids.uuid7())
    assert one.hold()
    one.release()
    assert other.hold()


def test_a_dead_timer_is_followed_when_its_time_is_over() -> None:
    one, other = Lease(ids.uuid7()), Lease(ids.uuid7())
    assert one.hold()
    with clock.shifted(timer.LEASE + timedelta(seconds=1)):
        assert other.hold()
    one.asked = float("-inf")
    assert not one.hold()


def test_a_timer_that_was_overtaken_does_not_release_what_it_no_longer_holds() -> None:
    one, other = Lease(ids.uuid7()), Lease(ids.uuid7())
    assert one.hold()
    with clock.shifted(timer.LEASE + timedelta(seconds=1)):
        assert other.hold()
    one.release()
    assert Outbox.objects.get(id=LEASE_ID).claimed_until is not None


def test_the_lease_is_never_delivered() -> None:
    assert Lease(ids.uuid7()).hold()
    with clock.shifted(timedelta(days=365 * 100)):
        assert outbox.due() == []


def test_a_failing_duty_is_called_again_and_keeps_nobody_back() -> None:
    called: list[str] = []

    def fail() -> None:
        called.append("failing")
        raise ValueError("on purpose")

    loop = Timer([Duty("failing", 0.0, fail), Duty("good", 0.0, lambda: called.append("good"))])
    loop._tick()
    loop._tick()
    assert called == ["failing", "good"] * 2


def test_a_duty_is_not_called_before_its_period_is_over() -> None:
    called: list[int] = []
    loop = Timer([Duty("rare", 60.0, lambda: called.append(1))])
    loop._tick()
    loop._tick()
    assert called == [1]


@pytest.mark.django_db(transaction=True)
def test_the_loop_sweeps_what_lost_its_nudge(monkeypatch: pytest.MonkeyPatch) -> None:
    nudged = threading.Event()
    monkeypatch.setattr(outbox.wiring, "nudge", lambda row_id, topic: nudged.set())
    Outbox.objects.create(topic="nothing", subject_id=ids.uuid7(), due_at=clock.now())
    loop = Timer(timer.duties())
    loop.start()
    try:
        assert nudged.wait(10)
    finally:
        loop.stop()
    assert Outbox.objects.get(id=LEASE_ID).claimed_until is None


def test_stopping_takes_no_longer_than_a_tick() -> None:
    loop = Timer([])
    loop.start()
    began = time.monotonic()
    loop.stop()
    assert time.monotonic() - began < 2

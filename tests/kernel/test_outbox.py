from datetime import timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest
from django.db import connections, transaction
from kernel import clock, ids, outbox
from kernel.models import Outbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

TOPIC = "test.topic"


@pytest.fixture
def received(monkeypatch):
    """The subjects that arrived, in order."""
    arrived: list[UUID] = []
    monkeypatch.setitem(outbox.wiring.receivers, TOPIC, arrived.append)
    monkeypatch.setattr(outbox.wiring, "nudge", lambda row_id, topic: None)
    return arrived


def put(**when) -> UUID:
    subject = ids.uuid7()
    with transaction.atomic():
        outbox.put(TOPIC, subject, **when)
    return subject


def test_a_row_is_delivered_and_gone(received):
    subject = put()
    assert outbox.drain() == 1
    assert received == [subject]
    assert not Outbox.objects.exists()


def test_a_commit_nudges_and_a_rollback_leaves_nothing(received, monkeypatch):
    nudged: list[str] = []
    monkeypatch.setattr(outbox.wiring, "nudge", lambda row_id, topic: nudged.append(topic))
    put()
    with pytest.raises(RuntimeError), transaction.atomic():
        outbox.put(TOPIC, ids.uuid7())
        raise RuntimeError
    assert nudged == [TOPIC]
    assert Outbox.objects.count() == 1


def test_a_broker_that_is_away_loses_nothing(received, monkeypatch):
    def away(row_id: UUID, topic: str) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(outbox.wiring, "nudge", away)
    subject = put()
    outbox.drain()
    assert received == [subject]


def test_a_row_waits_until_it_is_due(received):
    subject = put(due_at=clock.now() + timedelta(hours=1))
    assert outbox.drain() == 0
    with clock.shifted(timedelta(hours=2)):
        assert outbox.drain() == 1
    assert received == [subject]


def test_a_failing_receiver_is_asked_again_later(monkeypatch, received):
    def failing(subject: UUID) -> None:
        raise ValueError("not yet")

    subject = put()
    monkeypatch.setitem(outbox.wiring.receivers, TOPIC, failing)
    row = Outbox.objects.get()
    assert not outbox.deliver(row.id)
    row.refresh_from_db()
    assert "not yet" in row.last_error
    assert row.due_at > clock.now()
    monkeypatch.setitem(outbox.wiring.receivers, TOPIC, received.append)
    with clock.shifted(timedelta(minutes=1)):
        outbox.drain()
    assert received == [subject]


def test_a_claim_that_was_left_behind_ends(received):
    subject = put()
    assert outbox._claim(Outbox.objects.get().id) is not None
    assert outbox.drain() == 0
    with clock.shifted(outbox.LEASE * 2):
        outbox.drain()
    assert received == [subject]


def test_one_row_is_delivered_by_one_of_many_workers(received):
    put()
    row_id = Outbox.objects.get().id
    barrier = Barrier(8)

    def work() -> None:
        barrier.wait()
        outbox.deliver(row_id)
        connections.close_all()

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(received) == 1


def test_an_unknown_topic_stays_with_its_reason(received):
    with transaction.atomic():
        outbox.put("nobody.listens", ids.uuid7())
    outbox.drain()
    assert "no receiver" in Outbox.objects.get().last_error

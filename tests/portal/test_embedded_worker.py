"""The worker inside the serving process delivers, and a busy queue keeps no other back."""

import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.conf import settings
from kernel import ids, outbox
from kernel.models import Outbox
from portal import topics
from portal.celery import app
from portal.worker import QUEUES, Worker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not settings.EMBEDDED, reason="the broker in memory is SQLite's part"),
]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setitem(topics.QUEUES, "test.slow", "calls")
    monkeypatch.setitem(topics.QUEUES, "test.quick", "engine")
    found = Worker()
    found.start()
    yield found
    found.stop(grace=5)


def test_what_is_put_is_delivered_once(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[UUID] = []
    monkeypatch.setitem(outbox.wiring.receivers, "test.quick", received.append)
    subjects = [ids.uuid7() for _ in range(50)]
    for subject in subjects:
        outbox.put("test.quick", subject)
    _until(lambda: not Outbox.objects.filter(topic="test.quick").exists())
    assert sorted(received) == sorted(subjects)


def test_a_queue_that_is_busy_keeps_no_other_back(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, quick = threading.Event(), threading.Event()
    monkeypatch.setitem(outbox.wiring.receivers, "test.slow", lambda _: go_on.wait(20))
    monkeypatch.setitem(outbox.wiring.receivers, "test.quick", lambda _: quick.set())
    for _ in range(QUEUES["calls"] * 5):
        outbox.put("test.slow", ids.uuid7())
    time.sleep(0.2)
    outbox.put("test.quick", ids.uuid7())
    try:
        assert quick.wait(5), "the engine waited for a slot of the calls"
    finally:
        go_on.set()
    _until(lambda: not Outbox.objects.filter(topic="test.slow").exists())


def test_stopping_waits_for_what_is_at_work_and_no_longer_than_asked(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_: UUID) -> None:
        begun.set()
        go_on.wait(20)

    monkeypatch.setitem(outbox.wiring.receivers, "test.slow", work)
    outbox.put("test.slow", ids.uuid7())
    assert begun.wait(5)
    began = time.monotonic()
    assert not worker.stop(grace=0.3)
    assert time.monotonic() - began < 2
    go_on.set()
    assert worker.stop(grace=5)


def test_a_thread_of_the_pool_leaves_no_open_transaction(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def fail(_: UUID) -> None:
        done.set()
        raise ValueError("on purpose")

    monkeypatch.setitem(outbox.wiring.receivers, "test.quick", fail)
    outbox.put("test.quick", ids.uuid7())
    assert done.wait(5)
    _until(lambda: Outbox.objects.get(topic="test.quick").last_error != "")
    assert Outbox.objects.get(topic="test.quick").last_error == "ValueError: on purpose"


def test_the_queues_of_the_table_have_a_pool() -> None:
    assert set(topics.QUEUES.values()) <= set(QUEUES)
    assert app.conf.task_default_queue in QUEUES


def _until(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)

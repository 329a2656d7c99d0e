"""Statements that travel together are all as expected, or all undone."""

from contextlib import suppress
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext
from kernel import clock, ids, prepared
from kernel.models import Outbox
from kernel.prepared import slot
from kernel.together import Unlike, ahead, atomically

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ADD = prepared.Insert(Outbox)
ADD_ONCE = prepared.Insert(Outbox, ignore_conflicts=True)
MOVE = prepared.Update(lambda: Outbox.objects.filter(id=slot(Outbox, "id")))
MOVE_ALL = prepared.Update(lambda: Outbox.objects.filter(topic=slot(Outbox, "topic")))
COUNT = prepared.Select(lambda: Outbox.objects.filter(topic=slot(Outbox, "topic")))


def row(**more: Any) -> Outbox:
    return Outbox(topic="t", subject_id=ids.uuid7(), due_at=clock.now(), **more)


def test_what_is_as_expected_is_written() -> None:
    one = row()
    one.save()
    with atomically():
        assert ADD.run(row(), row()) == 2
        assert MOVE.run({"attempts": 7}, id=one.id) == 1
        assert ADD_ONCE.run(row()) == 1
    assert Outbox.objects.get(id=one.id).attempts == 7
    assert Outbox.objects.count() == 4


def test_an_update_that_finds_nothing_undoes_all() -> None:
    told = r"\(1,1,1\): 1,0,1" if connection.vendor == "postgresql" else "0 rows instead of 1"
    with pytest.raises(Unlike, match=told), atomically():
        ADD.run(row())
        MOVE.run({"attempts": 7}, id=ids.uuid7())
        ADD.run(row())
    assert not Outbox.objects.exists()


def test_an_update_of_several_rows_undoes_all() -> None:
    for _ in range(2):
        row().save()
    with pytest.raises(Unlike), atomically():
        MOVE_ALL.run({"attempts": 7}, topic="t")
    assert not Outbox.objects.filter(attempts=7).exists()


def test_a_conflict_undoes_all() -> None:
    one = row()
    one.save()
    with pytest.raises(Unlike), atomically():
        ADD.run(row())
        ADD_ONCE.run(row(id=one.id))
    assert Outbox.objects.count() == 1


def test_a_broken_rule_undoes_all_and_the_connection_goes_on() -> None:
    one = row()
    one.save()
    with pytest.raises(Unlike), atomically():
        ADD.run(row())
        ADD.run(row(id=one.id))
    assert Outbox.objects.count() == 1


def test_what_the_database_cannot_take_is_no_matter_of_rows() -> None:
    is_postgresql = connection.vendor == "postgresql"
    odd = row() if is_postgresql else row(attempts=2**70)
    odd.topic = "t" * 10_000
    with pytest.raises((DataError, OverflowError)), atomically():
        ADD.run(odd)
    assert not Outbox.objects.exists()


def test_nothing_is_written_before_the_end_or_with_an_error_of_ones_own() -> None:
    with pytest.raises(ZeroDivisionError), atomically():
        ADD.run(row())
        raise ZeroDivisionError
    assert not Outbox.objects.exists()
    ADD.run(row())
    assert Outbox.objects.count() == 1


def test_a_question_never_overtakes_what_waits() -> None:
    """Either it sees what was written before it, or the careful way is taken."""
    with suppress(Unlike), atomically():
        assert COUNT.rows(topic="t") == []
        ADD.run(row())
        assert len(COUNT.rows(topic="t")) == 1
    assert Outbox.objects.count() in (0, 1)


def test_statements_that_were_watched_are_the_same() -> None:
    """Whoever watches the statements sees each by itself."""
    one = row()
    one.save()
    with CaptureQueriesContext(connection) as watched, atomically():
        ADD.run(row())
        MOVE.run({"attempts": 7}, id=one.id)
    assert sum("outbox" in each["sql"] for each in watched.captured_queries) == 2
    with pytest.raises(Unlike), CaptureQueriesContext(connection), atomically():
        ADD.run(row())
        MOVE.run({"attempts": 8}, id=ids.uuid7())
    assert Outbox.objects.count() == 2


def test_a_question_takes_along_those_that_were_told_ahead() -> None:
    row().save()
    with ahead(COUNT.question(topic="t"), COUNT.question(topic="u")):
        assert COUNT.rows(topic="v") == []
        assert len(COUNT.rows(topic="t")) == 1
        assert COUNT.rows(topic="u") == []


def test_an_answer_is_given_once() -> None:
    with ahead(COUNT.question(topic="t")):
        assert COUNT.rows(topic="u") == []
        assert COUNT.rows(topic="t") == []
        row().save()
        assert len(COUNT.rows(topic="t")) == 1


def test_what_was_told_ahead_answers_in_a_transaction_that_began_later() -> None:
    with ahead(COUNT.question(topic="t")):
        assert COUNT.rows(topic="u") == []
        row().save()
        with transaction.atomic():
            known = connection.vendor == "postgresql"
            assert len(COUNT.rows(topic="t")) == (0 if known else 1)
            assert len(COUNT.rows(topic="t")) == 1


def test_nothing_told_ahead_outlives_its_block() -> None:
    with ahead(COUNT.question(topic="t")):
        assert COUNT.rows(topic="u") == []
        row().save()
    assert len(COUNT.rows(topic="t")) == 1

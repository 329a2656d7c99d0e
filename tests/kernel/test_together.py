"""Statements that travel together are all as expected, or all undone."""

from typing import Any

import pytest
from django.db import connection, transaction
from kernel import clock, ids, prepared
from kernel.models import Outbox
from kernel.prepared import slot
from kernel.together import Unlike, ahead, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ADD = prepared.Insert(Outbox)
ADD_ONCE = prepared.Insert(Outbox, ignore_conflicts=True)
MOVE = prepared.Update(lambda: Outbox.objects.filter(id=slot(Outbox, "id")))
COUNT = prepared.Select(lambda: Outbox.objects.filter(topic=slot(Outbox, "topic")))


def row(**more: Any) -> Outbox:
    return Outbox(topic="t", subject_id=ids.uuid7(), due_at=clock.now(), **more)


def test_what_is_as_expected_is_written() -> None:
    one = row()
    with transaction.atomic(), together():
        assert ADD.run(one, row()) == 2
        assert MOVE.run({"attempts": 7}, id=one.id) == 1
    assert Outbox.objects.get(id=one.id).attempts == 7
    assert Outbox.objects.count() == 2


def test_a_question_sees_what_was_sent_before_it() -> None:
    with transaction.atomic(), together():
        ADD.run(row())
        assert len(COUNT.rows(topic="t")) == 1


def test_an_update_that_finds_nothing_undoes_the_transaction() -> None:
    with pytest.raises(Unlike, match="0 rows instead of 1"), transaction.atomic(), together():
        ADD.run(row())
        MOVE.run({"attempts": 7}, id=ids.uuid7())
        ADD.run(row())
    assert not Outbox.objects.exists()


def test_a_conflict_undoes_the_transaction() -> None:
    one = row()
    one.save()
    with pytest.raises(Unlike), transaction.atomic(), together():
        ADD_ONCE.run(row(id=one.id))
        ADD.run(row())
    assert Outbox.objects.count() == 1


def test_a_broken_rule_undoes_the_transaction_and_the_connection_goes_on() -> None:
    one = row()
    one.save()
    with pytest.raises(Unlike), transaction.atomic(), together():
        ADD.run(row(id=one.id))
        ADD.run(row())
    assert Outbox.objects.count() == 1


def test_what_waits_is_dropped_with_an_error_of_ones_own() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), together():
        ADD.run(row())
        raise ZeroDivisionError
    ADD.run(row())
    assert Outbox.objects.count() == 1


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
        with transaction.atomic(), together():
            ADD.run(row())
            known = connection.vendor == "postgresql"
            assert len(COUNT.rows(topic="t")) == (0 if known else 1)
            assert len(COUNT.rows(topic="t")) == 1


def test_nothing_told_ahead_outlives_its_block() -> None:
    with ahead(COUNT.question(topic="t")):
        assert COUNT.rows(topic="u") == []
        row().save()
    assert len(COUNT.rows(topic="t")) == 1

"""A prepared statement asks and writes what the ORM's own would, again and again."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from kernel import clock, ids, prepared
from kernel.models import Outbox
from kernel.prepared import slot

from registry.models import Agent, Credential, Team
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_a_select_makes_the_instances_that_the_queryset_makes(agent: Agent, key: str) -> None:
    def build(prefix: object):
        rows = Credential.objects.select_related("agent__team", "for_team")
        return rows.annotate(read_at=clock.DatabaseClock()).filter(prefix=prefix)

    found = prepared.Select(lambda: build(slot(Credential, "prefix")))
    other = factories.make_key(agent)
    for text in (key, other):
        prefix = text.split("_")[1]
        theirs, ours = build(prefix).get(), found.first(prefix=prefix)
        assert ours == theirs
        with CaptureQueriesContext(connection) as asked:
            assert ours.agent.team == theirs.agent.team
            assert ours.for_team is None
            assert vars(ours).keys() == vars(theirs).keys()
        assert not asked.captured_queries
        values = {k: v for k, v in vars(ours).items() if k not in ("_state", "read_at")}
        assert values == {k: vars(theirs)[k] for k in values}
    assert found.first(prefix="nobody") is None


def test_a_select_of_values_makes_tuples_in_their_order(agent: Agent, team: Team) -> None:
    found = prepared.Select(
        lambda: Agent.objects.filter(team_id=slot(Agent, "team")).values_list("team__name", "name")
    )
    assert found.rows(team=team.id) == [("search", "worker")]
    assert found.rows(team=agent.id) == []


def test_an_update_changes_what_fits_and_says_how_many() -> None:
    row = Outbox.objects.create(topic="run.advance", subject_id=ids.uuid7(), due_at=clock.now())
    move = prepared.Update(
        lambda: Outbox.objects.filter(id=slot(Outbox, "id"), attempts=slot(Outbox, "attempts")),
        attempts=F("attempts") + 1,
    )
    later = clock.now() + timedelta(hours=1)
    assert move.run({"due_at": later, "last_error": "late"}, id=row.id, attempts=0) == 1
    assert move.run({"due_at": later}, id=row.id, attempts=0) == 0
    assert move.run(id=row.id, attempts=1) == 1
    row.refresh_from_db()
    assert (row.attempts, row.due_at, row.last_error) == (2, later, "late")


def test_an_insert_writes_every_field_and_says_how_many_are_new() -> None:
    insert = prepared.Insert(Outbox, ignore_conflicts=True)
    made = [Outbox(topic=topic, subject_id=ids.uuid7(), due_at=clock.now()) for topic in ("a", "b")]
    assert insert.run(*made) == 2
    assert insert.run(made[0]) == 0
    for each in made:
        kept = Outbox.objects.get(id=each.id)
        assert {k: v for k, v in vars(kept).items() if k != "_state"} == {
            k: v for k, v in vars(each).items() if k != "_state"
        }
        assert not each._state.adding


def test_the_server_keeps_the_plan(team: Team) -> None:
    found = prepared.Select(lambda: Team.objects.filter(name=slot(Team, "name")).order_by("id"))
    assert found.first(name="search") == team
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement FROM pg_prepared_statements")
            kept = [statement for (statement,) in cursor.fetchall()]
        assert any("registry_team" in each and "$1" in each for each in kept), kept

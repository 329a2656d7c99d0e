"""A permission is given by somebody, for a reason, and it ends."""

from datetime import timedelta
from typing import Any

import pytest
from kernel import actor, clock
from kernel.catalogue import CatalogueError
from kernel.problems import Invalid

from governance import catalogue, grants
from governance.models import AuditEvent, Budget, Grant
from registry.models import Agent, User
from tests import factories

pytestmark = pytest.mark.django_db


def give(agent: Agent, root: User, **fields: Any) -> Grant:
    factories.make_permission("code_execution")
    with actor.acting(root.actor):
        return grants.give(
            agent, "code_execution", by=root.actor, **({"reason": "It runs tests."} | fields)
        )


def test_a_grant_gives_the_permission_and_is_on_record(agent: Agent, root: User) -> None:
    assert grants.live(agent.id, clock.now()) == frozenset()
    grant = give(agent, root)
    assert grants.live(agent.id, clock.now()) == {"code_execution"}
    assert grant.granted_by == "user:root"
    line = AuditEvent.objects.get(event="grant.given")
    assert (line.actor_name, line.team_id) == ("root", agent.team_id)
    assert line.target_name == "code_execution for worker"


def test_another_agent_gets_nothing_by_it(agent: Agent, other_agent: Agent, root: User) -> None:
    give(agent, root)
    assert grants.live(other_agent.id, clock.now()) == frozenset()


def test_a_grant_ends_by_itself(agent: Agent, root: User) -> None:
    grant = give(agent, root, ends_at=clock.now() + timedelta(hours=1))
    assert grants.state(grant, clock.now()) == "live"
    with clock.shifted(timedelta(hours=2)):
        assert grants.live(agent.id, clock.now()) == frozenset()
        assert grants.state(grant, clock.now()) == "ended"


def test_a_grant_begins_when_it_says(agent: Agent) -> None:
    grant = factories.grant(agent, "x", starts_at=clock.now() + timedelta(hours=1))
    assert grants.live(agent.id, clock.now()) == frozenset()
    assert grants.state(grant, clock.now()) == "not yet"


def test_a_revoked_grant_is_over_and_stays_on_record(agent: Agent, root: User) -> None:
    grant = give(agent, root)
    assert grants.revoke(grant, by=root.actor)
    assert not grants.revoke(grant, by=root.actor)
    assert grants.live(agent.id, clock.now()) == frozenset()
    assert grants.state(grant, clock.now()) == "revoked"
    assert AuditEvent.objects.filter(event="grant.revoked").count() == 1
    assert Grant.objects.get().history.count() == 2


@pytest.mark.parametrize(
    ("name", "fields", "pointer"),
    [
        ("fly", {"reason": "x"}, "/permission"),
        ("code_execution", {"reason": " "}, "/reason"),
        ("code_execution", {"reason": "x", "ends_at": -1}, "/ends_at"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_with_its_place(
    agent: Agent, root: User, name: str, fields: dict[str, Any], pointer: str
) -> None:
    factories.make_permission("code_execution")
    if "ends_at" in fields:
        fields = fields | {"ends_at": clock.now() - timedelta(hours=1)}
    with pytest.raises(Invalid) as error:
        grants.give(agent, name, by=root.actor, **fields)
    assert error.value.errors[0].pointer == pointer
    assert Grant.objects.count() == 0


def test_a_catalogue_gives_once(agent: Agent) -> None:
    factories.make_permission("code_execution")
    entry = {"kind": "grant", "agent": "worker", "permission": "code_execution", "reason": "x"}
    assert catalogue.apply_grant(entry).act == "create"
    assert catalogue.apply_grant(entry).act == "unchanged"
    assert catalogue.export_grants() == [entry | {"name": "worker:code_execution"}]
    for fault, place in (({"agent": "nobody"}, "/agent"), ({"permission": "fly"}, "/permission")):
        with pytest.raises(CatalogueError, match=place):
            catalogue.apply_grant(entry | fault)


def test_a_catalogue_sets_budgets(agent: Agent) -> None:
    entry = {
        "kind": "budget",
        "name": "search_q3",
        "team": "search",
        "agent": "worker",
        "period": "day",
        "limit": "12.50",
        "is_active": True,
    }
    assert catalogue.apply_budget(entry).act == "create"
    assert catalogue.apply_budget(entry).act == "unchanged"
    assert catalogue.export_budgets() == [entry]
    assert catalogue.apply_budget(entry | {"limit": 13}).act == "update"
    assert Budget.objects.get().limit_micros == 13_000_000
    for fault, place in (
        ({"limit": "much"}, "/limit"),
        ({"limit": -1, "name": "other"}, "budget_not_negative"),
        ({"period": "decade"}, "/period"),
        ({"team": "nobody"}, "/team"),
    ):
        with pytest.raises(CatalogueError, match=place):
            catalogue.apply_budget(entry | fault)

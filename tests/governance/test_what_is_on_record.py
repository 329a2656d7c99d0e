"""Every act of weight leaves one line, with who did it, and without what must not be written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from guardian.shortcuts import assign_perm, remove_perm
from kernel import actor, clock

from governance import audit
from governance.events import EVENTS
from governance.models import AuditEvent
from registry.models import Agent, Team, User
from tests import factories

pytestmark = pytest.mark.django_db


def lines(*events: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event__in=events).order_by("id"))


def test_a_line_says_who_did_what_to_what(team: Team, root: User) -> None:
    with actor.acting(root.actor):
        line = audit.record(
            "run.started",
            target_kind="run",
            target_name="x",
            team_id=team.id,
            steps=3,
            at_=clock.now(),
        )
    line.refresh_from_db()
    assert (line.actor_kind, line.actor_id, line.actor_name) == ("user", root.id, "root")
    assert line.data["steps"] == 3


def test_a_name_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(audit.UnknownEvent, match=r"run\.flew"):
        audit.record("run.flew")
    assert not lines("run.flew")


def test_every_event_is_a_noun_and_a_verb() -> None:
    assert len(EVENTS) > 80
    assert all(event.count(".") == 1 and label for event, label in EVENTS.items())
    assert max(map(len, EVENTS)) <= 60


def test_the_line_falls_with_the_act() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        audit.record("run.started")
        raise RuntimeError
    assert not lines("run.started")


def test_hostile_text_is_stored_as_what_it_can_be() -> None:
    audit.record(
        "run.started", target_name="a\x00b" + "x" * 500, target_id="\ud800", n=float("nan")
    )
    line = AuditEvent.objects.get(event="run.started")
    assert line.target_name.startswith("a\ufffdb") and len(line.target_name) == 300
    assert line.target_id == "?"
    assert line.data == {"n": "nan"}


def test_what_a_stranger_repeats_is_written_once_a_minute() -> None:
    def seen() -> list[dict[str, Any]]:
        return [line.data for line in lines("credential.used_invalid")]

    for _ in range(5):
        audit.record_seldom("credential.used_invalid", key="10.0.0.1:a")
    audit.record_seldom("credential.used_invalid", key="10.0.0.2:a")
    assert seen() == [{}, {}]
    with clock.shifted(timedelta(minutes=2)):
        audit.record_seldom("credential.used_invalid", key="10.0.0.1:a")
    assert seen()[-1] == {"suppressed": 4}


def test_a_changed_definition_is_told_by_the_names_of_its_fields(agent: Agent, root: User) -> None:
    with actor.acting(root.actor):
        agent.description = "something secret"
        agent.is_active = False
        agent.save()
        agent.save()
    (line,) = lines("agent.changed")
    assert line.data["changed"] == ["description", "is_active"]
    assert "secret" not in str(line.data)
    assert (line.target_name, line.team_id, line.actor_name) == ("worker", agent.team_id, "root")
    assert agent.history.filter(history_id=line.data["history"]).exists()


def test_created_and_deleted_definitions_are_told(team: Team) -> None:
    permission = factories.make_permission("fly")
    permission.delete()
    assert [line.event for line in lines("permission.created", "permission.deleted")] == [
        "permission.created",
        "permission.deleted",
    ]
    assert lines("team.created")[0].team_id == team.id


def test_signing_in_is_told_also_where_it_fails(alice: User) -> None:
    client = Client()
    assert not client.login(username="alice", password="wrong-secret")
    assert client.login(username="alice", password=factories.PASSWORD)
    client.logout()
    failed, succeeded, ended = lines("signin.failed", "signin.succeeded", "signin.ended")
    assert (failed.actor_kind, failed.target_name) == ("anonymous", "alice")
    assert (succeeded.actor_name, ended.actor_name) == ("alice", "alice")
    assert "wrong-secret" not in str([each.data for each in AuditEvent.objects.all()])
    assert not lines("user.changed"), "the last sign-in's time is no change of the person"


JOIN: list[Callable[[User, Team], None]] = [
    lambda user, team: user.groups.add(team.group),
    lambda user, team: team.group.user_set.add(user),
    lambda user, team: user.groups.set([team.group]),
]
LEAVE: list[Callable[[User, Team], None]] = [
    lambda user, team: user.groups.remove(team.group),
    lambda user, team: team.group.user_set.remove(user),
    lambda user, team: user.groups.clear(),
    lambda user, team: team.group.user_set.clear(),
]


@pytest.mark.parametrize("join", JOIN)
@pytest.mark.parametrize("leave", LEAVE)
def test_joining_and_leaving_a_team_is_told_from_either_side(
    team: Team, join: Callable[[User, Team], None], leave: Callable[[User, Team], None]
) -> None:
    user = factories.make_user("dora")
    join(user, team)
    leave(user, team)
    added, removed = lines("membership.changed")
    assert (added.target_name, added.data, added.team_id) == ("dora", {"added": "search"}, team.id)
    assert removed.data == {"removed": "search"}


def test_object_permissions_given_and_taken_are_told(agent: Agent, charlie: User) -> None:
    assign_perm("change_agent", charlie, agent)
    remove_perm("change_agent", charlie, agent)
    given, taken = lines("object_permission.given", "object_permission.taken")
    assert given.data == {"permission": "change_agent", "holder": "user:charlie"}
    assert (taken.target_kind, taken.target_id) == ("agent", str(agent.id))


def test_a_tools_changed_permissions_are_a_change() -> None:
    tool = factories.make_tool(permissions=("code_execution",))
    before = len(lines("tool.changed"))
    tool.permissions_required.add(factories.make_permission("network_access"))
    assert lines("tool.changed")[before:][0].data["changed"] == ["permissions_required"]

"""A question is answered by whom it is put to, once, and never by who asked."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from kernel import clock, ids
from kernel.actor import Actor
from kernel.models import Outbox
from kernel.problems import Conflict, Forbidden, Invalid, NotFound

from governance import approvals
from governance.models import Approval, AuditEvent, Vote
from registry.models import Agent, Team, User
from tests import factories
from tests.governance.rows import ask

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def vote(approval: Approval, by: User, decision: str = "approve", **fields: Any) -> Approval:
    return approvals.vote(approval.id, by=by, decision=decision, **({"comment": ""} | fields))


def told() -> list[str]:
    return list(Outbox.objects.filter(topic="approval.closed").values_list("subject_id", flat=True))


@pytest.mark.parametrize(
    ("decision", "status"),
    [("approve", "approved"), ("reject", "rejected"), ("request_changes", "changes_requested")],
)
def test_a_vote_closes_the_question_and_tells_once(
    agent: Agent, rita: User, decision: str, status: str
) -> None:
    approval = ask(agent, allow_changes=True)
    closed = vote(
        approval, rita, decision, comment="Leave login alone.", fields={"exclude": ["login"]}
    )
    assert closed.status == status and closed.closed_at is not None
    assert told() == [approval.id]
    assert Vote.objects.get().fields == {"exclude": ["login"]}
    lines = AuditEvent.objects.filter(target_id=str(approval.id)).order_by("id")
    assert [line.event for line in lines] == [
        "approval.opened",
        "approval.voted",
        "approval.closed",
    ]
    assert lines[1].actor_name == "rita"
    assert lines[1].data["decision"] == decision


def test_a_closed_question_takes_no_more_votes(agent: Agent, rita: User) -> None:
    approval = ask(agent)
    vote(approval, rita)
    other = factories.make_user("rolf", role="reviewer")
    with pytest.raises(Conflict, match="closed as approved"):
        vote(approval, other, "reject")
    assert Vote.objects.count() == 1
    assert len(told()) == 1


def test_who_asked_never_decides(agent: Agent, rita: User) -> None:
    approval = ask(agent, requester=rita.actor)
    with pytest.raises(Forbidden, match="You asked for this"):
        vote(approval, rita)
    assert not approvals.may_vote(approval, rita.actor)


def test_who_had_an_agent_ask_does_not_decide_either(agent: Agent, rita: User) -> None:
    asking = Actor(kind="agent", id=agent.id, name=agent.name, on_behalf_of="user:rita")
    approval = ask(agent, requester=asking)
    with pytest.raises(Forbidden, match="You asked for this"):
        vote(approval, rita)
    assert approval not in approvals.waiting_for(rita.actor)


def test_members_read_but_are_not_asked(agent: Agent, alice: User) -> None:
    approval = ask(agent)
    assert approval in approvals.visible(alice.actor)
    with pytest.raises(Forbidden, match="Asked: role reviewer"):
        vote(approval, alice)


def test_for_an_outsider_the_question_is_not_there(agent: Agent, charlie: User) -> None:
    approval = ask(agent)
    assert approval not in approvals.visible(charlie.actor)
    with pytest.raises(NotFound):
        vote(approval, charlie)


def test_a_reviewer_sees_only_what_they_are_asked(agent: Agent, rita: User) -> None:
    asked, other = ask(agent), ask(agent, reviewers={"team": "search"})
    assert list(approvals.visible(rita.actor)) == [asked]
    with pytest.raises(NotFound):
        vote(other, rita)


def test_auditors_and_the_platform_team_read_and_have_no_vote(
    agent: Agent, audra: User, root: User
) -> None:
    approval = ask(agent)
    for user in (audra, root):
        assert approval in approvals.visible(user.actor)
        with pytest.raises(Forbidden):
            vote(approval, user)


def test_a_team_and_a_person_can_be_asked(agent: Agent, alice: User, charlie: User) -> None:
    assert vote(ask(agent, reviewers={"team": "search"}), alice).status == "approved"
    assert vote(ask(agent, reviewers={"users": ["charlie"]}), charlie).status == "approved"


def test_a_vote_stands(agent: Agent, rita: User) -> None:
    approval = ask(agent, quorum=2)
    vote(approval, rita)
    with pytest.raises(Conflict, match="You have voted"):
        vote(approval, rita)
    assert Vote.objects.count() == 1
    assert approval not in approvals.waiting_for(rita.actor)


def test_a_quorum_of_two_needs_two_people(agent: Agent, rita: User) -> None:
    approval = ask(agent, quorum=2)
    assert vote(approval, rita).status == "open"
    assert told() == []
    assert vote(approval, factories.make_user("rolf", role="reviewer")).status == "approved"


def test_one_no_decides_whatever_the_quorum(agent: Agent, rita: User) -> None:
    assert vote(ask(agent, quorum=3), rita, "reject").status == "rejected"


def test_each_group_must_approve(agent: Agent, rita: User, alice: User, bob: User) -> None:
    each = {"each": [{"role": "reviewer", "quorum": 1}, {"team": "search", "quorum": 2}]}
    approval = ask(agent, reviewers=each, quorum=2)
    assert vote(approval, alice).status == "open"
    assert vote(approval, bob).status == "open"
    assert vote(approval, rita).status == "approved"
    assert approvals.fact(approval)["approved_by"] == ["alice", "bob", "rita"]


def test_the_vote_of_somebody_who_left_no_longer_counts(agent: Agent, rita: User) -> None:
    approval = ask(agent, quorum=2)
    vote(approval, rita)
    rita.is_active = False
    rita.save()
    assert vote(approval, factories.make_user("rolf", role="reviewer")).status == "open"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"decision": "request_changes", "comment": "x"}, "/decision"),
        ({"decision": "maybe", "comment": ""}, "/decision"),
        ({"decision": "approve", "comment": "x" * 10_001}, "/comment"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_its_place(
    agent: Agent, rita: User, fields: dict[str, Any], pointer: str
) -> None:
    approval = ask(agent)
    with pytest.raises(Invalid) as error:
        approvals.vote(approval.id, by=rita, **fields)
    assert error.value.errors[0].pointer == pointer
    assert Vote.objects.count() == 0


def test_changes_are_requested_with_a_reason(agent: Agent, rita: User) -> None:
    with pytest.raises(Invalid) as error:
        vote(ask(agent, allow_changes=True), rita, "request_changes", comment="  ")
    assert error.value.errors[0].pointer == "/comment"


def test_a_question_ends_at_its_deadline(agent: Agent, rita: User) -> None:
    approval = ask(agent, deadline=clock.now() + timedelta(hours=1))
    assert approvals.expire_due() == 0
    with clock.shifted(timedelta(hours=2)):
        with pytest.raises(Conflict, match="deadline"):
            vote(approval, rita)
        assert approvals.expire_due() == 1
        assert approvals.expire_due() == 0
    approval.refresh_from_db()
    assert approval.status == "expired"
    assert told() == [approval.id]


def test_a_question_is_withdrawn_once(agent: Agent, rita: User) -> None:
    approval = ask(agent)
    assert approvals.cancel(approval.id, reason="The run was cancelled.")
    assert not approvals.cancel(approval.id, reason="Again.")
    assert not approvals.cancel(ids.uuid7(), reason="Unknown.")
    with pytest.raises(Conflict):
        vote(approval, rita)


def test_an_approval_is_used_once_and_for_what_was_shown(agent: Agent, rita: User) -> None:
    approval = ask(agent)
    assert not approvals.use(approval.id, approval.digest), "it isn't approved yet"
    vote(approval, rita)
    assert not approvals.use(approval.id, "e" * 64), "this is another thing"
    assert approvals.use(approval.id, approval.digest)
    assert not approvals.use(approval.id, approval.digest), "it is used"
    assert AuditEvent.objects.filter(event="approval.used").count() == 1


def test_the_same_question_again_is_the_one_that_is_open(agent: Agent) -> None:
    subject = ids.uuid7()
    first = ask(agent, subject_id=subject)
    assert ask(agent, subject_id=subject).id == first.id
    with pytest.raises(Conflict, match="Another question"):
        ask(agent, subject_id=subject, digest="e" * 64)
    approvals.cancel(first.id, reason="Over.")
    assert ask(agent, subject_id=subject, digest="e" * 64).id != first.id


@pytest.mark.parametrize("reviewers", [{"team": "nobody"}, {"users": ["nobody"]}])
def test_a_question_that_nobody_could_answer_is_refused(agent: Agent, reviewers: Any) -> None:
    with pytest.raises(Invalid, match="Nobody could answer"):
        ask(agent, reviewers=reviewers)
    assert Approval.objects.count() == 0


def test_the_list_of_what_waits_is_one_query_and_the_oldest_first(
    agent: Agent, rita: User, django_assert_num_queries: Any
) -> None:
    expected = [ask(agent).id for _ in range(3)]
    actor = rita.actor
    with django_assert_num_queries(1):
        assert [each.id for each in approvals.waiting_for(actor)] == expected


@pytest.mark.django_db(transaction=True)
def test_two_last_votes_at_once_close_it_exactly_once() -> None:
    team: Team = factories.make_team("search")
    agent = factories.make_agent("worker", team)
    voters = [factories.make_user(f"reviewer{n}", role="reviewer") for n in range(4)]
    approval = ask(agent, quorum=2)
    barrier, found = threading.Barrier(len(voters)), []

    def cast(user: User) -> None:
        barrier.wait()
        try:
            found.append(vote(approval, user).status)
        except Conflict:
            found.append("late")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=cast, args=(user,)) for user in voters]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(found) == ["approved", "late", "late", "open"]
    assert len(told()) == 1

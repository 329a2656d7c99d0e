"""A team proposes a tool, the platform team decides, exactly what was shown is published."""

import pytest
from kernel import actor as actors
from kernel import outbox
from kernel.problems import Conflict, Forbidden, Invalid, NotFound

from governance import approvals, curation
from governance.models import Approval, AuditEvent
from registry import proposals, publishing, quotas
from registry.models import Team, Tool, ToolProposal, ToolVersion
from tests import factories
from tests.registry.curating import (
    decide,
    entry_of,
    make_own_tool,
    new_entry,
    question_of,
    submit,
)

pytestmark = pytest.mark.django_db


def events(prefix: str = "tool_proposal.") -> list[str]:
    rows = AuditEvent.objects.filter(event__startswith=prefix).order_by("id")
    return list(rows.values_list("event", flat=True))


def test_submitting_leaves_the_live_version_live_and_opens_one_question(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."), notes="Says more.")
    tool.refresh_from_db()
    assert tool.live_version.version == "1.0"
    assert tool.description != "Better."
    assert ToolVersion.objects.count() == 1
    question = question_of(row)
    assert (question.kind, question.status, question.digest) == ("publication", "open", row.digest)
    assert (question.requester_name, question.reviewers) == ("alice", {"role": "platform"})
    assert row.approval_id == question.id
    assert [each["pointer"] for each in row.differences] == ["/description"]
    assert approvals.waiting_for(root.actor).get() == question


def test_an_approved_change_is_live_as_it_was_shown(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."), notes="Says more.")
    decide(row, root, "approve")
    tool.refresh_from_db()
    assert row.status == "published"
    assert tool.live_version == row.published_version
    assert tool.live_version.contract == row.contract
    assert tool.live_version.published_by == "user:alice"
    assert tool.live_version.notes == "Says more."
    assert events() == ["tool_proposal.submitted", "tool_proposal.published"]


def test_a_new_tool_exists_once_it_is_approved_and_not_before(team, alice, root):
    row = submit(alice, new_entry(team))
    assert not Tool.objects.exists()
    decide(row, root, "approve")
    assert Tool.objects.get().live_version.version == "1.0"
    assert row.tool == Tool.objects.get()


def test_every_fault_of_an_entry_is_told_with_its_place_and_nothing_is_kept(team, alice):
    broken = new_entry(
        team,
        parameters={"type": "object", "properties": {"a": {"type": "int"}}},
        cost_per_call="-1",
        permissions_required=["nonesuch"],
        sandbox_config={"cpus": 2},
    )
    with pytest.raises(Invalid) as refused:
        proposals.submit(broken, by=alice.actor)
    assert "/permissions_required/0" in {issue.pointer for issue in refused.value.errors}
    with pytest.raises(Invalid) as refused:
        proposals.submit(broken | {"permissions_required": []}, by=alice.actor)
    pointers = {issue.pointer for issue in refused.value.errors}
    assert {"/parameters/properties/a/type", "/cost_per_call", "/sandbox_config/cpus"} <= pointers
    assert not Tool.objects.exists()
    assert not ToolProposal.objects.exists()
    assert events() == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "policy"}, "/kind"),
        ({"name": "No Name"}, "/name"),
        ({"name": "proposals"}, "/name"),
        ({"version": 1.0}, "/version"),
        ({"version": "one"}, "/version"),
        ({"owner": 7}, "/owner"),
        ({"tags": [1]}, "/tags/0"),
        ({"parameters": [1]}, "/parameters"),
        ({"examples": "none"}, "/examples"),
        ({"colour": "red"}, "/colour"),
        ({"sandbox_config": None}, "/sandbox_config"),
    ],
)
def test_an_entry_of_the_wrong_shape_is_refused_with_its_place(team, alice, change, pointer):
    with pytest.raises(Invalid) as refused:
        proposals.submit(new_entry(team, **change), by=alice.actor)
    assert pointer in {issue.pointer for issue in refused.value.errors}


def test_what_is_no_entry_at_all_is_refused(team, alice):
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    huge = new_entry(team, description="x" * 300_000)
    for document in ([], None, "tool", huge, new_entry(team, examples=deep)):
        with pytest.raises(Invalid):
            proposals.submit(document, by=alice.actor)
    with pytest.raises(Invalid):
        proposals.submit(new_entry(team, description="a\x00b"), by=alice.actor)


def test_a_breaking_change_with_a_minor_number_is_refused_at_submission(team, alice):
    tool = make_own_tool(team)
    narrower = {"type": "object", "properties": {}, "additionalProperties": False}
    with pytest.raises(Invalid) as refused:
        proposals.submit(entry_of(tool, parameters=narrower), by=alice.actor)
    assert refused.value.extra["required_version"] == "2.0"
    assert any(issue.pointer.startswith("/parameters") for issue in refused.value.errors)
    assert (
        proposals.submit(
            entry_of(tool, parameters=narrower, version="2.0"), by=alice.actor
        ).differences[0]["kind"]
        == "breaking"
    )


def test_a_number_that_is_taken_and_a_change_that_is_none_are_refused(team, alice):
    tool = make_own_tool(team)
    with pytest.raises(Invalid, match=r"1\.0"):
        proposals.submit(entry_of(tool, description="Else.", version="1.0"), by=alice.actor)
    with pytest.raises(Conflict, match="live already"):
        proposals.submit(entry_of(tool, version="1.0"), by=alice.actor)


def test_who_may_propose(team, other_team, alice, bob, charlie, audra, root, agent, other_agent):
    tool = make_own_tool(team)
    changed = entry_of(tool, description="Better.")
    for allowed in (alice, bob, root, agent):
        assert proposals.submit(changed, by=allowed.actor).requester_name == str(allowed)
        ToolProposal.objects.all().delete()
    for outsider in (charlie, audra, other_agent):
        with pytest.raises(Forbidden, match="/tools/lint/report/"):
            proposals.submit(changed, by=outsider.actor)
    with pytest.raises(Invalid, match="team that will own it"):
        proposals.submit(new_entry(team, "other"), by=charlie.actor)
    Tool.objects.update(is_shared=False)
    with pytest.raises(Conflict, match="taken"):
        proposals.submit(changed, by=charlie.actor)


def test_an_agent_proposes_for_its_own_team_and_replaces_its_own_proposals_alone(
    team, alice, agent
):
    tool = make_own_tool(team)
    first = proposals.submit(entry_of(tool, description="A."), by=agent.actor)
    proposals.submit(entry_of(tool, description="B."), by=agent.actor)
    first.refresh_from_db()
    assert first.status == "superseded"
    of_alice = proposals.submit(entry_of(tool, description="C."), by=alice.actor)
    with pytest.raises(Conflict, match="alice"):
        proposals.submit(entry_of(tool, description="D."), by=agent.actor)
    of_alice.refresh_from_db()
    assert of_alice.status == "open"


def test_a_proposal_moves_no_tool_to_another_team(team, other_team, alice):
    tool = make_own_tool(team)
    other_team.add(alice)
    with pytest.raises(Invalid) as refused:
        proposals.submit(entry_of(tool, owner=other_team.name), by=alice.actor)
    assert [issue.pointer for issue in refused.value.errors] == ["/owner"]


def test_who_submitted_never_decides_even_from_the_platform_team(team, root):
    tool = make_own_tool(team)
    row = submit(root, entry_of(tool, description="Better."))
    with pytest.raises(approvals.NotAsked):
        approvals.vote(question_of(row).id, by=root, decision="approve", comment="")
    second = factories.make_user("ruth", role="platform")
    assert decide(row, second, "approve").status == "published"


@pytest.mark.parametrize(
    ("decision", "status"), [("reject", "rejected"), ("request_changes", "changes_requested")]
)
def test_a_no_says_why_and_publishes_nothing(team, alice, root, decision, status):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    decide(row, root, decision, "Name its errors.")
    tool.refresh_from_db()
    assert (row.status, row.outcome) == (status, "root: Name its errors.")
    assert tool.live_version.version == "1.0"
    assert events()[-1] == f"tool_proposal.{status}"


def test_an_edit_is_a_new_proposal_and_the_old_question_is_taken_back(team, alice, bob, root):
    tool = make_own_tool(team)
    first = submit(alice, entry_of(tool, description="First."))
    second = submit(bob, entry_of(tool, description="Second."))
    first.refresh_from_db()
    assert first.status == "superseded"
    assert question_of(first).status == "cancelled"
    assert decide(second, root, "approve").status == "published"
    tool.refresh_from_db()
    assert tool.live_version.contract["description"] == "Second."


def test_a_vote_for_a_proposal_that_was_just_superseded_publishes_nothing(team, alice, root):
    tool = make_own_tool(team)
    first = submit(alice, entry_of(tool, description="First."))
    second = proposals.submit(entry_of(tool, description="Second."), by=alice.actor)
    # The cancellation is still on its way when the vote comes in.
    approvals.vote(question_of(first).id, by=root, decision="approve", comment="")
    outbox.drain()
    tool.refresh_from_db()
    second.refresh_from_db()
    assert tool.live_version.version == "1.0"
    assert second.status == "open"


def test_a_draft_edited_in_review_is_not_what_is_published(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Shown."))
    tool.description = "Never shown."
    tool.save()
    decide(row, root, "approve")
    tool.refresh_from_db()
    assert tool.live_version.contract["description"] == "Shown."
    assert tool.description == "Shown."
    assert tool.history.filter(description="Never shown.").exists()


def test_a_proposal_whose_base_is_not_live_any_more_is_outdated(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better.", version="1.2"))
    tool.description, tool.version = "Hotfix.", "1.1"
    publishing.publish(tool, by="user:root")
    assert "1.1 is live now" in proposals.why_outdated(row)
    decide(row, root, "approve")
    tool.refresh_from_db()
    assert row.status == "outdated"
    assert "Submit it again" in row.outcome
    assert tool.live_version.version == "1.1"
    again = submit(alice, entry_of(tool, description="Better.", version="1.2"))
    assert decide(again, root, "approve").status == "published"


def test_a_row_that_was_edited_after_the_vote_is_not_published(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Shown."))
    forged = row.document | {"description": "Forged."}
    ToolProposal.objects.filter(id=row.id).update(document=forged)
    decide(row, root, "approve")
    tool.refresh_from_db()
    assert row.status == "outdated"
    assert tool.live_version.version == "1.0"


def test_what_cannot_be_published_any_more_is_outdated_and_leaves_nothing(team, alice, root):
    permission = factories.make_permission("code_execution")
    row = submit(alice, new_entry(team, permissions_required=["code_execution"]))
    permission.delete()
    decide(row, root, "approve")
    assert row.status == "outdated"
    assert "code_execution" in row.outcome
    assert not Tool.objects.exists()


def test_a_deprecation_meanwhile_outlives_the_publication(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better.", shared=True))
    Tool.objects.update(deprecated=True, deprecation_message="Use another.", is_shared=False)
    decide(row, root, "approve")
    tool.refresh_from_db()
    assert row.status == "published"
    assert (tool.deprecated, tool.deprecation_message) == (True, "Use another.")
    assert tool.is_shared is False


def test_messages_that_come_twice_do_nothing_twice(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    curation.submitted(row.id)
    assert Approval.objects.count() == 1
    decide(row, root, "approve")
    for _ in range(2):
        curation.submitted(row.id)
        curation.decided(question_of(row).id)
        curation.closed(row.id)
    assert Approval.objects.count() == 1
    assert question_of(row).status == "approved"
    assert tool.versions.count() == 2
    assert events().count("tool_proposal.published") == 1


def test_transitions_out_of_order_change_nothing(team, alice, root):
    tool = make_own_tool(team)
    row = submit(alice, entry_of(tool, description="Better."))
    proposals.withdraw(row.id, by=alice.actor)
    outbox.drain()
    assert question_of(row).status == "cancelled"
    assert proposals.publish(row.id, digest=row.digest, approved_by=[]).status == "withdrawn"
    assert not proposals.reject(row.id, comment="late")
    assert not proposals.request_changes(row.id, comment="late")
    assert not proposals.drop(row.id, reason="late")
    with pytest.raises(Conflict, match="withdrawn"):
        proposals.withdraw(row.id, by=alice.actor)
    row.refresh_from_db()
    assert row.status == "withdrawn"
    tool.refresh_from_db()
    assert tool.live_version.version == "1.0"


def test_who_may_withdraw(team, alice, bob, charlie, audra, agent, other_agent):
    row = submit(alice, new_entry(team))
    for outsider in (charlie, other_agent):
        with pytest.raises(NotFound):
            proposals.withdraw(row.id, by=outsider.actor)
    for reader in (audra, agent):
        with pytest.raises(Forbidden):
            proposals.withdraw(row.id, by=reader.actor)
    assert proposals.withdraw(row.id, by=bob.actor).status == "withdrawn"


def test_a_base_that_is_not_live_any_more_is_refused_at_once(team, alice):
    tool = make_own_tool(team)
    changed = entry_of(tool, description="Better.")
    with pytest.raises(Conflict, match=r"0\.9 isn't the live version"):
        proposals.submit(changed, by=alice.actor, base="0.9")
    assert proposals.submit(changed, by=alice.actor, base="1.0").status == "open"


def test_an_actor_submits_so_many_an_hour(team, alice, bob, monkeypatch):
    monkeypatch.setattr(proposals, "PER_HOUR", 2)
    for number in ("1.0", "1.1"):
        proposals.submit(new_entry(team, version=number), by=alice.actor)
    with pytest.raises(quotas.TooMany) as refused:
        proposals.submit(new_entry(team, version="1.2"), by=alice.actor)
    assert 0 < int(refused.value.headers["Retry-After"]) <= 3601
    assert proposals.submit(new_entry(team, version="1.2"), by=bob.actor).status == "open"


def test_a_rehearsal_leaves_no_trace(team, alice):
    before = (Team.objects.count(), AuditEvent.objects.count())
    with actors.acting(alice.actor):
        proposals.submit(new_entry(team), by=alice.actor)
    assert (Tool.objects.count(), Tool.history.count(), ToolVersion.objects.count()) == (0, 0, 0)
    assert Team.objects.count() == before[0]
    assert AuditEvent.objects.count() == before[1] + 1
    assert AuditEvent.objects.latest("id").actor_name == "alice"

"""A policy is published as an immutable version, and is in force when somebody says so."""

from typing import Any

import pytest
from kernel import documents as typed
from kernel.catalogue import CatalogueError
from kernel.problems import Conflict, Invalid

from governance import catalogue, documents, policies
from governance.judging import judge
from governance.models import AuditEvent, Policy, PolicyVersion
from registry.models import Team
from tests.governance.rows import facts, make_policy

pytestmark = pytest.mark.django_db

DENY = [{"name": "no", "message": "Not today", "deny": True}]


def draft(rules: Any = None, **fields: Any) -> Policy:
    values: dict[str, Any] = {"name": "limits", "document": {"rules": rules or DENY}}
    return Policy.objects.create(**(values | fields))


def test_a_published_policy_is_enforced_when_it_is_put_in_force() -> None:
    policy = draft()
    version = policies.publish(policy, by="user:root")
    assert (version.version, len(version.checksum), version.published_by) == (
        "1.0",
        64,
        "user:root",
    )
    assert len(policies.enforced()) == 0
    assert policies.put(policy, "enforced")
    assert not policies.put(policy, "enforced")
    assert judge(facts(), policies.enforced()).effect == "deny"
    policies.put(policy, "shadow")
    assert judge(facts(), policies.enforced()).effect == "allow"
    policies.put(policy, "retired")
    assert len(policies.enforced()) == 0
    events = list(AuditEvent.objects.filter(target_kind="policy").values_list("event", flat=True))
    for event in ("created", "published", "enforced", "shadowed", "retired"):
        assert events.count(f"policy.{event}") == 1


def test_an_edited_draft_changes_nothing_until_it_is_published() -> None:
    policy = make_policy("limits", DENY)
    policy.document = {"rules": [{"limit": {"timeout": 5}}]}
    policy.version = "1.1"
    policy.save()
    assert judge(facts(), policies.enforced()).effect == "deny"
    policies.publish(policy, by="test")
    verdict = judge(facts(), policies.enforced())
    assert (verdict.effect, verdict.explanation[0].version) == ("allow", "1.1")


def test_publishing_the_same_again_is_the_version_that_there_is() -> None:
    policy = draft()
    assert policies.publish(policy, by="a") == policies.publish(policy, by="b")
    assert PolicyVersion.objects.count() == 1


def test_a_published_version_never_changes() -> None:
    policy = make_policy("limits", DENY)
    policy.document = {"rules": [{"limit": {"timeout": 5}}]}
    with pytest.raises(Conflict, match="give the new one a higher number"):
        policies.publish(policy, by="test")
    policy.version = "0.9"
    with pytest.raises(Conflict, match=r"below the live version 1\.0"):
        policies.publish(policy, by="test")
    policy.version = "one"
    with pytest.raises(Invalid) as error:
        policies.publish(policy, by="test")
    assert error.value.errors[0].pointer == "/version"
    assert PolicyVersion.objects.count() == 1
    with pytest.raises(TypeError):
        PolicyVersion.objects.get().save()


def test_a_draft_can_not_be_put_in_force() -> None:
    with pytest.raises(Invalid, match="no published version"):
        policies.put(draft(), "enforced")


def test_a_renamed_or_moved_policy_is_compiled_anew(team: Team) -> None:
    policy = make_policy("limits", DENY)
    assert judge(facts(team="billing"), policies.enforced()).effect == "deny"
    policy.team = team
    policy.save()
    assert judge(facts(team="billing"), policies.enforced()).effect == "allow"
    team.name = "found"
    team.save()
    assert judge(facts(team="found"), policies.enforced()).effect == "deny"


def test_a_set_that_did_not_change_is_compiled_once(django_assert_num_queries: Any) -> None:
    make_policy("limits", DENY)
    first = policies.enforced()
    with django_assert_num_queries(1):
        assert policies.enforced() is first


BROKEN: list[tuple[Any, str, str]] = [
    ([], "", "not of type"),
    ({"rules": []}, "/rules", "less than 1"),
    ({"rules": [{}]}, "/rules/0", "exactly one of"),
    ({"rules": [{"deny": True, "limit": {"timeout": 1}}]}, "/rules/0", "deny and limit"),
    ({"rules": [{"deny": True, "when": "agent.nmae == 1"}]}, "/rules/0/when", "has no `nmae`"),
    ({"rules": [{"deny": True, "when": "agnet.name == 1"}]}, "/rules/0/when", "isn't there"),
    ({"rules": [{"deny": True, "when": "1 +"}]}, "/rules/0/when", "doesn't compile"),
    ({"rules": [{"deny": True, "when": "shell('x')"}]}, "/rules/0/when", "known function"),
    ({"rules": [{"limit": {"memory": "much"}}]}, "/rules/0/limit/memory", "is no size"),
    ({"rules": [{"limit": {"timeout": "soon"}}]}, "/rules/0/limit/timeout", "no span of time"),
    ({"rules": [{"limit": {"network": "all"}}]}, "/rules/0/limit/network", "none"),
    ({"rules": [{"limit": {"packages": ["a*b"]}}]}, "/rules/0/limit/packages", "star"),
    ({"rules": [{"limit": {"speed": 1}}]}, "/rules/0/limit", "speed"),
    (
        {"rules": [{"require_approval": {"deadline": 0}}]},
        "/rules/0/require_approval/deadline",
        "span",
    ),
    ({"rules": [{"expire": {"after": "x", "what": "effect"}}]}, "/rules/0/expire/after", "span"),
    ({"rules": [{"deny": True, "name": "a"}, {"deny": True, "name": "a"}]}, "/rules/1/name", "two"),
    ({"applies_to": {"agents": {"colour": "red"}}, "rules": DENY}, "/applies_to/agents", "colour"),
]


@pytest.mark.parametrize(("document", "pointer", "told"), BROKEN)
def test_a_broken_document_is_refused_with_its_place(
    document: Any, pointer: str, told: str
) -> None:
    found = documents.faults(document)
    assert found[0].pointer == pointer
    assert told in found[0].message
    policy = draft()
    policy.document = document
    with pytest.raises(Invalid):
        policies.publish(policy, by="test")
    assert PolicyVersion.objects.count() == 0


def test_a_team_that_does_not_exist_can_not_be_asked() -> None:
    rule = {"require_approval": {"reviewers": {"team": "nobody"}}}
    with pytest.raises(Invalid) as error:
        policies.publish(draft([rule]), by="test")
    issue = error.value.errors[0]
    assert issue.pointer == "/rules/0/require_approval/reviewers/team"
    assert "nobody" in issue.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [", "line 1"),
        ("a: 1\na: 2", "stands twice"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: 2026-99-99", "is no YAML"),
        ("x" * (typed.MAX_TEXT + 1), "at most"),
        ("[" * 5_000, "is no YAML"),
    ],
)
def test_text_that_is_no_yaml_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(Invalid) as error:
        typed.from_text(text)
    assert told in str(error.value)


def test_a_catalogue_entry_names_the_place_of_its_fault() -> None:
    with pytest.raises(CatalogueError) as error:
        catalogue.apply_policy({"kind": "policy", "name": "x", "rules": [{"deny": False}]})
    assert error.value.issues[0].pointer == "/rules/0/deny"
    with pytest.raises(CatalogueError, match="/colour"):
        catalogue.apply_policy({"kind": "policy", "name": "x", "rules": DENY, "colour": 1})
    with pytest.raises(CatalogueError, match="/status"):
        catalogue.apply_policy({"kind": "policy", "name": "x", "rules": DENY, "status": "on"})
    with pytest.raises(CatalogueError, match="/team"):
        catalogue.apply_policy({"kind": "policy", "name": "x", "rules": DENY, "team": "nobody"})
    with pytest.raises(CatalogueError, match="/name"):
        catalogue.apply_policy({"kind": "policy", "name": "No Name", "rules": DENY})
    assert Policy.objects.count() == 0


def test_a_changed_catalogue_entry_needs_a_new_number() -> None:
    entry = {"kind": "policy", "name": "x", "rules": DENY, "status": "enforced"}
    assert catalogue.apply_policy(entry).act == "publish"
    changed = entry | {"rules": [{"limit": {"timeout": 1}}]}
    with pytest.raises(CatalogueError, match="higher number"):
        catalogue.apply_policy(changed)
    assert catalogue.apply_policy(changed | {"version": "1.1"}).detail == "1.1, enforced"
    retired = changed | {"version": "1.1", "status": "retired"}
    assert catalogue.apply_policy(retired).act == "update"
    assert len(policies.enforced()) == 0

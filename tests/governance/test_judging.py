"""What a verdict is: the meet of all rules that match, explained."""

from typing import Any

import pytest

from governance.judging import judge
from governance.rulesets import RuleSet, compiled
from tests.governance.rows import AT, facts, rules, source


def test_without_rules_what_is_granted_is_allowed() -> None:
    verdict = judge(facts(), RuleSet())
    assert (verdict.effect, verdict.reason, verdict.explanation) == ("allow", "", ())


def test_a_missing_permission_denies_and_is_named() -> None:
    verdict = judge(facts(permissions=["project_read"]), RuleSet())
    assert (verdict.effect, verdict.reason) == ("deny", "permission_missing")
    assert "*code_execution*" in verdict.message and "grant" in verdict.message
    assert verdict.explanation[0].message == "needs permission code_execution"


def test_deny_beats_approval_beats_allow() -> None:
    approval = {"require_approval": {}}
    deny = {"deny": True, "message": "Not on Fridays"}
    assert judge(facts(), rules(approval)).effect == "require_approval"
    verdict = judge(facts(), rules(approval, deny))
    assert (verdict.effect, verdict.reason) == ("deny", "denied_by_policy")
    assert "Policy *policy* 1.0 refuses this" in verdict.message
    assert "Not on Fridays" in verdict.message


def test_the_smallest_limit_and_all_obligations_hold() -> None:
    verdict = judge(
        facts(),
        compiled(
            [
                source(
                    "a",
                    [
                        {"limit": {"timeout": "1m", "memory": "1GB"}},
                        {"audit": {"trail": "required"}},
                    ],
                ),
                source(
                    "b", [{"limit": {"timeout": 30, "cpu": 1}}, {"audit": {"payloads": "digest"}}]
                ),
                source("c", [{"audit": {"arguments": ["code"], "payloads": "full"}}]),
            ]
        ),
    )
    assert dict(verdict.limits) == {"timeout": 30, "memory": 2**30, "cpu": 1}
    assert dict(verdict.obligations) == {
        "audit": True,
        "trail": True,
        "arguments": ["code"],
        "payloads": "digest",
    }


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (["numpy", "pandas"], ["pandas"], ["pandas"]),
        (["django-*"], ["Django_Filter", "numpy"], ["django-filter"]),
        (["*"], ["numpy", "num*"], ["num*"]),
        (["numpy"], ["pandas"], []),
        (["a*"], ["ab*"], ["ab*"]),
    ],
)
def test_packages_are_what_both_let_in(left: list[str], right: list[str], both: list[str]) -> None:
    verdict = judge(facts(), rules({"limit": {"packages": left}}, {"limit": {"packages": right}}))
    assert verdict.as_json()["limits"]["packages"] == both


@pytest.mark.parametrize(
    ("applies_to", "matches"),
    [
        ({}, True),
        ({"agents": {"permission": "code_execution"}}, True),
        ({"agents": {"permission": ["other", "code_execution"]}}, True),
        ({"agents": {"permission": "other"}}, False),
        ({"agents": {"team": "search", "tag": "nightly"}}, False),
        ({"agents": {"environment": "staging"}}, True),
        ({"agents": {"environment": "production"}}, False),
        ({"tools": {"name": ["execute_python"]}}, True),
        ({"tools": {"tag": "data"}}, False),
        ({"agents": {"name": "worker"}, "tools": {"permission": "code_execution"}}, True),
        ({"agents": {"name": "other"}, "tools": {"permission": "code_execution"}}, False),
    ],
)
def test_a_selector_picks_calls(applies_to: dict[str, Any], matches: bool) -> None:
    verdict = judge(facts(), rules({"deny": True}, applies_to=applies_to))
    assert (verdict.effect == "deny") is matches


def test_a_teams_policy_applies_to_its_own_agents_only() -> None:
    found = rules({"deny": True}, team="search")
    assert judge(facts(team="search"), found).effect == "deny"
    assert judge(facts(team="billing"), found).effect == "allow"


@pytest.mark.parametrize(
    "kind", [{"deny": True}, {"require_approval": {}}, {"limit": {"timeout": 1}}]
)
def test_a_condition_that_fails_counts_as_a_match_and_says_so(kind: dict[str, Any]) -> None:
    verdict = judge(facts(arguments={}), rules({"when": 'arguments.mode == "x"'} | kind))
    assert verdict.effect != "allow" or dict(verdict.limits) == {"timeout": 1}
    assert verdict.explanation[0].failed == "`arguments.mode == \"x\"` failed: 'mode'"


def test_a_condition_that_is_neither_true_nor_false_counts_as_a_match() -> None:
    verdict = judge(facts(), rules({"when": "agent.name", "deny": True}))
    assert verdict.effect == "deny"
    assert "neither true nor false" in verdict.explanation[0].failed


def test_a_huge_list_in_the_arguments_can_not_stall_the_judge() -> None:
    found = rules({"when": "arguments.l.exists(x, arguments.l.exists(y, x + y < 0))", "deny": True})
    assert judge(facts(arguments={"l": list(range(50))}), found).effect == "allow"
    verdict = judge(facts(arguments={"l": list(range(5_000))}), found)
    assert verdict.effect == "deny"
    assert "5000 items" in verdict.explanation[0].failed


def test_conditions_read_the_clock_the_run_and_the_approval() -> None:
    found = rules({"when": 'now > timestamp("2026-03-04T10:00:00Z") && run == null', "deny": True})
    later = f'now >= timestamp("{AT.isoformat()}")'
    assert judge(facts(), rules({"when": later, "deny": True})).effect == "deny"
    assert judge(facts(), found).effect == "deny"
    assert judge(facts(run={"id": "1", "workflow": "w"}), found).effect == "allow"


def test_a_rule_in_shadow_is_told_and_not_applied() -> None:
    verdict = judge(facts(), rules({"deny": True}, shadow=True))
    assert (verdict.effect, verdict.message) == ("allow", "")
    assert [line.shadow for line in verdict.explanation] == [True]


def test_redactions_are_united() -> None:
    verdict = judge(
        facts(),
        rules(
            {"redact": {"arguments": ["/password"]}},
            {"redact": {"arguments": ["/token"], "results": ["/rows"]}},
        ),
    )
    assert dict(verdict.redactions) == {"arguments": ("/password", "/token"), "results": ("/rows",)}


def test_two_groups_that_must_approve_are_both_asked() -> None:
    verdict = judge(
        facts(),
        rules(
            {"require_approval": {"reviewers": {"role": "reviewer"}, "deadline": "2h"}},
            {"require_approval": {"reviewers": {"team": "search"}, "quorum": 2, "deadline": "1h"}},
        ),
    )
    assert verdict.reviewers is not None
    assert verdict.reviewers.as_json() == {
        "reviewers": {"each": [{"role": "reviewer", "quorum": 1}, {"team": "search", "quorum": 2}]},
        "quorum": 2,
        "deadline": 3_600,
    }


def _given(reviewers: dict[str, Any], quorum: int) -> dict[str, Any]:
    asked = {"reviewers": reviewers, "quorum": quorum}
    return {"id": "1", "approved_by": ["rita"], "asked": asked}


def test_an_approval_satisfies_what_was_asked_and_nothing_stricter() -> None:
    found = rules({"require_approval": {"reviewers": {"role": "reviewer"}, "quorum": 2}})
    given = _given({"role": "reviewer"}, 2)
    assert judge(facts(approval=given), found).effect == "allow"
    assert (
        judge(facts(approval=_given({"role": "reviewer"}, 1)), found).effect == "require_approval"
    )
    assert judge(facts(approval=_given({"team": "search"}, 2)), found).effect == "require_approval"
    both = compiled([source("a", [{"require_approval": {}}]), source("b", [{"deny": True}])])
    assert judge(facts(approval=given), both).effect == "deny"


def test_an_approval_of_several_groups_covers_each() -> None:
    each = {"each": [{"role": "reviewer", "quorum": 1}, {"team": "search", "quorum": 2}]}
    found = rules({"require_approval": {"reviewers": {"team": "search"}, "quorum": 2}})
    assert judge(facts(approval=_given(each, 2)), found).effect == "allow"


@pytest.mark.parametrize("value", [float("nan"), "\x00", {"a": {"b": []}}, None, [1], "2"])
def test_an_argument_of_another_type_can_not_slip_past_a_rule(value: Any) -> None:
    verdict = judge(facts(arguments={"n": value}), rules({"when": "arguments.n > 1", "deny": True}))
    told = verdict.explanation[0].failed if verdict.explanation else ""
    # NaN compares with nothing; everything else can't be compared, and so counts as a match.
    assert (verdict.effect == "deny" and told) or value != value

"""The two policies that every installation starts with, as they stand in the starter catalogue."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from governance import catalogue, documents, policies
from governance.judging import judge
from governance.rulesets import RuleSet, Source, compiled
from governance.verdicts import Verdict
from tests.governance.rows import facts

FOLDER = Path(__file__).parents[2] / "platform/starter/catalogue/policies"

SENTENCES = {
    "code_execution_limits": [
        "Max execution time: 30 seconds",
        "Max memory: 4GB",
        "No network access",
        "Log all executions",
        "Audit trail required",
    ],
    "production_access": [
        "Read-only access unless explicitly approved",
        "All queries logged and auditable",
        "Require approval for writes",
        "Staging environment only for testing",
        "Automatic rollback after 24 hours",
    ],
}


def entry(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return found


def ruleset() -> RuleSet:
    return compiled(
        Source(name, "1.0", {key: entry(name)[key] for key in ("applies_to", "rules")})
        for name in SENTENCES
    )


def query(
    *,
    environment: str = "production",
    approval: Any = None,
    tags: tuple[str, ...] = (),
    **arguments: Any,
) -> Verdict:
    return judge(
        facts(
            permissions=["production_database"],
            tags=list(tags),
            environment=environment,
            arguments={"query": "SELECT 1"} | arguments,
            approval=approval,
            tool={
                "name": "query_database",
                "executor": "sql",
                "permissions_required": ["production_database"],
            },
        ),
        ruleset(),
    )


@pytest.mark.parametrize("name", SENTENCES)
def test_each_sentence_is_one_rule(name: str) -> None:
    found = entry(name)
    assert [rule["message"] for rule in found["rules"]] == SENTENCES[name]
    assert found["status"] == "enforced"
    document = {key: found[key] for key in ("applies_to", "rules")}
    assert documents.faults(document) == ()


def test_code_is_limited_and_on_record() -> None:
    verdict = judge(facts(arguments={"code": "1"}), ruleset())
    assert verdict.effect == "allow"
    assert dict(verdict.limits) == {"timeout": 30, "memory": 4 * 2**30, "network": "none"}
    assert dict(verdict.obligations) == {"audit": True, "trail": True}
    assert [line.message for line in verdict.explanation] == SENTENCES["code_execution_limits"]


def test_sixty_seconds_are_clamped_to_thirty() -> None:
    verdict = judge(facts(), ruleset())
    asked = {"timeout": 60, "memory": 2**30, "cpu": 2}
    assert verdict.clamp(asked) == {"timeout": 30, "memory": 2**30, "cpu": 2, "network": "none"}


@pytest.mark.parametrize("arguments", [{}, {"mode": "read"}])
def test_a_read_is_allowed_and_logged_with_its_statement(arguments: dict[str, Any]) -> None:
    verdict = query(**arguments)
    assert verdict.effect == "allow"
    assert verdict.limits["access"] == "read"
    assert verdict.obligations["arguments"] == ["database", "mode", "query"]
    assert verdict.obligations["audit"] is True
    assert "expire" not in verdict.obligations


@pytest.mark.parametrize("mode", ["write", "", "READ", None, 1, ["read"]])
def test_whatever_is_no_read_waits_for_an_approval(mode: Any) -> None:
    verdict = query(mode=mode)
    assert verdict.effect == "require_approval"
    assert verdict.reviewers is not None
    assert verdict.reviewers.as_json() == {
        "reviewers": {"role": "reviewer"},
        "quorum": 1,
        "deadline": 86_400,
    }
    assert "Require approval for writes" in verdict.message


def test_an_approved_write_may_write_and_is_rolled_back_after_a_day() -> None:
    verdict = query(mode="write", approval={"id": "1", "approved_by": ["rita"]})
    assert verdict.effect == "allow"
    assert "access" not in verdict.limits
    assert verdict.obligations["expire"] == {"after": 86_400, "what": "effect"}


def test_another_executor_can_not_pass_as_a_read() -> None:
    verdict = judge(
        facts(
            permissions=["production_database"],
            arguments={"mode": "read"},
            tool={"executor": "http", "permissions_required": ["production_database"]},
        ),
        ruleset(),
    )
    assert verdict.effect == "require_approval"


def test_testing_happens_on_staging_only() -> None:
    assert query(tags=("testing",)).effect == "deny"
    assert query(tags=("testing",)).reason == "denied_by_policy"
    assert "Staging environment only for testing" in query(tags=("testing",)).message
    assert query(tags=("testing",), environment="staging").effect == "allow"


def test_a_run_tagged_testing_stays_on_staging() -> None:
    def run(environment: str) -> Verdict:
        return judge(
            facts(
                permissions=["production_database"],
                environment=environment,
                run={"id": "1", "workflow": "load_test", "tags": ["testing"]},
                tool={"executor": "sql", "permissions_required": ["production_database"]},
            ),
            ruleset(),
        )

    assert run("production").effect == "deny"
    assert run("staging").effect == "allow"


@pytest.mark.django_db
def test_the_catalogue_puts_them_in_force_and_a_second_time_changes_nothing() -> None:
    acts = [catalogue.apply_policy(entry(name)).act for name in SENTENCES]
    assert acts == ["publish", "publish"]
    assert len(policies.enforced()) == 10
    assert {catalogue.apply_policy(entry(name)).act for name in SENTENCES} == {"unchanged"}
    exported = {each["name"]: each for each in catalogue.export_policies()}
    assert exported["production_access"] == entry("production_access")

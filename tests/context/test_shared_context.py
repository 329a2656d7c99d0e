"""A project reads as the shared context: files with their state, decisions, status, next step."""

from datetime import UTC, datetime

import pytest

from context import changesets, projects
from context.changesets import DecisionEntry, FileChange
from context.models import Project
from registry.models import Agent, Team, User
from tests import factories

pytestmark = pytest.mark.django_db

SHARED_CONTEXT = {
    "project": "auth-refactor",
    "files": [
        {"path": "src/auth/login.py", "state": "modified_by: refactor_agent", "version": 3},
        {"path": "src/auth/tokens.py", "state": "unchanged", "version": 1},
    ],
    "decisions": [
        {
            "timestamp": "2026-03-04T10:23:00Z",
            "agent": "refactor_agent",
            "decision": "Move JWT validation to separate module",
            "status": "implemented",
        }
    ],
    "status": "in_progress",
    "next_step": "test_agent",
}


@pytest.fixture
def refactor_agent(team: Team) -> Agent:
    return factories.make_agent("refactor_agent", team)


@pytest.fixture
def auth_refactor(project: Project, refactor_agent: Agent, alice: User) -> Project:
    files = {"src/auth/login.py": "one", "src/auth/tokens.py": "tokens"}
    content = {path: FileChange(text.encode()) for path, text in files.items()}
    changesets.apply(project.id, base_rev=0, by=alice.actor, files=content, kind="import")
    by = refactor_agent.actor
    login = {"src/auth/login.py": FileChange(b"two")}
    changesets.apply(project.id, base_rev=1, by=by, files=login, status="in_progress")
    decision = DecisionEntry(
        decision="Move JWT validation to separate module",
        rationale="It is used by two modules.",
        status="implemented",
        decided_at=datetime(2026, 3, 4, 10, 23, tzinfo=UTC),
    )
    login = {"src/auth/login.py": FileChange(b"three")}
    changesets.apply(
        project.id, base_rev=2, by=by, files=login, decisions=[decision], next_step="test_agent"
    )
    return project


def test_a_project_reads_as_the_shared_context(auth_refactor: Project) -> None:
    shown = projects.as_json(auth_refactor)
    shown["decisions"] = [
        {name: decision[name] for name in SHARED_CONTEXT["decisions"][0]}
        for decision in shown["decisions"]
    ]
    assert {name: shown[name] for name in SHARED_CONTEXT} == SHARED_CONTEXT
    assert shown["rev"] == 3


def test_a_past_rev_reads_as_it_was(auth_refactor: Project) -> None:
    shown = projects.as_json(auth_refactor, at_rev=1)
    assert [(file["state"], file["version"]) for file in shown["files"]] == [
        ("unchanged", 1),
        ("unchanged", 1),
    ]
    assert shown["decisions"] == []
    assert (shown["status"], shown["next_step"], shown["rev"]) == ("new", "", 1)


def test_a_new_project_is_empty_and_new(project: Project) -> None:
    shown = projects.as_json(project)
    assert (shown["files"], shown["decisions"]) == ([], [])
    assert (shown["status"], shown["next_step"], shown["rev"]) == ("new", "", 0)

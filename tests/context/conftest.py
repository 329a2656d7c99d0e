"""A project of alice's team, and short ways to change it."""

from collections.abc import Callable
from typing import Any

import pytest

from context import changesets, projects
from context.changesets import FileChange
from context.models import Changeset, Project
from registry.models import Agent, Team, User


@pytest.fixture
def project(team: Team, alice: User) -> Project:
    return projects.create("auth-refactor", team=team, description="", by=alice.actor)


Change = Callable[..., Changeset]


@pytest.fixture
def change(project: Project, agent: Agent) -> Change:
    """`change({"a.py": "x", "b.py": None}, base=3)`: text becomes UTF-8, None deletes."""

    def act(files: dict[str, str | bytes | None], **fields: Any) -> Changeset:
        content = {
            path: FileChange(text.encode() if isinstance(text, str) else text)
            for path, text in files.items()
        }
        project.refresh_from_db()
        base = fields.pop("base", project.rev)
        by = fields.pop("by", agent.actor)
        return changesets.apply(project.id, base_rev=base, by=by, files=content, **fields)

    return act

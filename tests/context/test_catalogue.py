"""A catalogue can hold projects: made once, kept in line, read back."""

from typing import Any

import pytest
from kernel.catalogue import CatalogueError, kinds

from context import catalogue
from context.models import Project
from registry.models import Team

pytestmark = pytest.mark.django_db

ENTRY = {"kind": "project", "name": "auth-refactor", "team": "search", "description": "d"}


def test_a_project_is_made_once_and_kept_in_line(team: Team, other_team: Team) -> None:
    assert catalogue.apply(ENTRY).act == "create"
    assert catalogue.apply(ENTRY).act == "unchanged"
    assert catalogue.apply(ENTRY | {"team": "billing"}).act == "update"
    assert Project.objects.get().team == other_team
    assert catalogue.export() == [ENTRY | {"team": "billing"}]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"team": "nowhere"}, "/team"), ({"name": "No Name"}, "/name"), ({"files": []}, "/files")],
)
def test_a_fault_names_its_place(team: Team, change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(CatalogueError) as refused:
        catalogue.apply(ENTRY | change)
    assert [issue.pointer for issue in refused.value.issues] == [pointer]


def test_projects_come_after_the_teams_they_name() -> None:
    order = [kind.kind for kind in kinds()]
    assert order.index("team") < order.index("project")

"""The context in the admin: projects are edited with history, what happened is read only."""

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.db.models import Model
from rest_framework.test import APIClient

from context.changesets import DecisionEntry
from context.models import Blob, Changeset, Decision, File, FileVersion, Project, ReadMark
from registry.models import User
from tests.context.conftest import Change

pytestmark = pytest.mark.django_db

Client = Callable[[str | User | None], APIClient]
HAPPENINGS: list[type[Model]] = [Changeset, Decision, File, FileVersion, ReadMark, Blob]


@pytest.fixture
def filled(change: Change, project: Project) -> Project:
    change({"a.py": "the content"}, decisions=[DecisionEntry("Start")])
    return project


def address(model: type[Model], *rest: str) -> str:
    return "/".join(["/admin", "context", str(model._meta.model_name), *rest, ""])


@pytest.mark.parametrize("model", [Project, *HAPPENINGS])
def test_every_model_has_its_pages(
    filled: Project, api: Client, root: User, model: type[Model]
) -> None:
    assert admin.site.is_registered(model)
    row = model._default_manager.get()
    assert api(root).get(address(model)).status_code == 200
    assert api(root).get(address(model, str(row.pk), "change")).status_code == 200


@pytest.mark.parametrize("model", HAPPENINGS)
def test_what_happened_is_never_edited(
    filled: Project, api: Client, root: User, model: type[Model]
) -> None:
    row = model._default_manager.get()
    assert api(root).post(address(model, str(row.pk), "change"), {}).status_code == 403
    assert api(root).post(address(model, str(row.pk), "delete"), {}).status_code == 403
    assert api(root).get(address(model, "add")).status_code == 403


@pytest.mark.parametrize("model", [Project, Changeset, Decision, File, FileVersion, ReadMark])
@pytest.mark.parametrize(
    ("who", "sees"), [("alice", True), ("bob", True), ("audra", True), ("charlie", False)]
)
def test_a_team_sees_its_own(
    filled: Project,
    api: Client,
    request: pytest.FixtureRequest,
    model: type[Model],
    who: str,
    sees: bool,
) -> None:
    row = model._default_manager.get()
    answer = api(request.getfixturevalue(who)).get(address(model, str(row.pk), "change"))
    # The admin sends whoever can't see a row back to its index.
    assert answer.status_code == (200 if sees else 302)


@pytest.mark.parametrize(("who", "sees"), [("root", True), ("audra", True), ("alice", False)])
def test_content_is_not_shown_beside_its_files(
    filled: Project, api: Client, request: pytest.FixtureRequest, who: str, sees: bool
) -> None:
    answer = api(request.getfixturevalue(who)).get(address(Blob, Blob.objects.get().pk, "change"))
    assert answer.status_code == (200 if sees else 302)
    assert b"the content" not in answer.content


def test_a_project_is_edited_with_history_and_its_rev_is_not(
    filled: Project, api: Client, root: User
) -> None:
    form = {"name": "auth-refactor", "team": str(filled.team_id), "description": "New", "rev": "9"}
    answer = api(root).post(address(Project, str(filled.pk), "change"), form)
    assert answer.status_code == 302
    filled.refresh_from_db()
    assert (filled.description, filled.rev) == ("New", 1)
    assert [entry.description for entry in filled.history.all()] == ["New", ""]
    assert api(root).get(address(Project, str(filled.pk), "history")).status_code == 200

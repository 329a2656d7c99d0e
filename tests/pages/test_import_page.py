"""The import page: paste or upload, look, apply; by keyboard, at both widths and in both lights."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from registry.models import Team, Tool, User
from tests.pages.conftest import DESK, PHONE, Visit

pytestmark = pytest.mark.django_db

Browse = Callable[[User | None], Client]
PAGE = "/admin/registry/tool/import/"
PETSTORE = (Path(__file__).parents[1] / "registry/importing/documents/petstore.yaml").read_text()


def form(**more: Any) -> dict[str, Any]:
    return {"format": "openapi", "team": "search", "document": PETSTORE, "preview": ""} | more


def test_root_sees_what_changes_before_anything_is_written(
    browse: Browse, root: User, team: Team
) -> None:
    page = browse(root)
    assert page.get(PAGE).status_code == 200
    shown = page.post(PAGE, form())
    text = shown.content.decode()
    for told in ("get_pet_by_id", "petstore_key", "create", "/paths/~1pets~1{pet-id}/get"):
        assert told in text
    assert not Tool.objects.exists()
    seen = shown.context["preview"].plan.digest
    answer = page.post(PAGE, form(apply="", seen=seen))
    assert answer.status_code == 302
    assert Tool.objects.get(name="put_pet").live_version.published_by == "user:root"
    assert b"Nothing changes" in page.post(PAGE, form()).content


def test_new_names_begin_with_the_prefix(browse: Browse, root: User, team: Team) -> None:
    shown = browse(root).post(PAGE, form(prefix="shop"))
    assert "shop_put_pet" in shown.content.decode()


def test_an_uploaded_document_is_applied_as_it_was_shown(
    browse: Browse, root: User, team: Team
) -> None:
    page = browse(root)
    file = SimpleUploadedFile("petstore.yaml", PETSTORE.encode())
    shown = page.post(PAGE, form(document="", upload=file))
    preview = shown.context["preview"]
    assert base64.b64decode(preview.carried).decode() == PETSTORE
    sent = form(document="", apply="", seen=preview.plan.digest, carried=preview.carried)
    assert page.post(PAGE, sent).status_code == 302
    assert Tool.objects.count() == 3


def test_a_preview_that_is_out_of_date_is_not_applied(
    browse: Browse, root: User, team: Team
) -> None:
    answer = browse(root).post(PAGE, form(apply="", seen="0" * 64))
    assert answer.status_code == 422
    assert b"The registry changed since this preview" in answer.content
    assert not Tool.objects.exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"document": ""}, "Paste a document, or choose a file."),
        ({"document": "swagger: '2.0'"}, "/swagger: Swagger 2.0"),
        ({"document": "a: [1"}, "this is no YAML: line"),
        ({"team": "nobody"}, "Select a valid choice"),
        ({"url": "ftp://x"}, "is no http or https address"),
        ({"document": "", "carried": "%%%"}, "The document is broken"),
    ],
)
def test_what_does_not_fit_is_told_on_the_page(
    browse: Browse, root: User, team: Team, more: dict[str, Any], told: str
) -> None:
    answer = browse(root).post(PAGE, form(**more))
    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_nobody_else_sees_the_page(
    browse: Browse, alice: User, charlie: User, rita: User, audra: User
) -> None:
    for who in (alice, charlie, rita, audra):
        assert browse(who).get(PAGE).status_code in (302, 403)
        assert browse(who).post(PAGE, form()).status_code in (302, 403)
    assert browse(None).get(PAGE).status_code == 302
    assert not Tool.objects.exists()


def test_what_a_document_says_is_shown_as_text(browse: Browse, root: User, team: Team) -> None:
    hostile = '[{"name": "<script>x</script>", "description": "<img src=x onerror=y>"}]'
    answer = browse(root).post(PAGE, form(format="mcp", document=hostile, source="s"))
    assert b"&lt;script&gt;x" in answer.content
    assert b"<script>x" not in answer.content
    assert b"<img src=x" not in answer.content


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_an_import_by_keyboard(
    visit: Callable[..., Visit], root: User, team: Team, width: int, scheme: str
) -> None:
    window = visit(width, scheme)
    window.sign_in("root")
    window.go(PAGE)
    window.page.fill("#id_document", PETSTORE)
    window.page.select_option("#id_team", "search")
    window.tab_to("button[name=preview]")
    window.page.keyboard.press("Enter")
    window.page.wait_for_selector("button[name=apply]")
    scrolls, shown = window.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scrolls <= shown
    window.tab_to("button[name=apply]")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/admin/registry/tool/")
    assert Tool.objects.filter(live_version__isnull=False).count() == 3

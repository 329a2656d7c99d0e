"""Imports by API are the platform team's; exports hold what the caller sees."""

from pathlib import Path
from typing import Any

import pytest

from registry.models import Tool
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

PETSTORE = (Path(__file__).parent / "documents" / "petstore.yaml").read_text()
IMPORT, EXPORT = "/api/v1/tools/import/", "/api/v1/tools/export/"


def body(**more: Any) -> dict[str, Any]:
    return {"format": "openapi", "document": PETSTORE, "team": "search"} | more


def test_root_looks_at_an_import_and_applies_what_was_shown(api, root, team) -> None:
    shown = api(root).post(IMPORT, body(dry_run=True), format="json")
    assert shown.status_code == 200, shown.json()
    assert shown.json()["counts"]["create"] == 3
    assert not Tool.objects.exists()
    done = api(root).post(IMPORT, body(seen=shown.json()["digest"]), format="json").json()
    assert done["applied"] is True
    assert Tool.objects.get(name="put_pet").live_version.published_by == "user:root"
    again = api(root).post(IMPORT, body(), format="json").json()
    assert again["counts"] == {"create": 0, "update": 0, "unchanged": 3, "skipped": 0}


def test_nobody_else_imports(api, alice, bob, charlie, rita, audra, key, team) -> None:
    for who in (alice, bob, charlie, rita, audra, key):
        assert api(who).post(IMPORT, body(), format="json").status_code == 403
    assert api(None).post(IMPORT, body(), format="json").status_code == 401
    assert not Tool.objects.exists()


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"format": "wsdl"}, "/format"),
        ({"document": {"swagger": "2.0"}}, "/swagger"),
        ({"document": "openapi: [", "format": "openapi"}, ""),
        ({"team": "nobody"}, "/team"),
        ({"url": "ftp://x"}, "/url"),
        ({"prefix": "No!"}, "/prefix"),
        ({"colour": "red"}, ""),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(api, root, team, more, pointer) -> None:
    answer = api(root).post(IMPORT, body(**more), format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Tool.objects.exists()


def test_a_preview_that_is_out_of_date_is_a_conflict(api, root, team) -> None:
    answer = api(root).post(IMPORT, body(seen="0" * 64), format="json")
    assert answer.status_code == 409
    assert not Tool.objects.exists()


@pytest.mark.parametrize("kind", ["openai", "anthropic", "mcp"])
def test_an_export_holds_what_the_caller_sees(api, kind, key, other_key, team) -> None:
    factories.make_tool("open_tool")
    factories.make_tool("own_tool", team=team, is_shared=False)

    def names(who: Any) -> list[str]:
        tools = api(who).get(f"{EXPORT}?format={kind}").json()["tools"]
        return [each.get("function", each)["name"] for each in tools]

    assert names(key) == ["open_tool", "own_tool"]
    assert names(other_key) == ["open_tool"]
    assert api(None).get(f"{EXPORT}?format={kind}").status_code == 401


def test_entries_are_exported_to_those_who_may_change_them(api, alice, charlie, root, team) -> None:
    factories.make_tool("open_tool")
    factories.make_tool("own_tool", team=team, executor_config={"inner": "host"})
    assert "own_tool" in api(alice).get(f"{EXPORT}?format=yaml").content.decode()
    assert "open_tool" not in api(alice).get(f"{EXPORT}?format=yaml").content.decode()
    assert "own_tool" not in api(charlie).get(f"{EXPORT}?format=yaml").content.decode()
    answer = api(root).get(f"{EXPORT}?format=yaml")
    assert answer["Content-Type"] == "application/yaml"
    assert answer.content.decode().count("kind: tool") == 2


def test_one_tool_is_exported_and_an_unseen_one_is_not_there(api, key, charlie, team) -> None:
    factories.make_tool("own_tool", team=team, is_shared=False)
    assert len(api(key).get(f"{EXPORT}?format=mcp&name=own_tool").json()["tools"]) == 1
    assert api(charlie).get(f"{EXPORT}?format=mcp&name=own_tool").status_code == 404
    assert api(key).get(f"{EXPORT}?format=soap").status_code == 422


def test_a_strict_export_tells_what_is_not(api, key) -> None:
    factories.make_tool("loose", parameters={"type": "object", "properties": {"a": {}}})
    answer = api(key).get(f"{EXPORT}?format=openai&strict=true").json()
    assert answer["left_out"] == [
        {
            "name": "loose",
            "place": "/properties/a",
            "reason": "not strict: anything is allowed here; the form wants a type",
        }
    ]

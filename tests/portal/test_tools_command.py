"""`manage.py tools`: the plan first, then all of it; what doesn't fit ends the command."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from portal import catalogue

from registry.models import Team, Tool
from tests import factories

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[1]
PETSTORE = ROOT / "registry" / "importing" / "documents" / "petstore.yaml"
GITHUB = ROOT / "data" / "mcp-tools" / "github"
FUNCTION = {"name": "getWeather", "parameters": {"type": "object", "properties": {}}}


def run(*words: object) -> str:
    out = io.StringIO()
    call_command("tools", *(str(word) for word in words), stdout=out)
    return out.getvalue()


def imported(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("import", *words, "--team", "search", "--json"))
    return found


def test_a_dry_run_writes_nothing_and_tells_the_same(team: Team) -> None:
    shown = imported("openapi", PETSTORE, "--dry-run")
    assert (shown["applied"], shown["counts"]["create"]) == (False, 3)
    assert not Tool.objects.exists()
    done = imported("openapi", PETSTORE)
    assert (done["applied"], done["digest"]) == (True, shown["digest"])
    assert imported("openapi", PETSTORE)["counts"]["unchanged"] == 3


def test_a_plan_is_told_in_words(team: Team) -> None:
    told = run("import", "openapi", PETSTORE, "--team", "search", "--dry-run")
    assert "create  get_pet_by_id  1.0" in told
    assert "needs the secret petstore_key" in told
    assert "3 create, 0 update, 0 unchanged, 0 skipped; nothing written: this is the plan" in told


def test_a_folder_of_definitions_is_one_list(team: Team) -> None:
    done = imported("mcp", GITHUB, "--prefix", "gh")
    assert done["counts"]["create"] == 117
    assert Tool.objects.get(name="gh_issue_read").origin["name"] == "issue_read"
    assert imported("mcp", GITHUB, "--prefix", "gh")["counts"]["unchanged"] == 117


def test_standard_input_is_a_source(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    class Given:
        buffer = io.BytesIO(json.dumps([FUNCTION]).encode())

    monkeypatch.setattr(sys, "stdin", Given())
    done = imported("openai", "-", "--name", "mine")
    assert done["tools"][0]["draft_because"].startswith("the format doesn't say how")
    assert Tool.objects.get(name="get_weather").live_version is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"swagger": "2.0"}', "/swagger: Swagger 2.0"),
        ("{", "no JSON: line 1, column 2"),
        ('{"openapi": "9"}', "/openapi"),
    ],
)
def test_what_cannot_be_read_ends_the_command_with_its_place(
    team: Team, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(CommandError, match=told):
        imported("openapi", file)


def test_a_source_or_team_that_is_not_there_is_named(team: Team, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no file or folder and no saved upstream server"):
        imported("mcp", "nowhere")
    with pytest.raises(CommandError, match=r"There is no team 'nobody'. There are: search"):
        run("import", "openapi", PETSTORE, "--team", "nobody")
    with pytest.raises(CommandError, match="is a folder: name one"):
        imported("openapi", tmp_path)


def test_a_bad_file_of_a_folder_is_named(team: Team, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps([FUNCTION]))
    (tmp_path / "bad.json").write_text("[1,")
    with pytest.raises(CommandError, match=r"bad\.json: this is no JSON"):
        imported("openai", tmp_path)
    assert not Tool.objects.exists()


@pytest.mark.parametrize("kind", ["openai", "anthropic", "mcp"])
def test_what_is_exported_is_imported_without_a_change(
    team: Team, tmp_path: Path, kind: str
) -> None:
    factories.make_tool("one", team=team, annotations={"idempotentHint": False})
    file = tmp_path / "tools.json"
    file.write_text(run("export", kind))
    before = Tool.objects.get().live_version
    if kind == "mcp":
        assert json.loads(file.read_text())[0]["inputSchema"] == before.contract["parameters"]
        return
    assert imported(kind, file)["counts"]["unchanged"] == 1
    assert Tool.objects.get().live_version == before


def test_a_yaml_export_is_a_catalogue(team: Team, tmp_path: Path) -> None:
    imported("openapi", PETSTORE)
    (tmp_path / "tools.yaml").write_text(run("export", "yaml"))
    assert {change.act for change in catalogue.load(tmp_path)} == {"unchanged"}


def test_a_strict_export_tells_on_standard_error_what_is_not(team: Team) -> None:
    factories.make_tool("loose", parameters={"type": "object", "properties": {"a": {}}})
    out, errors = io.StringIO(), io.StringIO()
    call_command("tools", "export", "openai", "--strict", stdout=out, stderr=errors)
    assert len(json.loads(out.getvalue())) == 1
    assert "loose /properties/a: not strict" in errors.getvalue()


def test_a_draft_survives_a_catalogue(team: Team, tmp_path: Path) -> None:
    """What was never published isn't published by writing it out and reading it in."""
    file = tmp_path / "f.json"
    file.write_text(json.dumps(FUNCTION))
    imported("openai", file)
    folder = tmp_path / "out"
    call_command("catalogue", "export", str(folder), stdout=io.StringIO())
    assert {change.act for change in catalogue.load(folder)} == {"unchanged"}
    assert Tool.objects.get().live_version is None

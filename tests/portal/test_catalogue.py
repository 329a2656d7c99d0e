"""A catalogue becomes definitions, all or none; what doesn't fit is named by file and line."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from portal import catalogue, installation
from portal.catalogue import CatalogueFault

from registry.models import Permission, Team

pytestmark = pytest.mark.django_db

GOOD = """\
kind: team
name: search
description: Finds things.
---
kind: permission
name: code_execution
"""


def write(folder: Path, text: str, name: str = "all.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_applying_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert {change.act for change in catalogue.load(tmp_path)} == {"create"}
    assert {change.act for change in catalogue.load(tmp_path)} == {"unchanged"}
    assert Team.objects.get(name="search").description == "Finds things."


def test_a_plan_tells_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    changes = catalogue.plan(write(tmp_path, GOOD))
    assert [(change.kind, change.name, change.act) for change in changes] == [
        ("permission", "code_execution", "create"),
        ("team", "search", "create"),
    ]
    assert not Team.objects.filter(name="search").exists()


def test_a_plan_shows_what_differs(tmp_path: Path) -> None:
    catalogue.load(write(tmp_path, GOOD))
    write(tmp_path, GOOD.replace("Finds things.", "Finds more."))
    out = io.StringIO()
    call_command("catalogue", "plan", str(tmp_path), stdout=out)
    told = out.getvalue()
    assert "update    team search  description" in told
    assert "-description: Finds things." in told and "+description: Finds more." in told
    assert "1 changed, 1 as they were" in told
    assert Team.objects.get(name="search").description == "Finds things."
    out = io.StringIO()
    call_command("catalogue", "plan", str(tmp_path), "--json", stdout=out)
    [changed] = [each for each in json.loads(out.getvalue())["changes"] if each["diff"]]
    assert changed["name"] == "search"


def test_one_bad_entry_leaves_nothing_written(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "---\nkind: agent\nname: a\nteam: nobody\n")
    with pytest.raises(CatalogueFault, match=r"all\.yaml:10: agent 'a' /team: there is no team"):
        catalogue.load(tmp_path)
    assert not Team.objects.filter(name="search").exists()
    assert not Permission.objects.filter(name="code_execution").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: team\nname: [a\n", r"all\.yaml:\d: this is no YAML"),
        ("kind: team\nname: a\nname: b\n", r"all\.yaml:3: .*'name' stands here twice"),
        ("kind: ship\nname: a\n", r"all\.yaml:1: kind 'ship' is unknown; known: .*team"),
        ("kind: team\n", r"all\.yaml:1: this team has no name"),
        ("- team\n", r"all\.yaml:1: an entry is a mapping"),
        ("kind: team\nname: a\n---\nkind: team\nname: a\n", r"all\.yaml:4: team 'a' .* already"),
        ("kind: team\nname: a\ncolour: red\n", r"all\.yaml:3: team 'a' /colour: unknown"),
        ("kind: team\nname: !!python/object:os.system x\n", r"all\.yaml:2: this is no YAML"),
    ],
)
def test_what_does_not_fit_is_named_by_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CatalogueFault, match=said):
        catalogue.load(write(tmp_path, text))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no folder"):
        call_command("catalogue", "plan", str(tmp_path / "none"))


def test_what_is_exported_applies_without_a_change(tmp_path: Path) -> None:
    catalogue.load(installation.STARTER)
    out = io.StringIO()
    call_command("catalogue", "export", str(tmp_path), "--json", stdout=out)
    assert len(json.loads(out.getvalue())["files"]) > 10
    acts = {(change.act, change.kind, change.name) for change in catalogue.load(tmp_path)}
    assert {act for act, _, _ in acts} == {"unchanged"}, acts


def test_the_starter_catalogue_applies_twice() -> None:
    assert catalogue.load(installation.STARTER)
    assert {change.act for change in catalogue.load(installation.STARTER)} == {"unchanged"}

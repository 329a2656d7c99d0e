"""An import is looked at, then applied: whole or not at all, and the second time it is nothing."""

from pathlib import Path
from typing import Any

import pytest
from kernel.actor import SYSTEM
from kernel.problems import Conflict, Invalid

from registry import catalogue, publishing
from registry.importing import functions, mcp, openapi, planning
from registry.importing.drafts import Imported, Terms
from registry.models import Team, Tool, ToolVersion
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

PETSTORE = Path(__file__).parent / "documents" / "petstore.yaml"
STRING: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
NUMBER: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
MORE: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
}


def petstore(**terms: Any) -> Imported:
    return openapi.read_text(PETSTORE.read_bytes(), terms=Terms(**terms))


def served(schema: dict[str, Any], *names: str, server: str = "tracker") -> Imported:
    tools = [{"name": name, "description": "Does.", "inputSchema": schema} for name in names]
    return mcp.read(tools, server)


def acts(made: planning.Plan) -> dict[str, str]:
    return {each.name: each.act for each in made.planned}


def test_a_plan_writes_nothing_and_tells_what_apply_does(team: Team) -> None:
    made = planning.plan(petstore(), team)
    assert acts(made) == dict.fromkeys(("get_pet_by_id", "put_pet", "post_pets"), "create")
    assert not Tool.objects.exists()
    applied = planning.apply(petstore(), team, SYSTEM)
    assert applied.digest == made.digest
    assert {row.live_version.version for row in Tool.objects.all()} == {"1.0"}


def test_the_second_time_nothing_changes(team: Team) -> None:
    planning.apply(petstore(), team, SYSTEM)
    before = ToolVersion.objects.count()
    histories = [row.history.count() for row in Tool.objects.all()]
    made = planning.apply(petstore(), team, SYSTEM)
    assert set(acts(made).values()) == {"unchanged"}
    assert ToolVersion.objects.count() == before
    assert [row.history.count() for row in Tool.objects.all()] == histories


def test_a_tool_keeps_its_owner_origin_and_terms(team: Team) -> None:
    factories.make_permission("network_access")
    terms = Terms(permissions=("network_access",), shared=True)
    planning.apply(petstore(), team, SYSTEM, terms)
    tool = Tool.objects.get(name="get_pet_by_id")
    assert (tool.team, tool.is_shared) == (team, True)
    assert list(tool.permissions_required.values_list("name", flat=True)) == ["network_access"]
    assert tool.origin == {
        "kind": "openapi",
        "source": "Petstore",
        "place": "/paths/~1pets~1{pet-id}/get",
        "name": "getPetById",
    }


@pytest.mark.parametrize(
    ("after", "number", "kind"), [(MORE, "1.1", "compatible"), (NUMBER, "2.0", "breaking")]
)
def test_an_update_bears_the_number_that_its_changes_ask_for(
    team: Team, after: dict[str, Any], number: str, kind: str
) -> None:
    planning.apply(served(STRING | {"additionalProperties": False}, "do"), team, SYSTEM)
    changed = served(after | {"additionalProperties": False}, "do")
    [planned] = planning.plan(changed, team).planned
    assert (planned.act, planned.live, planned.number) == ("update", "1.0", number)
    assert planned.differences[0].kind == kind
    planning.apply(changed, team, SYSTEM)
    assert Tool.objects.get(name="do").live_version.version == number
    assert acts(planning.plan(changed, team)) == {"do": "unchanged"}


def test_what_was_decided_here_survives_an_update(team: Team) -> None:
    planning.apply(served(STRING, "do"), team, SYSTEM)
    tool = Tool.objects.get(name="do")
    tool.cost_micros, tool.tags, tool.idempotent, tool.version = 5_000, ["mine"], True, "2.0"
    tool.executor_config = tool.executor_config | {"note": "kept"}
    tool.save()
    tool.permissions_required.set([factories.make_permission("deploy")])
    publishing.publish(tool, by="test")
    planning.apply(served(MORE, "do"), team, SYSTEM)
    tool.refresh_from_db()
    contract = tool.live_version.contract
    assert contract["cost_per_call"] == "0.005"
    assert contract["tags"] == ["mine"]
    assert contract["permissions_required"] == ["deploy"]
    assert contract["idempotent"] is True
    assert contract["executor_config"] == {"server": "tracker", "tool": "do", "note": "kept"}
    assert contract["parameters"] == MORE


def test_one_bad_tool_leaves_nothing_written(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between plan and apply the name was taken by a version that can't be followed."""
    imported = served(STRING, "a", "b", "c")
    drawn_up = publishing.drawn_up

    def failing(tool: Tool, *rest: Any, **options: Any) -> ToolVersion | None:
        if tool.name == "c":
            raise Invalid("No.")
        return drawn_up(tool, *rest, **options)

    monkeypatch.setattr(publishing, "drawn_up", failing)
    with pytest.raises(Invalid, match="'c' can't be written; nothing was"):
        planning.apply(imported, team, SYSTEM)
    assert not Tool.objects.exists()
    assert not ToolVersion.objects.exists()


def test_a_plan_that_is_out_of_date_is_not_applied(team: Team) -> None:
    seen = planning.plan(served(STRING, "do"), team).digest
    planning.apply(served(NUMBER, "do"), team, SYSTEM)
    with pytest.raises(Conflict, match="Look at it again"):
        planning.apply(served(STRING, "do"), team, SYSTEM, seen=seen)


def test_a_name_of_another_team_or_source_is_skipped_with_the_reason(
    team: Team, other_team: Team
) -> None:
    factories.make_tool("theirs", team=other_team)
    planning.apply(served(STRING, "shared", server="first"), team, SYSTEM)
    made = planning.plan(served(STRING, "theirs", "shared", "free", server="second"), team)
    assert acts(made) == {"free": "create"}
    reasons = {each.name: each.reason for each in made.skipped}
    assert "belongs to team billing" in reasons["theirs"]
    assert "was imported from mcp 'first'" in reasons["shared"]


def test_a_renamed_tool_is_still_the_one_that_was_imported(team: Team) -> None:
    planning.apply(served(STRING, "doIt"), team, SYSTEM)
    tool = Tool.objects.get(name="do_it")
    tool.name, tool.version = "perform", "2.0"
    tool.save()
    publishing.publish(tool, by="test")
    made = planning.apply(served(MORE, "doIt", "perform"), team, SYSTEM)
    assert acts(made)["perform"] == "update"
    [other] = [name for name in acts(made) if name != "perform"]
    assert other.startswith("perform_") and acts(made)[other] == "create"


def test_functions_become_drafts_that_nobody_can_call(team: Team) -> None:
    imported = functions.read_openai([{"name": "f", "parameters": STRING}], source="list")
    [planned] = planning.apply(imported, team, SYSTEM).planned
    assert "doesn't say how" in planned.draft
    tool = Tool.objects.get(name="f")
    assert tool.live_version is None
    assert acts(planning.apply(imported, team, SYSTEM)) == {"f": "unchanged"}
    callable_now = functions.read_openai(
        [{"name": "f", "parameters": STRING}], source="list", terms=Terms(url="https://f.example")
    )
    assert acts(planning.apply(callable_now, team, SYSTEM)) == {"f": "update"}
    tool.refresh_from_db()
    assert tool.live_version.contract["executor_config"]["url"] == "https://f.example/f"


def test_a_function_that_is_called_here_already_keeps_how(team: Team) -> None:
    tool = factories.make_tool("f", team=team, executor_config={"mine": 1})
    imported = functions.read_openai([{"name": "f", "description": "New.", "parameters": MORE}])
    [planned] = planning.apply(imported, team, SYSTEM).planned
    tool.refresh_from_db()
    assert (planned.act, planned.draft) == ("update", "")
    assert tool.live_version.contract["executor"] == "python"
    assert tool.live_version.contract["description"] == "New."
    assert tool.origin == {}


def test_what_the_source_holds_no_more_is_told_and_stays(team: Team) -> None:
    planning.apply(served(STRING, "a", "b"), team, SYSTEM)
    made = planning.apply(served(STRING, "a"), team, SYSTEM)
    assert made.gone == ("b",)
    assert Tool.objects.get(name="b").live_version is not None


def test_a_permission_that_is_not_there_skips_with_its_place(team: Team) -> None:
    made = planning.plan(served(STRING, "a"), team, Terms(permissions=("fly",)))
    assert not made.planned
    assert "/permissions_required/0: there is no permission 'fly'" in made.skipped[0].reason


def test_what_was_imported_goes_through_a_catalogue_unchanged(team: Team) -> None:
    planning.apply(petstore(), team, SYSTEM)
    imported = functions.read_openai([{"name": "f", "parameters": STRING}], source="list")
    planning.apply(imported, team, SYSTEM)
    entries = catalogue.export_tools()
    assert [entry["name"] for entry in entries if entry.get("draft")] == ["f"]
    assert {catalogue.apply_tool(entry).act for entry in entries} == {"unchanged"}


def test_a_tool_without_arguments_is_no_shorthand(team: Team) -> None:
    made = planning.apply(served({"type": "object"}, "now"), team, SYSTEM)
    assert acts(made) == {"now": "create"}
    assert Tool.objects.get(name="now").parameters == {"type": "object"}

"""Tool lists of MCP servers and of model APIs become drafts under names that fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel import schemas

from registry.importing import functions, mcp, names, reading, texts
from registry.importing.drafts import Refused, Terms
from registry.models.agents import NAME

DATA = Path(__file__).parents[2] / "data" / "mcp-tools"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


@pytest.mark.parametrize(
    "document",
    [
        {"type": "function", "function": {"name": "getWeather", "parameters": WEATHER}},
        {"type": "function", "name": "getWeather", "parameters": WEATHER, "strict": True},
        {"name": "getWeather", "parameters": WEATHER},
        [{"name": "getWeather", "parameters": WEATHER}],
        {
            "tools": [
                {"type": "function", "function": {"name": "getWeather", "parameters": WEATHER}}
            ]
        },
        {"functions": [{"name": "getWeather", "parameters": WEATHER}]},
    ],
)
def test_openais_forms_are_read(document: Any) -> None:
    imported = functions.read_openai(document, source="mine")
    [draft] = imported.drafts
    assert draft.entry["name"] == "get_weather"
    assert draft.entry["parameters"] == WEATHER
    assert draft.entry["origin"]["name"] == "getWeather"
    assert "doesn't say how" in draft.unready


def test_anthropics_form_is_read_and_the_others_are_told_apart() -> None:
    document = [
        {"name": "a", "input_schema": WEATHER},
        {"type": "web_search_20250305", "name": "web_search"},
        {"name": "b", "parameters": WEATHER},
        {"input_schema": WEATHER},
        7,
    ]
    imported = functions.read_anthropic(document)
    assert [draft.name for draft in imported.drafts] == ["a"]
    assert {(each.place, each.reason.split(":")[0]) for each in imported.skipped} == {
        ("/1", "a tool of type 'web_search_20250305' runs at its provider"),
        ("/2", "it has no input_schema, which Anthropic's form asks for"),
        ("/3", "a tool is an object with a name"),
        ("/4", "a tool is an object with a name"),
    }


def test_an_address_makes_functions_callable() -> None:
    document = [{"name": "Get/Weather", "parameters": WEATHER}]
    [draft] = functions.read_openai(document, terms=Terms(url="https://f.example/run")).drafts
    assert draft.unready == ""
    assert draft.entry["executor_config"]["url"] == "https://f.example/run/Get%2FWeather"
    assert draft.entry["executor_config"]["hosts"] == ["f.example"]


def test_foreign_types_are_read_as_what_they_mean() -> None:
    schema = {
        "type": "dict",
        "properties": {
            "a": {"type": "float"},
            "b": {"type": "tuple", "items": {"type": "any"}},
            "c": {"type": "HashMap"},
            "d": {"type": "String"},
        },
    }
    [draft] = functions.read_openai([{"name": "f", "parameters": schema}]).drafts
    assert draft.entry["parameters"] == {
        "type": "object",
        "properties": {
            "a": {"type": "number"},
            "b": {"type": "array", "items": {}},
            "c": {"type": "object"},
            "d": {"type": "string"},
        },
    }


@pytest.mark.parametrize("schema", [[], "x", 7, {"type": "array"}, {"type": "string"}])
def test_arguments_that_are_no_object_are_skipped_with_their_place(schema: Any) -> None:
    imported = functions.read_openai([{"name": "f", "parameters": schema}])
    assert not imported.drafts
    assert imported.skipped[0].place == "/0/parameters"


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_mcp_answer_becomes_tools_of_its_server(wrapped: bool) -> None:
    tools = [
        {
            "name": "issue/Create",
            "title": "Create",
            "description": "Makes one.",
            "inputSchema": WEATHER,
            "outputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}},
            "annotations": {"destructiveHint": False, "made_up": 1, "idempotentHint": "yes"},
        }
    ]
    answer: Any = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}} if wrapped else tools
    [draft] = mcp.read(answer, "tracker").drafts
    assert draft.entry["name"] == "issue_create"
    assert draft.entry["executor"] == "mcp"
    assert draft.entry["executor_config"] == {"server": "tracker", "tool": "issue/Create"}
    assert draft.entry["annotations"] == {"title": "Create", "destructiveHint": False}
    assert draft.entry["result_schema"]["properties"] == {"id": {"type": "integer"}}
    assert "idempotent" not in draft.entry
    assert draft.unready == ""


def test_every_tool_of_a_real_server_is_imported() -> None:
    imported = texts.read_path("mcp", DATA / "github", "github")
    assert len(imported.drafts) == 117
    assert not [each for each in imported.skipped if not each.part]
    for draft in imported.drafts:
        assert not schemas.faults_of_schema(draft.entry["parameters"])


def test_every_list_of_a_real_catalogue_is_imported() -> None:
    told = made = 0
    for file in sorted((DATA / "docker").glob("*.json")):
        listed = json.loads(file.read_text())
        imported = mcp.read(listed, file.stem)
        told, made = told + len(listed), made + len(imported.drafts)
        assert len(imported.drafts) == len(listed), (file.name, imported.skipped)
    assert (told, made) == (755, 755)


def test_a_list_that_is_none_is_refused() -> None:
    for document in ("x", 7, None):
        with pytest.raises(Refused, match="no list of tools"):
            mcp.read(document, "s")
    with pytest.raises(Refused, match="2001 tools"):
        mcp.read([{"name": f"t{n}"} for n in range(2_001)], "s")


OWN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)


@given(st.lists(st.one_of(OWN, st.sampled_from(["getPet", "get_pet", "get-pet", "GetPet"]))))
@settings(max_examples=300, deadline=None)
def test_names_fit_and_never_collide(own: list[str]) -> None:
    given_names = names.fitted(own)
    assert len(set(given_names)) == len(own)
    assert all(NAME.regex.match(name) for name in given_names)
    assert given_names == names.fitted(own)


@given(st.permutations(["getPet", "get_pet", "get-pet", "listPets", "import", "x" * 70, "鸟"]))
@settings(deadline=None)
def test_a_name_does_not_depend_on_the_order(own: list[str]) -> None:
    given_names = dict(zip(own, names.fitted(own), strict=True))
    assert given_names["get_pet"] == "get_pet"
    assert given_names["listPets"] == "list_pets"
    assert given_names["getPet"].startswith("get_pet_")
    assert given_names["import"].startswith("import_")
    assert given_names == dict(zip(sorted(own), names.fitted(sorted(own)), strict=True))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "type properties items $ref required enum allOf anyOf not format pattern "
                "additionalProperties minimum exclusiveMinimum maxLength default $defs name "
                "definitions nullable patternProperties prefixItems dependentRequired if "
                "then const examples".split()
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
@settings(max_examples=400, deadline=None)
def test_whatever_stands_there_becomes_a_valid_schema_or_is_told(schema: Any) -> None:
    imported = functions.read_openai([{"name": "f", "parameters": schema}])
    for draft in imported.drafts:
        assert not schemas.faults_of_schema(draft.entry["parameters"])
        assert not schemas.faults_of_value({}, {"type": "object"})
        schemas.faults_of_value({"a": 1}, draft.entry["parameters"])
    assert imported.drafts or imported.skipped


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_whatever_bytes_come_are_a_document_or_refused(raw: bytes) -> None:
    try:
        reading.document(raw)
    except Refused as refused:
        assert refused.why


def test_a_number_that_json_does_not_have_is_kept_by_its_name() -> None:
    schema = {"enum": [float("inf")], "properties": {"a": {"default": float("nan")}}}
    [draft] = functions.read_openai([{"name": "f", "parameters": schema}]).drafts
    assert draft.entry["parameters"]["enum"] == ["inf"]
    assert draft.entry["parameters"]["properties"]["a"]["default"] == "nan"
    assert not schemas.faults_of_schema(draft.entry["parameters"])

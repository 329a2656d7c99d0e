"""What is exported and imported again says the same; what a format can't say is told."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel import schemas
from kernel.actor import SYSTEM

from registry.exporting import documents, formats
from registry.exporting.strict import Loose, strict
from registry.importing import functions, mcp, openapi, planning, texts
from registry.models import Team, Tool
from tests import factories

DATA = Path(__file__).parents[2] / "data" / "mcp-tools"
PETSTORE = Path(__file__).parents[1] / "importing" / "documents" / "petstore.yaml"

LEAF = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "integer", "minimum": 0}),
    st.just({"type": ["number", "null"]}),
    st.just({"enum": ["a", 1, None]}),
    st.just({"type": "boolean", "default": True}),
    st.just({}),
)
SCHEMA = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(
            lambda properties, closed: (
                {
                    "type": "object",
                    "properties": properties,
                    "required": sorted(properties)[:1],
                }
                | ({"additionalProperties": False} if closed else {})
            ),
            st.dictionaries(st.sampled_from("abcdef"), inner, max_size=3),
            st.booleans(),
        ),
    ),
    max_leaves=8,
)
ARGUMENTS = st.builds(
    lambda properties, number: {
        "type": "object",
        "properties": properties,
        "required": sorted(properties)[:number],
        "additionalProperties": False,
    },
    st.dictionaries(st.sampled_from("abcdef"), SCHEMA, max_size=4),
    st.integers(0, 4),
)


def contract(parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "do",
        "description": "Does.",
        "parameters": parameters,
        "result_schema": None,
        "idempotent": False,
    } | more


@given(ARGUMENTS)
@settings(max_examples=200, deadline=None)
def test_every_format_gives_the_same_schema_back(parameters: dict[str, Any]) -> None:
    made = contract(parameters)
    back = [
        functions.read_openai(formats.openai(made, "do")),
        functions.read_anthropic(formats.anthropic(made, "do")),
        mcp.read([formats.mcp(made, "do")], "here"),
    ]
    for imported in back:
        [draft] = imported.drafts
        assert draft.entry["parameters"] == parameters
        assert draft.entry["description"] == "Does."


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=3)
    ),
    max_leaves=6,
)


def without_optional_nulls(value: Any, schema: dict[str, Any]) -> Any:
    """What a caller does with an answer in the strict form."""
    required = schema.get("required", [])
    return {name: inner for name, inner in value.items() if inner is not None or name in required}


FLAT = st.builds(
    lambda properties, number: {
        "type": "object",
        "properties": properties,
        "required": sorted(properties)[:number],
        "additionalProperties": False,
    },
    st.dictionaries(st.sampled_from("abc"), LEAF, max_size=3),
    st.integers(0, 3),
)


@given(FLAT, st.dictionaries(st.sampled_from("abc"), VALUE, max_size=3))
@settings(max_examples=300, deadline=None)
def test_what_the_strict_form_allows_the_tool_takes(
    parameters: dict[str, Any], value: dict[str, Any]
) -> None:
    try:
        made = strict(parameters)
    except Loose:
        return
    if not schemas.faults_of_value(value, made):
        sent = without_optional_nulls(value, parameters)
        assert not schemas.faults_of_value(sent, parameters)


@given(ARGUMENTS)
@settings(max_examples=200, deadline=None)
def test_the_strict_form_keeps_its_own_rules(parameters: dict[str, Any]) -> None:
    try:
        made = strict(parameters)
    except Loose as loose:
        assert loose.place.startswith("/")
        return
    jsonschema_rs.Draft202012Validator(made)

    def check(node: dict[str, Any]) -> None:
        assert {"type", "anyOf", "enum", "const", "$ref"} & node.keys()
        assert "default" not in node
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert sorted(node["required"]) == sorted(node["properties"])
        for inner in [*node.get("properties", {}).values(), *node.get("anyOf", [])]:
            check(inner)
        if "items" in node:
            check(node["items"])

    check(made)


@pytest.mark.parametrize(
    ("schema", "place", "reason"),
    [
        ({"properties": {"a": {}}}, "/properties/a", "anything is allowed"),
        (
            {"properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}}},
            "/properties/a",
            "maps",
        ),
        ({"properties": {"a": {"allOf": [{"type": "string"}]}}}, "/properties/a/allOf", "allOf"),
        ({"properties": {"a": {"type": "string", "minLength": 1}}}, "/properties/a/minLength", ""),
        ({"properties": {}, "required": ["b"]}, "/required", "'b' is required"),
        ({"properties": {"a": {"type": "array"}}}, "/properties/a", "items"),
    ],
)
def test_what_has_no_strict_form_says_where_and_why(
    schema: dict[str, Any], place: str, reason: str
) -> None:
    with pytest.raises(Loose) as loose:
        strict({"type": "object"} | schema)
    assert loose.value.place == place
    assert reason in loose.value.reason


def test_an_optional_argument_may_be_null_in_the_strict_form() -> None:
    made = strict(
        {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"], "default": "C", "description": "Which."},
            },
            "required": ["city"],
        }
    )
    assert made == {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["C", "F", None], "description": "Which. Default: 'C'."},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    }


def test_all_tools_of_a_real_server_come_back_the_same() -> None:
    for draft in texts.read_path("mcp", DATA / "github", "github").drafts:
        own = draft.entry["origin"]["name"]
        made = contract(draft.entry["parameters"], annotations=draft.entry["annotations"])
        [back] = mcp.read([formats.mcp(made, own)], "github").drafts
        assert back.entry["parameters"] == draft.entry["parameters"]
        assert back.entry["annotations"].items() >= draft.entry["annotations"].items()
        [back] = functions.read_openai([formats.openai(made, own)]).drafts
        assert back.entry["parameters"] == draft.entry["parameters"]


def test_a_deprecation_is_told_where_mcp_has_no_word_for_it() -> None:
    made = contract(
        {"type": "object"},
        name="do",
        version="1.2",
        deprecated=True,
        deprecation_message="Too slow.",
        replacement="faster",
        sunset_at="2027-01-31T00:00:00+00:00",
        result_schema={"type": "object"},
    )
    tool = formats.mcp(made, "do")
    assert tool["description"] == (
        f"Deprecated: {made['name']} {made['version']} is deprecated, and ends on 2027-01-31. "
        f"Use faster instead. Too slow.\n\n{made['description']}"
    )
    assert tool["outputSchema"] == {"type": "object"}
    assert "outputSchema" not in formats.mcp(contract({"type": "object"}), "do")


@pytest.mark.django_db
def test_own_names_come_back_where_the_format_takes_them(team: Team) -> None:
    planning.apply(openapi.read_text(PETSTORE.read_bytes()), team, SYSTEM)
    exported = documents.export(Tool.objects.all(), "openai")
    names = [each["function"]["name"] for each in exported.tools]
    assert sorted(names) == ["getPetById", "post_pets", "putPet"]
    assert exported.names == {"getPetById": "get_pet_by_id", "putPet": "put_pet"}


@pytest.mark.django_db
def test_two_tools_of_one_own_name_bear_the_registrys(team: Team) -> None:
    tools = [{"name": "listAll", "inputSchema": {"type": "object"}}]
    assert not planning.apply(mcp.read(tools, "one"), team, SYSTEM).skipped
    factories.make_tool("other", origin={"kind": "mcp", "source": "two", "name": "listAll"})
    exported = documents.export(Tool.objects.all(), "mcp")
    assert sorted(each["name"] for each in exported.tools) == ["list_all", "other"]


@pytest.mark.django_db
def test_a_strict_export_says_why_a_tool_is_not(team: Team) -> None:
    factories.make_tool("good", parameters={"type": "object", "properties": {}})
    factories.make_tool("loose", parameters={"type": "object", "properties": {"a": {}}})
    exported = documents.export(Tool.objects.order_by("name"), "openai", strict=True)
    assert [each["function"].get("strict", False) for each in exported.tools] == [True, False]
    [left] = exported.left_out
    assert (left.name, left.place) == ("loose", "/properties/a")


@pytest.mark.django_db
def test_an_export_as_yaml_is_a_catalogue(team: Team, tmp_path: Path) -> None:
    from_file = openapi.read_text(PETSTORE.read_bytes())
    planning.apply(from_file, team, SYSTEM)
    text = documents.text(documents.export(Tool.objects.all(), "yaml"))
    assert text.count("kind: tool") == 3
    assert "getPetById" in text

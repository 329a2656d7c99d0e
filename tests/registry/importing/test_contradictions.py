"""Schemas that contradict themselves are read as meant, and what that changed is told."""

from typing import Any

import pytest
from kernel import schemas

from benchmarks import misfits
from registry.importing import functions, mcp, openapi


def drafted(**properties: Any) -> tuple[dict[str, Any], set[str]]:
    """The properties as they were imported, and the reasons that were told."""
    schema = {"type": "object", "properties": properties}
    imported = functions.read_openai([{"name": "f", "parameters": schema}])
    [draft] = imported.drafts
    return draft.entry["parameters"]["properties"], {each.reason for each in imported.skipped}


@pytest.mark.parametrize(
    "said, meant",
    [
        ({"type": "integer", "enum": ["1", "2"]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "string", "enum": [1, 2.5]}, {"type": "string", "enum": ["1", "2.5"]}),
        ({"type": "boolean", "enum": ["True", "any"]}, {"type": "boolean", "enum": [True]}),
        ({"type": "integer", "enum": ["one"]}, {"type": "integer"}),
        (
            {"type": ["integer", "null"], "enum": ["1", "1", None]},
            {"type": ["integer", "null"], "enum": [1, None]},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "enum": ["a", "b"]},
            {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        ),
        ({"type": "array", "enum": [1, 2]}, {"type": "array", "items": {"enum": [1, 2]}}),
    ],
)
def test_an_enum_that_its_type_refuses_is_read_as_meant(said: Any, meant: Any) -> None:
    found, told = drafted(x=said, deep={"type": "array", "items": said})
    assert found == {"x": meant, "deep": {"type": "array", "items": meant}}
    assert any(reason.startswith("the enum is") for reason in told)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": ["a", 1]},
        {"type": "array", "enum": [["a"], "b"]},
        {"enum": [1, "a", None]},
        {"type": "string", "enum": [None]},
    ],
)
def test_an_enum_of_which_a_value_can_be_given_stays(schema: Any) -> None:
    assert drafted(x=schema) == ({"x": schema}, set())


@pytest.mark.parametrize(
    "said",
    [
        {"type": "string", "enum": ["cheap", "dear"], "default": "dontcare"},
        {"type": "integer", "minimum": 1, "default": 0},
        {"type": "string", "maxLength": 2, "default": "long"},
        {"type": "string", "pattern": "^a", "default": "b"},
        {"type": "array", "items": {"type": "string"}, "default": [1]},
    ],
)
def test_a_default_that_its_schema_refuses_is_left_out_so_that_calls_go_through(said: Any) -> None:
    found, told = drafted(x=said)
    assert found == {"x": {key: value for key, value in said.items() if key != "default"}}
    assert told == {"the default of 'x' is left out: its own schema refuses it"}
    schema = {"type": "object", "properties": found}
    assert not schemas.faults_of_value(schemas.with_defaults({}, schema), schema)


def test_a_default_that_fits_stays_whatever_else_the_object_demands() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/size", "default": 3}, "y": {"type": "string"}},
        "required": ["y"],
        "$defs": {"size": {"type": "integer", "maximum": 5}},
    }
    [draft] = mcp.read([{"name": "f", "inputSchema": schema}], "s").drafts
    assert draft.entry["parameters"] == schema


def test_parameters_of_an_openapi_document_are_mended_too() -> None:
    query = {"name": "sort", "in": "query", "schema": {"enum": ["asc"], "default": "ASC"}}
    page = {"name": "page", "in": "query", "schema": {"type": "integer", "enum": ["1", "2"]}}
    operation = {"parameters": [query, page], "responses": {"200": {"description": "ok"}}}
    imported = openapi.read(
        {
            "openapi": "3.0.3",
            "info": {"title": "t", "version": "1"},
            "servers": [{"url": "https://a.example"}],
            "paths": {"/pets": {"get": operation}},
        }
    )
    [draft] = imported.drafts
    assert draft.entry["parameters"]["properties"]["sort"] == {"enum": ["asc"]}
    assert draft.entry["parameters"]["properties"]["page"]["enum"] == [1, 2]
    assert {each.name for each in imported.skipped} >= {draft.name}


FUNCTION: dict[str, Any] = {
    "name": "f",
    "parameters": {
        "type": "dict",
        "required": ["a"],
        "properties": {
            "a": {"type": "ArrayList", "items": {"type": "long"}},
            "b": {"type": "String", "enum": ["x"], "default": "y"},
            "c": {"type": "dict", "properties": {"d": {"type": "float"}}},
        },
    },
}


@pytest.mark.parametrize(
    "arguments, rule",
    [
        ({"a": [1], "c": {"d": 1}}, misfits.IMPORT),
        ({"b": "x"}, "ground truth: leaves out a required argument"),
        (
            {"z": 1},
            "ground truth: leaves out a required argument and gives one that it doesn't have",
        ),
        ({"a": ["1"]}, "ground truth: gives a text where an integer is said"),
        ({"a": [], "b": "z"}, "ground truth: gives a value that isn't in the enum"),
        (
            {"a": [], "b": "y"},
            "ground truth: gives its schema's own default that isn't in the enum",
        ),
        ({"a": [], "c": {"d": None}}, "ground truth: gives null where a number is said"),
    ],
)
def test_a_misfit_is_told_by_the_rule_of_the_functions_own_schema(
    arguments: dict[str, Any], rule: str
) -> None:
    assert misfits.cause(FUNCTION, arguments) == rule
    assert misfits.cause(None, arguments) == misfits.UNKNOWN

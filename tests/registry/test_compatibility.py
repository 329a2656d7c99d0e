"""What a difference between two contracts means, for callers and for the guard-rails."""

from typing import Any

import pytest
from kernel.versions import Version

from registry import compatibility
from registry.compatibility import Difference, compare

OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": False}


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return OBJECT | {"properties": properties, "required": list(required)}


def contract(**parts: Any) -> dict[str, Any]:
    return {
        "name": "t",
        "description": "d",
        "parameters": closed(),
        "result_schema": None,
        "permissions_required": [],
        "sandbox_config": {},
        "audit": True,
        "cost_per_call": "0.01",
        "data_class": "internal",
        "executor": "python",
        "executor_config": {},
        "idempotent": True,
        "compensation": None,
        "examples": [],
        "tags": [],
        "owner": "search",
        "version": "1.0",
    } | parts


def kinds(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    return {each.pointer: each.kind for each in compare(before, after)}


def of_parameters(before: Any, after: Any) -> tuple[Difference, ...]:
    return compare(contract(parameters=before), contract(parameters=after))


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
ONE, OTHER = {"const": "one"}, {"const": "other"}
NODE = {"$ref": "#/$defs/node"}


def tree(value: dict[str, Any]) -> dict[str, Any]:
    return closed(root=NODE) | {
        "$defs": {"node": closed(value=value, children={"type": "array", "items": NODE})}
    }


@pytest.mark.parametrize(
    ("before", "after", "pointer"),
    [
        (closed(a=TEXT), closed(), "/properties/a"),
        ({"type": "object", "properties": {"a": TEXT}}, {"type": "object"}, "/properties/a"),
        (closed(a=TEXT), closed(("a",), a=TEXT), "/required"),
        (closed(a=TEXT), closed(("b",), a=TEXT, b=TEXT), "/required"),
        (closed(a={"type": ["string", "null"]}), closed(a=TEXT), "/properties/a/type"),
        (closed(a={"type": "number"}), closed(a=WHOLE), "/properties/a/type"),
        (closed(a=TEXT), closed(a={"enum": ["x"]}), "/properties/a/enum"),
        (closed(a={"enum": ["x", "y"]}), closed(a={"enum": ["x"]}), "/properties/a"),
        (closed(a=WHOLE), closed(a=WHOLE | {"minimum": 1}), "/properties/a/minimum"),
        (
            closed(a=WHOLE | {"maximum": 9}),
            closed(a=WHOLE | {"maximum": 8}),
            "/properties/a/maximum",
        ),
        (closed(a=TEXT), closed(a=TEXT | {"maxLength": 9}), "/properties/a/maxLength"),
        (closed(a=TEXT), closed(a=TEXT | {"pattern": "^x"}), "/properties/a/pattern"),
        (closed(a=TEXT), closed(a=TEXT | {"format": "uuid"}), "/properties/a/format"),
        ({"type": "object"}, OBJECT, "/additionalProperties"),
        (
            closed(a={"type": "array", "items": TEXT}),
            closed(a={"type": "array", "items": TEXT | {"minLength": 1}}),
            "/properties/a/items/minLength",
        ),
        (
            closed(a={"type": "array"}),
            closed(a={"type": "array", "uniqueItems": True}),
            "/properties/a/uniqueItems",
        ),
        (closed(a=closed(b=TEXT)), closed(a=closed(b=WHOLE)), "/properties/a/properties/b/type"),
        (
            closed(a={"anyOf": [TEXT, WHOLE]}),
            closed(a={"anyOf": [TEXT]}),
            "/properties/a/anyOf",
        ),
        (tree(TEXT), tree(TEXT | {"maxLength": 3}), "/$defs/node/properties/value/maxLength"),
        (
            closed(a=TEXT | {"default": "x"}),
            closed(a=TEXT | {"default": "y"}),
            "/properties/a/default",
        ),
        (closed(a={}), closed(a={"not": TEXT}), "/properties/a/not"),
        (
            closed(a=TEXT),
            closed(a={"$ref": "https://example.org/x"}),
            "/properties/a",
        ),
    ],
)  # fmt: skip
def test_a_narrower_parameter_breaks_its_callers(before, after, pointer):
    found = of_parameters(before, after)
    assert compatibility.is_breaking(found)
    assert f"/parameters{pointer}" in {each.pointer for each in found if each.kind == "breaking"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (closed(a=TEXT), closed(a=TEXT, b=WHOLE)),
        ({"type": "object", "properties": {}}, {"type": "object", "properties": {"b": WHOLE}}),
        (closed(("a",), a=TEXT), closed(a=TEXT)),
        (closed(a=TEXT), closed(("a",), a=TEXT | {"default": "x"})),
        (closed(a=WHOLE), closed(a={"type": "number"})),
        (closed(a=TEXT), closed(a={"type": ["string", "null"]})),
        (closed(a=TEXT), closed(a={"anyOf": [TEXT, WHOLE]})),
        (closed(a={"enum": ["x"]}), closed(a=TEXT)),
        (closed(a={"type": "boolean"}), closed(a={"enum": [True, False, 3]})),
        (closed(a={"anyOf": [TEXT, {"type": "null"}]}), closed(a={"type": ["string", "null"]})),
        (closed(a=WHOLE | {"exclusiveMinimum": 0}), closed(a=WHOLE | {"minimum": 1})),
        (closed(a={"oneOf": [closed(("k",), k=ONE)]}),
         closed(a={"oneOf": [closed(("k",), k=ONE), closed(("k",), k=OTHER)]})),
        (tree(WHOLE), tree({"type": "number"})),
        (closed(a=TEXT), {"type": "object", "properties": {"a": TEXT}}),
        (closed(a={"not": {"type": ["string", "null"]}}), closed(a={"not": TEXT})),
    ],
)  # fmt: skip
def test_a_wider_parameter_breaks_nobody(before, after):
    found = of_parameters(before, after)
    assert {each.kind for each in found} == {"compatible"}


def test_what_people_read_is_cosmetic():
    before = contract(parameters=closed(a=TEXT | {"description": "one"}))
    after = contract(
        parameters=closed(a=TEXT | {"description": "two", "examples": ["x"]}),
        description="other",
        tags=["new"],
        examples=[{"arguments": {}}],
    )
    found = compare(before, after)
    assert {each.kind for each in found} == {"cosmetic"}
    assert compatibility.required_number("1.2", found) == Version(1, 2, 1)


def test_a_renamed_parameter_is_told_by_its_new_name():
    [found] = [
        each
        for each in of_parameters(closed(timeout=WHOLE), closed(seconds=WHOLE))
        if each.kind == "breaking"
    ]
    assert found.pointer == "/parameters/properties/timeout"
    assert "renamed to 'seconds'" in found.message


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (closed(("a",), a=TEXT), closed(a=TEXT), "breaking"),
        (closed(a=TEXT), closed(a={"type": ["string", "null"]}), "breaking"),
        (closed(a=TEXT), closed(a=TEXT, b=TEXT), "breaking"),
        (closed(a=TEXT), None, "breaking"),
        ({"type": "object", "properties": {"a": TEXT}}, {"type": "object"}, "breaking"),
        ({"type": "object"}, {"type": "object", "properties": {"b": TEXT}}, "compatible"),
        (closed(a={"enum": ["x", "y"]}), closed(a={"enum": ["x"]}), "compatible"),
        (None, closed(a=TEXT), "compatible"),
    ],
)
def test_a_result_is_read_the_other_way(before, after, kind):
    found = compare(contract(result_schema=before), contract(result_schema=after))
    assert found
    assert found[0].kind == kind


@pytest.mark.parametrize(
    ("part", "before", "after", "kind"),
    [
        ("permissions_required", [], ["a"], "breaking"),
        ("permissions_required", ["a"], [], "breaking"),
        ("cost_per_call", "0.01", "0.02", "breaking"),
        ("cost_per_call", "0.02", "0.01", "compatible"),
        ("data_class", "internal", "restricted", "breaking"),
        ("data_class", "restricted", "internal", "breaking"),
        ("audit", True, False, "breaking"),
        ("audit", False, True, "compatible"),
        ("idempotent", True, False, "breaking"),
        ("idempotent", False, True, "compatible"),
        ("executor", "python", "command", "breaking"),
        ("owner", "search", "billing", "compatible"),
        ("compensation", {"tool": "undo"}, None, "breaking"),
        ("environments", [], ["staging"], "breaking"),
        ("environments", ["staging", "production"], ["staging"], "breaking"),
        ("environments", ["staging"], ["staging", "production"], "compatible"),
        ("environments", ["staging"], [], "compatible"),
        ("rate_limit", {}, {"agent": "60/minute"}, "breaking"),
        ("rate_limit", {"agent": "60/minute"}, {"agent": "1/second"}, "breaking"),
        ("rate_limit", {"agent": "1/second"}, {"agent": "60/minute"}, "compatible"),
        ("rate_limit", {"agent": "60/minute"}, {}, "compatible"),
        ("annotations", {"readOnlyHint": True}, {}, "breaking"),
        ("annotations", {"title": "a"}, {"title": "b"}, "cosmetic"),
        ("sandbox_config", {"timeout": 30}, {"timeout": 20}, "breaking"),
        ("sandbox_config", {}, {"timeout": 60}, "compatible"),
        ("sandbox_config", {"memory_limit": "1GB"}, {"memory_limit": "512MB"}, "breaking"),
        ("sandbox_config", {}, {"network": ["example.org"]}, "breaking"),
        ("sandbox_config", {"packages": ["numpy"]}, {"packages": []}, "breaking"),
        ("sandbox_config", {}, {"packages": ["numpy"]}, "compatible"),
        ("executor_config", {"url": "https://a.test/x"}, {"url": "https://b.test/x"}, "breaking"),
        ("executor_config", {"url": "https://a.test/x"}, {"url": "https://a.test/y"}, "compatible"),
        ("executor_config", {"server": "one"}, {"server": "two"}, "breaking"),
        ("something_new", None, {"a": 1}, "compatible"),
    ],
)
def test_a_part_beside_the_schemas_is_classed(part, before, after, kind):
    found = compare(contract(**{part: before}), contract(**{part: after}))
    assert [each.kind for each in found] == [kind]
    assert found[0].pointer.startswith(f"/{part}")
    assert found[0].message


def test_the_same_size_in_another_unit_is_no_difference_that_breaks():
    one, other = {"memory_limit": "1GB"}, {"memory_limit": "1024MB"}
    assert not compare(contract(sandbox_config=one), contract(sandbox_config=other))


def test_lifecycle_and_number_are_no_difference():
    assert not compare(contract(), contract(version="9.9", deprecated=True, sunset_at="2030"))


def test_the_lowest_honest_number_follows_the_worst_change():
    breaking = of_parameters(closed(a=TEXT), closed())
    wider = of_parameters(closed(), closed(a=TEXT))
    assert str(compatibility.required_number("1.2", breaking)) == "2.0"
    assert str(compatibility.required_number("0.3", breaking)) == "1.0"
    assert str(compatibility.required_number("1.2.7", wider)) == "1.3"
    assert str(compatibility.required_number("1.2.7", ())) == "1.2.8"


def test_one_and_true_are_different_values():
    assert compatibility.is_breaking(
        of_parameters(closed(a={"enum": [1]}), closed(a={"const": True}))
    )


def test_a_schema_that_refers_to_itself_ends():
    loop = {"$ref": "#"}
    assert compare(contract(parameters=loop), contract(parameters=loop)) == ()
    assert of_parameters({"anyOf": [TEXT, loop]}, {"anyOf": [WHOLE, loop]})[0].kind == "breaking"


def test_a_schema_that_is_too_large_to_compare_counts_as_narrower():
    def wide(depth: int, leaf: Any) -> Any:
        return (
            leaf if depth == 0 else {"anyOf": [closed(a=wide(depth - 1, leaf)) for _ in range(4)]}
        )

    found = of_parameters(closed(x=wide(6, TEXT)), closed(x=wide(6, TEXT | {"maxLength": 5})))
    assert compatibility.is_breaking(found)

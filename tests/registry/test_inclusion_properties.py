"""What compares as no break really breaks no caller: on drawn schemas, with drawn arguments."""

from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from kernel import schemas

from registry import compatibility, inclusion

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 6), st.sampled_from([0.5, 2.0, "", "x", "xy", "xyz"])
)
# Names that no drawn schema declares stand for what a caller sends on its own account.
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("z"), inner),
    max_leaves=5,
)
NUMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={
        "minimum": st.integers(-2, 2),
        "maximum": st.integers(0, 5),
        "exclusiveMinimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(1, 5),
        "multipleOf": st.sampled_from([1, 2, 3]),
    },
)
TEXTS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^x", "y$"]),
    },
)
LISTED = st.fixed_dictionaries({"enum": st.lists(SCALARS, min_size=1, max_size=3)})
KINDS = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
PLAIN = st.one_of(
    NUMBERS,
    TEXTS,
    LISTED,
    st.booleans(),
    st.just({}),
    st.fixed_dictionaries({"type": st.lists(KINDS, min_size=1, max_size=3, unique=True)}),
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    objects = st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, max_size=1),
            "maxProperties": st.integers(0, 3),
            "minProperties": st.integers(0, 2),
            "propertyNames": st.just({"pattern": "^[ab]"}),
            "dependentRequired": st.just({"a": ["b"]}),
        },
    )
    arrays = st.fixed_dictionaries(
        {"type": st.just("array")},
        optional={
            "items": inner,
            "prefixItems": several,
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 3),
            "uniqueItems": st.booleans(),
            "contains": inner,
        },
    )
    combined = st.one_of(
        st.fixed_dictionaries({"anyOf": several}),
        st.fixed_dictionaries({"oneOf": several}),
        st.fixed_dictionaries({"allOf": several}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
    )
    return objects | arrays | combined


SCHEMAS = st.recursive(PLAIN, _larger, max_leaves=5)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two schemas, mostly near each other: far ones are never compatible."""
    one = draw(SCHEMAS)
    return one, draw(SCHEMAS) if draw(st.booleans()) else draw(_changed(one))


@st.composite
def _changed(draw: st.DrawFn, schema: Any) -> Any:
    if not isinstance(schema, dict) or not schema:
        return draw(st.sampled_from([True, {}, {"type": ["string", "integer"]}]))
    name = draw(st.sampled_from(sorted(schema)))
    value = schema[name]
    act = draw(st.sampled_from(["drop", "wrap", "inside", "shift"]))
    if act == "drop":
        return {key: each for key, each in schema.items() if key != name}
    if act == "wrap":
        return {"anyOf": [schema, draw(SCHEMAS)]}
    if isinstance(value, bool):
        return schema
    if act == "shift" and isinstance(value, int):
        return schema | {name: max(value + draw(st.sampled_from([-1, 1])), 0)}
    if isinstance(value, dict):
        if name in ("properties", "patternProperties"):
            inside = {key: draw(_changed(each)) for key, each in value.items()}
            return schema | {name: inside}
        if name != "dependentRequired":
            return schema | {name: draw(_changed(value))}
    if isinstance(value, list) and name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return schema | {name: [draw(_changed(each)) for each in value]}
    return schema


def _is_valid(schema: Any, value: Any) -> bool:
    return bool(jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value))


def _usable(*documents: Any) -> bool:
    return not any(isinstance(each, dict) and schemas.faults_of_schema(each) for each in documents)


SLOW = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@SLOW
@given(pairs(), st.lists(VALUES, min_size=5, max_size=12))
def test_a_result_without_gaps_holds_every_value(pair: tuple[Any, Any], values: list[Any]) -> None:
    """Read as a result nothing undeclared is left out: the inclusion is the strict one."""
    has, wants = pair
    assume(_usable(has, wants))
    if inclusion.gaps(has, wants, "result"):
        event("gap")
        return
    event("proven")
    for value in values:
        assert not _is_valid(has, value) or _is_valid(wants, value), (has, wants, value)


PARAMETERS = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(NAMES, SCHEMAS, max_size=3)},
    optional={
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": st.booleans(),
    },
)


@st.composite
def contracts(draw: st.DrawFn) -> tuple[Any, Any]:
    before = draw(PARAMETERS)
    changed = {
        name: draw(_changed(schema)) if draw(st.booleans()) else schema
        for name, schema in before["properties"].items()
    }
    after = before | {"properties": changed}
    if draw(st.booleans()):
        after = {key: value for key, value in after.items() if key != draw(st.just("required"))}
    if draw(st.booleans()):
        after = after | {"properties": draw(st.dictionaries(NAMES, PLAIN, max_size=1)) | changed}
    return before, after


def _declared_only(value: Any, schema: Any) -> bool:
    """Whether the value holds no member that an object left open without a word: nobody promised
    what becomes of such a one once it is declared."""
    if isinstance(value, list):
        return True
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return True
    known = schema.get("properties", {})
    return "additionalProperties" in schema or not set(value) - set(known) - {"z"}


@SLOW
@given(contracts(), st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=5, max_size=12))
def test_parameters_without_a_break_take_every_call(
    pair: tuple[Any, Any], calls: list[dict[str, Any]]
) -> None:
    before, after = pair
    assume(_usable(before, after))
    found = compatibility.compare({"parameters": before}, {"parameters": after})
    if compatibility.is_breaking(found):
        event("breaking")
        return
    event("compatible")
    for call in calls:
        sent = schemas.with_defaults(call, before)
        if _is_valid(before, sent) and _declared_only(call, before):
            assert _is_valid(after, schemas.with_defaults(call, after)), (before, after, call)


@SLOW
@given(SCHEMAS)
def test_equal_documents_differ_in_nothing(schema: Any) -> None:
    assume(_usable(schema))
    document = {"parameters": {"type": "object", "properties": {"a": schema}}}
    assert compatibility.compare(document, document) == ()
    assert inclusion.gaps(schema, schema, "result") == ()


@SLOW
@given(pairs())
def test_a_difference_always_has_a_place_and_a_reason(pair: tuple[Any, Any]) -> None:
    one, other = ({"type": "object", "properties": {"a": each}} for each in pair)
    assume(_usable(one, other))
    found = compatibility.compare({"parameters": one}, {"parameters": other})
    assert all(each.pointer.startswith("/parameters") and each.message for each in found)
    assert not found or one != other

"""The kernel's pure values: money, versions, canonical JSON, schemas, expressions."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel import canonical, expressions, money, schemas
from kernel.expressions import ExpressionError, Variables
from kernel.versions import Version, VersionError


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_money_survives_the_way_there_and_back(micros):
    assert money.to_micros(money.from_micros(micros)) == micros
    assert money.to_micros(money.text(micros)) == micros


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.01, "0.01"), ("0.1", "0.10"), (5, "5.00"), ("0.000001", "0.000001"), (-1.5, "-1.50")],
)
def test_money_reads_as_people_write_it(amount, text):
    assert money.text(money.to_micros(amount)) == text


@pytest.mark.parametrize("amount", ["free", "NaN", "Infinity", ""])
def test_what_is_no_money_is_refused(amount):
    with pytest.raises(money.MoneyError):
        money.to_micros(amount)


def test_versions_sort_by_number():
    ordered = sorted(["1.10", "1.2", "1.2.1", "2.0"], key=lambda text: Version.parse(text).key)
    assert ordered == ["1.2", "1.2.1", "1.10", "2.0"]
    assert Version.parse("1.2") == Version.parse("1.2.0")


@pytest.mark.parametrize("text", ["1", "1.2.3.4", "v1.2", "1.02", "", "1.-2", "1.2\n"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(VersionError):
        Version.parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_a_digest_does_not_depend_on_the_order_of_keys(value):
    assert canonical.digest(value) == canonical.digest(dict(reversed(list(value.items()))))


def test_a_digest_tells_values_apart():
    assert canonical.digest({"a": 1}) != canonical.digest({"a": "1"})
    assert canonical.digest({"amount": Decimal("0.10")}) != canonical.digest({"amount": 0.1})


def test_a_value_that_does_not_fit_is_told_where():
    schema = {"type": "object", "properties": {"a": {"type": "object", "required": ["b/c"]}}}
    [issue] = schemas.faults_of_value({"a": {}}, schema)
    assert issue.pointer == "/a"
    assert "b/c" in issue.message


def test_a_schema_may_not_reach_outside_of_itself():
    [issue] = schemas.faults_of_schema({"$ref": "http://127.0.0.1/schema"})
    assert "local" in issue.message or "outside" in issue.message


def test_defaults_fill_what_is_missing_only():
    schema = {"properties": {"a": {"default": 1}, "b": {"default": 2}}}
    assert schemas.with_defaults({"b": 3}, schema) == {"a": 1, "b": 3}


def test_an_unknown_name_in_an_expression_is_refused():
    with pytest.raises(ExpressionError, match="`agnet`, which isn't there; known: agent, tool"):
        expressions.check("agnet.name == 'x'", {"agent", "tool"})


def test_an_unknown_function_in_an_expression_is_refused():
    with pytest.raises(ExpressionError, match="open"):
        expressions.check("open('x') == 1", {"agent"})


def test_a_variable_of_a_comprehension_is_no_unknown_name():
    found = expressions.check("agent.tags.exists(t, t == 'x')", {"agent"})
    assert found.evaluate(Variables({"agent": {"tags": ["x"]}})) is True


def test_comprehensions_are_bounded():
    source = "a.all(x, a.all(y, a.all(z, x == y && y == z)))"
    with pytest.raises(ExpressionError, match="comprehensions"):
        expressions.check(source, {"a"})


@pytest.mark.parametrize("source", ["", "a.b ==", "x" * 3000])
def test_what_does_not_compile_is_refused(source):
    with pytest.raises(ExpressionError):
        expressions.compile(source)


def test_an_expression_that_fails_says_so():
    with pytest.raises(ExpressionError, match="failed"):
        expressions.compile("a.missing > 1").evaluate(Variables({"a": {}}))

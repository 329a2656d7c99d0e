"""What policy masks: places, named patterns, expressions; never less because of one more."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import detectors, documents, paths, redaction
from governance.redaction import MASK, masked
from tests.governance.labelled import FOUND, NOTHING

EVERYTHING = ["pattern:keys", "pattern:personal"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("name", "text", "value"), FOUND)
def test_a_pattern_finds_what_it_names(name: str, text: str, value: str) -> None:
    shown, counts = masked({"a": [text]}, [f"pattern:{name}"])
    assert value not in shown["a"][0]
    assert counts == {name: 1}


@pytest.mark.parametrize("text", NOTHING)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert masked(text, EVERYTHING) == (text, {})


def test_recall_and_false_positives_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """On the labelled texts with all patterns at once, and on this repository's own files."""
    recalled = sum(value not in masked(text, EVERYTHING)[0] for _, text, value in FOUND)
    places = [*ROOT.glob("*/*.py"), *ROOT.glob("*/models/*.py"), *ROOT.glob("docs/*.md")]
    texts = [path.read_text() for path in (*places, ROOT / "README.md", ROOT / "uv.lock")]
    found: dict[str, int] = {}
    for text in texts:
        for name, count in masked(text, EVERYTHING)[1].items():
            found[name] = found.get(name, 0) + count
    size = sum(map(len, texts))
    with capsys.disabled():
        told = f"in {size / 1e6:.1f} MB of this repository: {found or 'nothing'}"
        sys.stdout.write(f"\nredaction: recall {recalled}/{len(FOUND)}; {told}\n")
    assert recalled == len(FOUND)
    assert sum(found.values()) <= 5, found


def test_a_megabyte_takes_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    lines = "\n".join(path.read_text() for path in ROOT.glob("*/*.py")).splitlines()
    value: list[Any] = []
    while len(json.dumps(value)) < 1_000_000:
        value += [{"id": n, "line": line} for n, line in enumerate(lines[:2_000])]
    masked(value, EVERYTHING)
    began = time.perf_counter()
    masked(value, EVERYTHING)
    took = time.perf_counter() - began
    with capsys.disabled():
        size = len(json.dumps(value)) / 1e6
        sys.stdout.write(f"\nredaction: {size:.2f} MB of JSON in {took * 1e3:.0f} ms\n")
    assert took < 2


def test_names_of_members_tell_what_their_values_are() -> None:
    value = {"password": "hunter2", "user": {"apiToken": "x9f86d081884c7d6", "name": "alice"}}
    shown, counts = masked(value, ["pattern:keys"])
    assert shown == {
        "password": "[redacted:password]",
        "user": {"apiToken": "[redacted:assignment]", "name": "alice"},
    }
    assert counts == {"assignment": 1, "password": 1}


def test_a_schema_that_speaks_of_passwords_is_not_one() -> None:
    value = {"properties": {"password": {"type": "string"}, "token": "string"}, "pwd": "string"}
    assert masked(value, EVERYTHING) == (value, {})


def test_names_are_masked_too_and_stay_apart() -> None:
    shown, counts = masked({"a@example.com": 1, "b@example.com": 2}, ["pattern:email"])
    assert shown == {"[redacted:email]": 1, "[redacted:email] #2": 2}
    assert counts == {"email": 2}


def test_a_card_that_is_a_number_is_masked() -> None:
    shown, _ = masked({"pan": 4111111111111111, "at": 1700000000000}, EVERYTHING)
    assert shown == {"pan": "[redacted:credit_card]", "at": 1700000000000}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("/a/0", {"a": [MASK, {"c": 2}], "b": 3}),
        ("/a/*", {"a": [MASK, MASK], "b": 3}),
        ("$.a[1].c", {"a": [1, {"c": MASK}], "b": 3}),
        ("$..c", {"a": [1, {"c": MASK}], "b": 3}),
        ("$.a[?@.c>1]", {"a": [1, MASK], "b": 3}),
        ("$", MASK),
        ("/missing", {"a": [1, {"c": 2}], "b": 3}),
    ],
)
def test_places(spec: str, expected: Any) -> None:
    assert masked({"a": [1, {"c": 2}], "b": 3}, [spec])[0] == expected


def test_no_place_is_hidden_by_another_ones_mask() -> None:
    value = [{"kind": "card", "number": "1"}, {"kind": "note", "number": "2"}]
    shown, counts = masked(value, ["/*/kind", "$[?@.kind=='card'].number"])
    assert shown == [{"kind": MASK, "number": MASK}, {"kind": MASK, "number": "2"}]
    assert counts == {"/*/kind": 2, "$[?@.kind=='card'].number": 1}


def test_a_pointer_names_what_holds_slashes() -> None:
    assert masked({"a/b": 1, "c~d": 2}, ["/a~1b", "/c~0d"])[0] == {"a/b": MASK, "c~d": MASK}


def test_an_expression_of_the_policys_own() -> None:
    shown, counts = masked("staff E-123456 and é E-654321", ["regex:staff=E-\\d{6}"])
    assert shown == "staff [redacted:staff] and é [redacted:staff]"
    assert counts == {"staff": 2}


def test_an_expression_over_several_texts_masks_its_part_of_each() -> None:
    shown, _ = masked(["ab", "cd", "ef"], ["regex:all=b[^x]*e"])
    assert shown == ["a[redacted:all]", "[redacted:all]", "[redacted:all]f"]


def test_what_backtracks_elsewhere_is_linear_here() -> None:
    began = time.perf_counter()
    masked("a" * 200_000 + "!", ["regex:evil=(a+)+$", "regex:worse=(a|aa)+b"])
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "path",
    ["$..*..*", "$[*,*]", "$[?search(@.a, 'x+')]", "$..[?$.a==@.b]", "$[", "a.b", "$" + ".a" * 200],
)
def test_a_path_that_could_cost_too_much_is_a_fault(path: str) -> None:
    assert paths.fault(path)


@pytest.mark.parametrize(
    "expression", ["(", "(?=a)", "a*", "\\1", "x" * 600, "((a{1000}){1000}){9}"]
)
def test_an_expression_that_cant_be_used_is_a_fault(expression: str) -> None:
    assert redaction.fault(expression)


def test_when_masking_fails_everything_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MAX_PLACES", 3)
    assert masked([1, 2, 3, 4, 5], ["$[*]"]) == (MASK, {redaction.FAILED: 1})


def _rule(body: Any) -> tuple[str, ...]:
    document = {"rules": [{"name": "r", "redact": body}]}
    return tuple(issue.pointer for issue in documents.faults(document))


def test_a_policys_faults_have_their_places() -> None:
    assert _rule({"patterns": ["email", "keys"], "in": ["results"]}) == ()
    assert _rule({"arguments": ["$.a", "/b"], "expressions": {"staff": "E-\\d{6}"}}) == ()
    assert _rule({"arguments": ["/a", "$..[?search(@,'x')]"]}) == ("/rules/0/redact/arguments/1",)
    assert _rule({"expressions": {"staff": "(?<=a)b"}}) == ("/rules/0/redact/expressions/staff",)
    assert _rule({"patterns": ["mails"]})
    assert _rule({"in": ["results"]})


TEXTS = st.sampled_from([text for _, text, _ in FOUND] + list(NOTHING) + ["", "a", "é☃"])
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["a", "b", "password", "x@example.com"]), inner, max_size=3
        ),
    ),
    max_leaves=8,
)
SPECS = st.sampled_from(
    [f"pattern:{name}" for name in detectors.NAMES]
    + ["/a", "/*", "/*/b", "$..b", "$[*]", "$..[?@.a].b", "regex:own=[a-f0-9]{4}"]
)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.lists(SPECS, max_size=4), SPECS)
def test_one_more_spec_never_shows_more(value: Any, specs: list[str], more: str) -> None:
    """Whatever labelled value the fewer specs hide, the more hide too."""
    fewer, _ = masked(value, specs)
    all_of_them, _ = masked(value, [*specs, more])
    before, after = json.dumps(fewer), json.dumps(all_of_them)
    for _, _, text in FOUND:
        told = json.dumps(text)[1:-1]
        if told not in before:
            assert told not in after


@settings(max_examples=60, deadline=None)
@given(VALUES, st.lists(SPECS, max_size=4))
def test_the_order_of_specs_never_matters(value: Any, specs: list[str]) -> None:
    assert masked(value, specs) == masked(value, list(reversed(specs)))

"""Two laws of judging, tried on arbitrary policies: order never matters, and adding a policy never
widens what a call may do."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from governance import packages
from governance.facts import Facts
from governance.judging import judge
from governance.rulesets import RuleSet, Source, compiled
from governance.verdicts import PAYLOADS, STRICTNESS, Verdict
from tests.governance.rows import facts

CONDITIONS = [
    "true",
    "false",
    'arguments.mode == "write"',
    "arguments.missing == 1",
    '"x" in agent.tags',
    "approval == null",
    "agent.name",
    'environment == "production"',
]
PATTERNS = ["*", "numpy", "num*", "pandas", "p*", "Py_Test", "py-*"]

limits = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.integers(1, 100),
        "memory": st.sampled_from(["1GB", "4GB", 100]),
        "cpu": st.sampled_from([0.5, 1, 2]),
        "rows": st.integers(0, 9),
        "network": st.just("none"),
        "access": st.just("read"),
        "packages": st.lists(st.sampled_from(PATTERNS), max_size=3),
    },
).filter(bool)
approvals = st.fixed_dictionaries(
    {},
    optional={
        "reviewers": st.sampled_from(
            [{"role": "reviewer"}, {"team": "search"}, {"users": ["rita"], "role": "auditor"}]
        ),
        "quorum": st.integers(1, 3),
        "deadline": st.sampled_from(["1h", "2d", 60]),
    },
)
audits = st.fixed_dictionaries(
    {},
    optional={
        "trail": st.just("required"),
        "arguments": st.lists(st.sampled_from("abc"), min_size=1, max_size=2),
        "payloads": st.sampled_from(PAYLOADS),
    },
).filter(bool)
redactions = st.fixed_dictionaries(
    {},
    optional={
        "arguments": st.sampled_from([["/a"], ["$..a"]]),
        "results": st.sampled_from([["/b"], ["/c", "/b"]]),
        "patterns": st.sampled_from([["email"], ["keys", "iban"]]),
        "expressions": st.just({"staff": "E-[0-9]{6}"}),
    },
).filter(bool)
expiries = st.fixed_dictionaries({"after": st.sampled_from(["1h", 5]), "what": st.just("effect")})
bodies = st.one_of(
    st.just({"deny": True}),
    st.builds(lambda body: {"require_approval": body}, approvals),
    st.builds(lambda body: {"limit": body}, limits),
    st.builds(lambda body: {"audit": body}, audits),
    st.builds(lambda body: {"redact": body}, redactions),
    st.builds(lambda body: {"expire": body}, expiries),
)
rules = st.builds(
    lambda body, when: body | when,
    bodies,
    st.one_of(st.just({}), st.sampled_from([{"when": source} for source in CONDITIONS])),
)
selectors = st.sampled_from(
    [
        {},
        {"agents": {"permission": "code_execution"}},
        {"agents": {"tag": ["x", "y"]}},
        {"tools": {"name": "execute_python"}},
        {"tools": {"tag": "data"}, "agents": {"team": "search"}},
    ]
)
documents = st.builds(
    lambda applies_to, found: {"applies_to": applies_to, "rules": found},
    selectors,
    st.lists(rules, min_size=1, max_size=4),
)
policies = st.lists(
    st.tuples(documents, st.sampled_from([None, None, "search", "billing"]), st.booleans()),
    max_size=5,
)
cases = st.builds(
    lambda tags, mode, permissions, environment, approval: facts(
        tags=tags,
        arguments={"mode": mode},
        permissions=permissions,
        environment=environment,
        approval=approval,
    ),
    st.lists(st.sampled_from("xyz"), max_size=2),
    st.sampled_from(["read", "write", 3]),
    st.sampled_from([["code_execution"], []]),
    st.sampled_from(["staging", "production"]),
    st.sampled_from(
        [
            None,
            {"id": "1", "approved_by": ["rita"]},
            {"id": "1", "asked": {"reviewers": {"role": "reviewer"}, "quorum": 2}},
        ]
    ),
)


def sources(drawn: list[Any]) -> list[Source]:
    return [
        Source(f"policy_{index}", "1.0", document, team, shadow)
        for index, (document, team, shadow) in enumerate(drawn)
    ]


def narrower(before: Verdict, after: Verdict) -> None:
    """Everything that `after` leaves, `before` leaves as well."""
    assert STRICTNESS[after.effect] >= STRICTNESS[before.effect]
    for name, value in before.limits.items():
        left: Any = after.limits[name]
        if name == "packages":
            assert all(packages.allowed(pattern, value) for pattern in left)
        elif isinstance(value, str):
            assert left == value
        else:
            assert left <= value
    for name, value in before.obligations.items():
        kept = after.obligations[name]
        if name == "arguments":
            assert set(value) <= set(kept)
        elif name == "payloads":
            assert PAYLOADS.index(kept) >= PAYLOADS.index(value)
        elif name == "expire":
            assert kept["after"] <= value["after"]
        else:
            assert kept == value
    for name, value in before.redactions.items():
        assert set(value) <= set(after.redactions[name])
    if before.reviewers is not None:
        assert after.reviewers is not None
        asked = {str(_who(group)): group["quorum"] for group in after.reviewers.groups}
        for group in before.reviewers.groups:
            assert asked[str(_who(group))] >= group["quorum"]


def _who(group: dict[str, Any]) -> list[Any]:
    return sorted((key, value) for key, value in group.items() if key != "quorum")


@settings(max_examples=150, deadline=None)
@given(case=cases, drawn=policies, data=st.data())
def test_the_order_of_policies_never_matters(case: Facts, drawn: list[Any], data: Any) -> None:
    found = sources(drawn)
    shuffled = data.draw(st.permutations(found))
    assert judge(case, compiled(found)).as_json() == judge(case, compiled(shuffled)).as_json()


@settings(max_examples=150, deadline=None)
@given(case=cases, drawn=policies, data=st.data())
def test_the_order_of_rules_never_matters(case: Facts, drawn: list[Any], data: Any) -> None:
    shuffled = []
    for document, team, shadow in drawn:
        order = data.draw(st.permutations(document["rules"]))
        shuffled.append((document | {"rules": order}, team, shadow))
    one, other = (judge(case, compiled(sources(each))) for each in (drawn, shuffled))
    told = ("effect", "limits", "obligations", "redactions", "reviewers", "reason")
    assert {key: one.as_json()[key] for key in told} == {key: other.as_json()[key] for key in told}


@settings(max_examples=300, deadline=None)
@given(case=cases, drawn=policies, more=documents)
def test_adding_a_policy_never_widens(case: Facts, drawn: list[Any], more: Any) -> None:
    before = judge(case, compiled(sources(drawn)))
    added = Source("zz_added", "1.0", more)
    narrower(before, judge(case, compiled([*sources(drawn), added])))


@settings(max_examples=150, deadline=None)
@given(case=cases, drawn=policies)
def test_the_index_leaves_no_matching_policy_out(case: Facts, drawn: list[Any]) -> None:
    found = compiled(sources(drawn))
    assert found.matching(case) == [each for each in found.policies if each.matches(case)]


@settings(max_examples=200, deadline=None)
@given(
    left=st.lists(st.sampled_from(PATTERNS), max_size=4),
    right=st.lists(st.sampled_from(PATTERNS), max_size=4),
    name=st.text("numpyadtes-_.", min_size=1, max_size=6),
)
def test_the_intersection_of_patterns_is_exact(
    left: list[str], right: list[str], name: str
) -> None:
    both = packages.intersection(left, right)
    assert packages.allowed(name, both) == (
        packages.allowed(name, left) and packages.allowed(name, right)
    )


@settings(max_examples=150, deadline=None)
@given(case=cases, drawn=policies)
def test_an_empty_rule_set_is_the_widest(case: Facts, drawn: list[Any]) -> None:
    narrower(judge(case, RuleSet()), judge(case, compiled(sources(drawn))))

"""Tests for definitions that moved: what they do now, written down, and proven to notice faults.

1. record    the repository's own tests run once; calls of the moved definitions are noted
2. vary      neighbours of those calls, and calls made up from annotations
3. observe   each call in two fresh processes with another hash seed, clock and time zone; what
             doesn't come out the same is no test
4. judge     each outcome becomes an assertion, and runs against small faults in the moved code
5. write     the fewest assertions that notice the most faults, as tests with names to read
6. confirm   the file passes under pytest in three orders and clocks, and fails there on faults
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatehouse_tools import environment, protocol
from gatehouse_tools.assertions import Assertion, assertion_for, needs_check
from gatehouse_tools.cases import Case, invented_cases, recorded_cases, varied_cases
from gatehouse_tools.environment import Ground
from gatehouse_tools.mutants import Mutant, mutants_of
from gatehouse_tools.protocol import Answer, Refusal
from gatehouse_tools.testfile import Suite, place_for, write_suite
from gatehouse_tools.testrun import run_tests
from gatehouse_tools.tree import apply, materialise, read_source, valid_path, workspace

DEFAULT_BUDGET = 60.0
MOST_BUDGET = 600.0
MAX_CASES = 240
MAX_PER_FUNCTION = 6
MAX_DROPPED = 50
# Three runs that differ in all that a test must not depend on.
SURROUNDINGS: tuple[dict[str, str], ...] = (
    {},
    {"PYTHONHASHSEED": "4711", "GATEHOUSE_ORDER": "one", "TZ": "Asia/Kathmandu"},
    {"PYTHONHASHSEED": "90210", "GATEHOUSE_ORDER": "another", "GATEHOUSE_CLOCK": "40000000"},
)


@dataclass
class Clock:
    """What is left of the budget, in seconds."""

    budget: float
    begun: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        return max(1.0, self.budget - (time.monotonic() - self.begun))

    def share(self, part: float) -> float:
        return max(1.0, min(self.left(), self.budget * part))


@dataclass(frozen=True)
class Subject:
    ground: Ground
    target: str
    module: str
    names: tuple[str, ...]
    text: str


def answer(request: Mapping[str, Any]) -> Answer:
    """{target, names, budget_seconds?, overlay?} to {files, written, killed, dropped, mutants}."""
    target = valid_path(protocol.required_text(request, "target"))
    clock = Clock(protocol.seconds(request, "budget_seconds", DEFAULT_BUDGET, MOST_BUDGET))
    root = materialise(request)
    subject = _subject(root, target, protocol.strings(request, "names"))
    cases = _cases(subject, clock)
    assertions, dropped = _observed(subject, cases, clock)
    mutants = mutants_of(subject.text, subject.names)
    kills, judged = _judge(subject, assertions, mutants, clock)
    chosen = _choose(assertions, kills)
    path = place_for(root, target, subject.ground.layout)
    suite = write_suite(chosen, kills, subject.module, [mutant.place for mutant in mutants])
    suite, failed = _confirmed(subject, suite, path, clock)
    suite = _proven(subject, suite, path, mutants, clock)
    dropped += failed
    files = {path: suite.text} if suite.tests else {}
    return {
        "files": files,
        "written": len(suite.tests),
        "killed": {f"{path}::{test}": places for test, places in suite.killed.items()},
        "dropped": dropped[:MAX_DROPPED],
        "dropped_count": len(dropped),
        "mutants": judged,
        "mutants_killed": len({place for places in suite.killed.values() for place in places}),
        "nothing": None if suite.tests else _nothing(cases, assertions, judged),
    }


def _subject(root: Path, target: str, names: list[str]) -> Subject:
    source = read_source(root, target)
    ground = environment.prepare(root)
    module = ground.layout.module_name(target)
    if source is None or module is None:
        raise Refusal("unknown_module", f"{target} is no Python module that can be read here.")
    try:
        tree = ast.parse(source.text.removeprefix("\ufeff"))
    except SyntaxError as error:
        raise Refusal("unknown_module", f"{target} can't be parsed: {error}.") from None
    defined = [getattr(node, "name", "") for node in tree.body]
    wanted = tuple(name for name in defined if name and (name in names or not names))
    if not wanted:
        there = ", ".join(name for name in defined if name) or "nothing"
        raise Refusal("unknown_name", f"{target} defines none of these names; it defines {there}.")
    return Subject(ground, target, module, tuple(dict.fromkeys(wanted)), source.text)


def _nothing(cases: Sequence[Case], assertions: Sequence[Assertion], mutants: int) -> str:
    if not cases:
        return "No call with arguments that can be written down was seen or could be made up."
    if not assertions:
        return f"None of {len(cases)} calls gave the same, writable outcome twice."
    return f"None of {len(assertions)} assertions noticed one of {mutants} faults and held."


def _cases(subject: Subject, clock: Clock) -> list[Case]:
    """Public definitions are called; private ones only where there are no others."""
    public = tuple(name for name in subject.names if not name.startswith("_")) or subject.names
    recorded = [c for c in _record(subject, clock) if c.name in public]
    tree = ast.parse(subject.text.removeprefix("\ufeff"))
    invented = invented_cases(tree, public, subject.module)
    ordered = [*_evenly(recorded), *_evenly(varied_cases(recorded)), *_evenly(invented)]
    own = re.compile(f"/tmp/|pytest-of-|{re.escape(str(workspace()))}")
    ordered = [case for case in ordered if not own.search(f"{case.lines}{case.last}")]
    unique = {(case.lines, case.last): case for case in reversed(ordered)}
    return [case for case in ordered if unique[case.lines, case.last] is case][:MAX_CASES]


def _evenly(cases: Sequence[Case]) -> list[Case]:
    """The first of every function, then the second of every function, and so on."""
    counts: dict[str, int] = {}
    ranked: list[tuple[int, int, Case]] = []
    for case in cases:
        counts[case.name] = counts.get(case.name, 0) + 1
        ranked.append((counts[case.name], len(ranked), case))
    return [case for _, _, case in sorted(ranked, key=lambda r: r[:2])]


def _record(subject: Subject, clock: Clock) -> list[Case]:
    record = subject.ground.home / "record.jsonl"
    record.touch()
    described = {"module": subject.module, "names": subject.names, "record": str(record)}
    variables = {"GATEHOUSE_SUBJECT": json.dumps(described)}
    run_tests(
        subject.ground,
        ["-p", "gatehouse_record"],
        timeout=clock.share(0.4),
        variables=variables,
    )
    return recorded_cases(record.read_text("utf-8").splitlines(), subject.module)


def _observed(
    subject: Subject, cases: Sequence[Case], clock: Clock
) -> tuple[list[Assertion], list[dict[str, str]]]:
    """Cases whose outcome was the same in both surroundings, as assertions."""
    request = {
        "mode": "observe",
        "module": subject.module,
        "names": subject.names,
        "cases": [case.as_json() for case in cases],
    }
    runs = [
        {event["case"]: event for event in _ask(subject, request, surroundings, clock.share(0.2))}
        for surroundings in (SURROUNDINGS[0], SURROUNDINGS[2])
    ]
    assertions: list[Assertion] = []
    dropped: list[dict[str, str]] = []
    for number, case in enumerate(cases):
        first, second = (run.get(number, {"unusable": "not reached"}) for run in runs)
        found = assertion_for(case, first, second)
        if isinstance(found, str):
            dropped.append({"test": case.last[:120], "why": found})
        else:
            assertions.append(found)
    return assertions, [d for d in dropped if needs_check(d["why"])]


def _ask(
    subject: Subject, request: Mapping[str, Any], variables: Mapping[str, str], seconds: float
) -> list[dict[str, Any]]:
    """Run the observing program with a request; what it reported until its end or the time's."""
    report = Path(tempfile.mkstemp(prefix="report-", dir=workspace())[1])
    question = subject.ground.home / "question.json"
    question.write_text(json.dumps({**request, "report": str(report)}), "utf-8")
    program = environment.PLUGINS / "gatehouse_observe.py"
    command = ["-W", "ignore", str(program), str(question)]
    environment.run(subject.ground, command, timeout=seconds + 5, variables=variables)
    events = []
    for line in report.read_text("utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    report.unlink()
    return events


def _judge(
    subject: Subject, assertions: Sequence[Assertion], mutants: Sequence[Mutant], clock: Clock
) -> tuple[dict[int, frozenset[int]], int]:
    """Assertion to the mutants that it notices; those that fail without a fault notice none."""
    request = {
        "mode": "judge",
        "module": subject.module,
        "cases": [assertion.program for assertion in assertions],
        "mutants": [None, *(mutant.source for mutant in mutants)],
        "seconds": clock.share(0.45),
    }
    events = [e for e in _ask(subject, request, {}, clock.share(0.45)) if "mutant" in e]
    if not events or events[0]["mutant"] != 0:
        return {}, 0
    unsound = set(events[0]["killed_by"])
    kills: dict[int, set[int]] = {n: set() for n in range(len(assertions)) if n not in unsound}
    for event in events[1:]:
        for number in event["killed_by"]:
            if number in kills:
                kills[number].add(event["mutant"] - 1)
    return {number: frozenset(found) for number, found in kills.items() if found}, len(events) - 1


def _choose(
    assertions: Sequence[Assertion], kills: Mapping[int, frozenset[int]]
) -> list[tuple[int, Assertion]]:
    """Greedy cover: always the assertion that notices most of what none so far notices."""
    uncovered = frozenset().union(*kills.values()) if kills else frozenset()
    per_function: dict[str, int] = {}
    chosen: list[int] = []
    while uncovered:
        open_ = [
            number
            for number in kills
            if per_function.get(assertions[number].case.name, 0) < MAX_PER_FUNCTION
        ]
        best = max(
            open_, key=lambda n: (len(kills[n] & uncovered), assertions[n].rank, -n), default=None
        )
        if best is None or not kills[best] & uncovered:
            break
        chosen.append(best)
        uncovered -= kills[best]
        name = assertions[best].case.name
        per_function[name] = per_function.get(name, 0) + 1
    return [(number, assertions[number]) for number in sorted(chosen)]


def _confirmed(
    subject: Subject, suite: Suite, path: str, clock: Clock
) -> tuple[Suite, list[dict[str, str]]]:
    """Drop the tests that fail under pytest in any of the surroundings."""
    dropped: list[dict[str, str]] = []
    for surroundings in SURROUNDINGS:
        if not suite.tests:
            break
        apply(subject.ground.root, {path: suite.text})
        result = run_tests(
            subject.ground, [path], timeout=max(20.0, clock.left()), variables=surroundings
        )
        failed = {failure["test"].split("::")[-1].split("[")[0] for failure in result["failures"]}
        if result["errors"] or not result["passed"]:
            failed = set(suite.tests)
        for test in sorted(failed):
            dropped.append(
                {"test": test, "why": "doesn't pass in every order, clock and hash seed"}
            )
        suite = suite.without(failed)
    return suite, dropped


def _proven(
    subject: Subject, suite: Suite, path: str, mutants: Sequence[Mutant], clock: Clock
) -> Suite:
    """Write faults into the copy, fewest first, until pytest has failed every test once.

    A test that holds against a fault it was said to notice loses the fault, and goes with the
    last one. When the budget ends first, the rest stands on what was judged in step 4.
    """
    kills = {test.name: test.kills for test in suite.written}
    open_ = set(kills)
    while open_ and clock.left() > clock.budget * 0.05:
        claimed = Counter(number for test in open_ for number in kills[test])
        if not claimed:
            break
        number = min(claimed, key=lambda n: (-claimed[n], n))
        apply(subject.ground.root, {path: suite.text, subject.target: mutants[number].source})
        result = run_tests(subject.ground, [path], timeout=max(10.0, clock.left()))
        failed = {f["test"].split("::")[-1].split("[")[0] for f in result["failures"]}
        for test in sorted(t for t in open_ if number in kills[t]):
            if test in failed or result["errors"]:
                open_.discard(test)
            else:
                kills[test] -= {number}
    apply(subject.ground.root, {subject.target: subject.text})
    return suite.proven(kills)

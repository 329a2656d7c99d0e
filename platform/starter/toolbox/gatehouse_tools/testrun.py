"""The repository's tests, run by pytest in a child process and counted.

A test that can't be collected, one that was running when pytest died or the time was up, and
those that were then never run all count as failed.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from gatehouse_tools import environment, protocol
from gatehouse_tools.environment import Ground
from gatehouse_tools.options import configured, kept_options
from gatehouse_tools.protocol import Answer
from gatehouse_tools.tree import inside, materialise, workspace

DEFAULT_SECONDS = 300.0
MOST_SECONDS = 3_600.0
MAX_FAILURES = 50
MAX_TESTS = 5_000
MAX_MESSAGE = 1_000
USAGE_ERROR = 4
INTERNAL_ERROR = 3
SAFE = (
    "-p",
    "no:cacheprovider",
    "-p",
    "gatehouse_report",
    "-o",
    "addopts=",
    "-o",
    "required_plugins=",
    "--continue-on-collection-errors",
)
PLAIN = ("-o", "filterwarnings=", "-o", "xfail_strict=false", "-o", "strict=false")


@dataclass
class Tally:
    """Outcomes by test, in the order in which the tests ended."""

    outcomes: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    collected: list[str] = field(default_factory=list)
    running: str | None = None
    ended: int | None = None
    version: str = ""

    def read(self, event: Mapping[str, Any]) -> None:
        test = str(event.get("test", ""))
        match event["event"]:
            case "collected":
                self.collected = list(event["tests"])
                self.version = event["version"]
            case "broken":
                self.broken[test] = event["message"]
            case "started":
                self.running = test
            case "phase":
                self._phase(test, event)
            case "finished":
                self.running = None
            case "ended":
                self.ended = event["status"]

    def _phase(self, test: str, event: Mapping[str, Any]) -> None:
        """A test fails if any of its phases does; it is skipped if one is and none failed."""
        before, outcome = self.outcomes.get(test), event["outcome"]
        if outcome == "failed" or (outcome == "skipped" and before != "failed") or before is None:
            self.outcomes[test] = outcome
        if outcome == "failed" and test not in self.messages:
            self.messages[test] = event["message"]


def answer(request: Mapping[str, Any]) -> Answer:
    """{paths?, timeout?, overlay?} to the counts; at most 50 failures, 5,000 tests listed."""
    root = materialise(request)
    paths = protocol.strings(request, "paths")
    for path in paths:
        inside(root, path.split("::")[0])
    timeout = protocol.seconds(request, "timeout", DEFAULT_SECONDS, MOST_SECONDS)
    return run_tests(environment.prepare(root), paths, timeout=timeout)


def run_tests(
    ground: Ground,
    paths: Sequence[str],
    *,
    timeout: float,
    variables: Mapping[str, str] | None = None,
) -> Answer:
    """Run pytest on the copy; ``variables`` are added to the child's environment."""
    begun = time.monotonic()
    file, options = configured(ground.root)
    kept, left = kept_options(options)
    notes = [f"{file}: left out of addopts: {' '.join(left)}"[:500]] if left else []
    attempts: list[list[str]] = [[*SAFE, *kept], [*SAFE, *PLAIN], [*SAFE, "-c", _own_ini(ground)]]
    for number, attempt in enumerate(attempts):
        rest = max(1.0, timeout - (time.monotonic() - begun))
        tally, outcome = _pytest(ground, [*attempt, *paths], variables or {}, timeout=rest)
        unstarted = not tally.collected and outcome.code in (USAGE_ERROR, INTERNAL_ERROR, 1)
        if not unstarted or tally.broken or number == len(attempts) - 1:
            break
        notes.append(f"pytest refused the repository's configuration: {_last(outcome.output)}")
    seconds = time.monotonic() - begun
    return _answer(tally, outcome, seconds, timeout, notes)


def _own_ini(ground: Ground) -> str:
    path = ground.home / "pytest.ini"
    path.write_text("[pytest]\n", "utf-8")
    return str(path)


def _pytest(
    ground: Ground, options: list[str], variables: Mapping[str, str], *, timeout: float
) -> tuple[Tally, environment.Outcome]:
    report = Path(tempfile.mkstemp(prefix="report-", dir=workspace())[1])
    outcome = environment.run(
        ground,
        ["-m", "pytest", "-q", "--tb=short", "--color=no", f"--rootdir={ground.root}", *options],
        timeout=timeout,
        variables={**variables, "GATEHOUSE_REPORT": str(report), "PYTEST_ADDOPTS": ""},
    )
    tally = Tally()
    for line in report.read_text("utf-8", "replace").splitlines():
        try:
            tally.read(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue
    report.unlink()
    return tally, outcome


def _answer(
    tally: Tally, outcome: environment.Outcome, seconds: float, timeout: float, notes: list[str]
) -> Answer:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if tally.running is not None:
        tally.outcomes[tally.running] = "failed"
        tally.messages[tally.running] = _end(outcome, timeout)
    missing = [test for test in tally.collected if test not in tally.outcomes]
    stopped = tally.ended is None and bool(tally.collected)
    for test in missing if stopped else []:
        tally.outcomes[test] = "failed"
        tally.messages[test] = f"never run: {_end(outcome, timeout)}"
    for result in tally.outcomes.values():
        counts[result] += 1
    errors = len(tally.broken)
    crashed = tally.ended is None and not tally.collected and not tally.broken
    if crashed or (tally.ended in (INTERNAL_ERROR, USAGE_ERROR) and not tally.outcomes):
        tally.broken["pytest"] = f"{_end(outcome, timeout)} {outcome.output[-600:]}"
        errors = max(1, errors)
    messages = {**tally.broken, **tally.messages}
    failures = [{"test": t, "message": m[-MAX_MESSAGE:]} for t, m in messages.items()]
    tests = [{"id": test, "outcome": result} for test, result in tally.outcomes.items()]
    return {
        "passed": counts["passed"],
        "failed": counts["failed"] + errors,
        "skipped": counts["skipped"],
        "errors": errors,
        "duration": round(seconds, 2),
        "failures": failures[:MAX_FAILURES],
        "tests": tests[:MAX_TESTS],
        "count": len(tests),
        "output": outcome.output,
        "runner": f"pytest {tally.version or _version()}",
        "complete": not stopped and not crashed,
        "nothing": None if tests or errors else "pytest found no tests in the repository.",
        "notes": notes,
    }


def _end(outcome: environment.Outcome, timeout: float) -> str:
    if outcome.code is None:
        return f"The time of {timeout:.0f} s was up."
    how = f"signal {-outcome.code}" if outcome.code < 0 else f"exit code {outcome.code}"
    return f"pytest ended with {how} meanwhile."


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    chosen = [line for line in lines if "rror" in line] or lines
    return chosen[-1][:300] if chosen else "no output"


def _version() -> str:
    try:
        return metadata.version("pytest")
    except metadata.PackageNotFoundError:
        raise protocol.Refusal("missing_package", "pytest is in no layer: add it.") from None

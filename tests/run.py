"""`make test`: the whole suite on SQLite, and its `postgres` part on PostgreSQL with Redis.

It starts what is needed, throw-away and on free ports, stops it, and ends with one line. Arguments
go to pytest: `make test ARGS="tests/context -k rollback"`.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests import services

NO_TESTS = 5


@dataclass(frozen=True)
class Part:
    """The outcome of one run of pytest. `needs` says of each skip for a missing service why."""

    name: str
    status: int
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    needs: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.status in (0, NO_TESTS) and not self.failed


def main(arguments: Sequence[str]) -> int:
    """Run both parts and sum them up.

    1. on SQLite in a home of its own, several processes at a time;
    2. what concerns concurrency, money, JSON, constraints and triggers, on PostgreSQL with Redis.
    """
    with services.folder("tests") as home:
        parts = [_on_sqlite(home, arguments), _on_postgresql(home, arguments)]
    return summed_up(parts)


def summed_up(parts: Sequence[Part]) -> int:
    """Say what was skipped and why, then the one closing line. Returns the exit status."""
    needs = sorted({need for part in parts for need in part.needs})
    for need in needs:
        say(f"skipped, {need}")
    ok = all(part.ok for part in parts) and not (needs and services.in_ci())
    if needs and services.in_ci():
        say("with CI=true a service that is missing is a failure")
    passed, failed, skipped = (
        sum(getattr(part, word) for part in parts) for word in ("passed", "failed", "skipped")
    )
    if not ok and not failed:
        failed = 1
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if ok and passed else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _on_sqlite(home: Path, arguments: Sequence[str]) -> Part:
    environment = {"DATABASE_URL": "", "CELERY_BROKER_URL": ""}
    options = ["-n", "2", "-m", "not production", *arguments]
    return _pytest("SQLite", home / "sqlite", options, environment)


def _on_postgresql(home: Path, arguments: Sequence[str]) -> Part:
    """Without PostgreSQL or Redis the part's tests count as skipped."""
    name, options = "PostgreSQL", ["-m", "postgres or production", *arguments]
    try:
        with _servers() as environment:
            return _pytest(name, home / "postgresql", options, environment)
    except services.Missing as missing:
        count = _count(home / "count", options)
        return Part(name, 0, skipped=count, needs=(str(missing),) if count else ())


@contextlib.contextmanager
def _servers() -> Iterator[dict[str, str]]:
    with services.postgresql() as database, services.redis() as broker:
        yield {"DATABASE_URL": database, "CELERY_BROKER_URL": broker}


def _pytest(name: str, home: Path, options: Sequence[str], environment: dict[str, str]) -> Part:
    # whitenoise warns of a missing folder of static files with each test client.
    (home / "var" / "static").mkdir(parents=True)
    report = home / "report.xml"
    say(f"--- {name}")
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *options]
    status = subprocess.run(command, cwd=services.ROOT, env=_environment(home) | environment)
    return _read(name, status.returncode, report)


def _environment(home: Path) -> dict[str, str]:
    """This environment without what configures some other installation."""
    foreign = ("BASE_URL", "PORT", "HOST", "DEBUG", "HTTPS", "ALLOWED_HOSTS", "MAKEFLAGS")
    kept = {key: value for key, value in os.environ.items() if key not in foreign}
    return kept | {"GATEHOUSE_HOME": str(home), "LOG_LEVEL": "WARNING"}


def _read(name: str, status: int, report: Path) -> Part:
    if not report.exists():
        return Part(name, status or 1, failed=1)
    suites = ElementTree.parse(report).getroot().findall("testsuite")
    tests, failed, skipped = (
        sum(int(suite.get(word, "0")) for suite in suites for word in words)
        for words in (("tests",), ("failures", "errors"), ("skipped",))
    )
    messages = [
        node.get("message", "") for suite in suites for node in suite.findall("testcase/skipped")
    ]
    needs = tuple(message for message in messages if message.startswith(services.NEEDS))
    return Part(name, status, max(tests - failed - skipped, 0), failed, skipped, needs)


def _count(home: Path, options: Sequence[str]) -> int:
    home.mkdir()
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", *options]
    done = subprocess.run(
        command, cwd=services.ROOT, env=_environment(home), capture_output=True, text=True
    )
    counts = [line.rsplit(": ", 1) for line in done.stdout.splitlines() if ".py: " in line]
    return sum(int(count) for _, count in counts if count.isdecimal())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

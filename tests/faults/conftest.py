"""The process that the tests kill, on a database of its own: SQLite in a file, and a new database
on the PostgreSQL that DATABASE_URL names, where it is set."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

DRIVER = Path(__file__).with_name("driver.py")


class Driver:
    """The other end of the driver's standard streams."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __call__(self, do: str, **order: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert "failed" not in answer, f"{do} broke; see standard error"
        return answer

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)


def _environment(home: Path, database: str) -> dict[str, str]:
    return os.environ | {
        "GATEHOUSE_HOME": str(home),
        "GATEHOUSE_TESTING": "1",
        "DATABASE_URL": database,
        "DATABASE_CONN_MAX_AGE": "0",
        "CELERY_BROKER_URL": "memory://",
        "LOG_LEVEL": "CRITICAL",
    }


def _databases() -> list[str]:
    return ["sqlite", "postgres"] if os.environ.get("DATABASE_URL") else ["sqlite"]


@pytest.fixture(scope="session", params=_databases())
def driver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    home = tmp_path_factory.mktemp(f"faults-{request.param}")
    if request.param == "sqlite":
        yield from _driver(home, "")
        return
    server = os.environ["DATABASE_URL"]
    name = f"gatehouse_faults_{os.getpid()}"
    base = server.rsplit("/", 1)[0]
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield from _driver(home, f"{base}/{name}")
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _driver(home: Path, database: str) -> Iterator[Driver]:
    driver = Driver(_environment(home, database))
    try:
        driver("setup")
        yield driver
    finally:
        driver.close()

"""The same code in production: PostgreSQL, Redis, and web, worker and timer of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from django.conf import settings
from kernel import ids

from tests import services

pytestmark = [pytest.mark.production, pytest.mark.xdist_group("serving")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Installation"]:
    if settings.EMBEDDED:
        pytest.skip("production is PostgreSQL's part")
    server, name = os.environ["DATABASE_URL"], f"production_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        database = urlsplit(server)._replace(path=f"/{name}").geturl()
        found = Installation(tmp_path_factory.mktemp("production"), database)
        found.run("manage.py", "setup")
        yield found
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Installation:
    """One installation: its environment, and its processes while they are needed."""

    def __init__(self, home: Path, database: str) -> None:
        self.home, self.database = home, database
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "GATEHOUSE_HOME": str(home),
            "DATABASE_URL": database,
            "BASE_URL": self.url,
            "LOG_LEVEL": "WARNING",
        }

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=services.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, *words: str) -> "subprocess.Popen[bytes]":
        with open(self.home / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=services.ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def web(self, application: str, interface: str) -> "subprocess.Popen[bytes]":
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        return self.start("web", "-m", "granian", "--interface", interface, *where, application)

    def worker(self) -> "subprocess.Popen[bytes]":
        options = ["-P", "threads", "-c", "4", "-Q", "engine,agents,calls", "-l", "WARNING"]
        return self.start("worker", "-m", "celery", "-A", "portal", "worker", *options)

    def timer(self) -> "subprocess.Popen[bytes]":
        return self.start("timer", "manage.py", "timer")


@pytest.mark.parametrize(
    ("application", "interface"),
    [("portal.wsgi:application", "wsgi"), ("portal.asgi:application", "asgi")],
)
def test_granian_serves_both_applications(
    installation: Installation, application: str, interface: str
) -> None:
    process = installation.web(application, interface)
    try:
        _until(lambda: _answers(f"{installation.url}/readyz"))
        api = httpx.get(f"{installation.url}/api/v1/tools/", trust_env=False)
        assert api.status_code == 401
        assert api.headers["content-type"] == "application/problem+json"
    finally:
        assert services.stop(process) in (0, -signal.SIGTERM)


def test_a_message_that_lost_its_nudge_reaches_a_worker_through_redis(
    installation: Installation,
) -> None:
    """The timer finds the row, Redis carries its id, the worker delivers and deletes it."""
    with ExitStack() as stack:
        for process in (installation.worker(), installation.timer()):
            stack.callback(services.stop, process)
        with psycopg.connect(installation.database, autocommit=True) as connection:
            row = ids.uuid7()
            connection.execute(
                "INSERT INTO kernel_outbox "
                "(id, topic, subject_id, due_at, attempts, last_error, created_at) "
                "VALUES (%s, 'approval.closed', %s, now(), 0, '', now())",
                (row, ids.uuid7()),
            )
            gone = "SELECT NOT EXISTS (SELECT 1 FROM kernel_outbox WHERE id = %s)"
            _until(lambda: bool(_first(connection, gone, row)), 60)


def test_when_one_timer_dies_another_takes_over(installation: Installation) -> None:
    with psycopg.connect(installation.database, autocommit=True) as connection:
        holder = "SELECT subject_id FROM kernel_outbox WHERE topic = 'timer.lease'"
        held = f"{holder} AND claimed_until > now()"
        first = installation.timer()
        try:
            _until(lambda: _first(connection, held) is not None)
            one = _first(connection, holder)
            second = installation.timer()
        finally:
            services.stop(first)
        try:
            _until(lambda: _first(connection, held) not in (None, one))
        finally:
            services.stop(second)


def test_doctor_sees_the_services(installation: Installation) -> None:
    process = installation.timer()
    try:
        _until(lambda: '"runs": true' in installation.run("manage.py", "doctor", "--json"))
        found = installation.run("manage.py", "doctor", "--json")
    finally:
        services.stop(process)
    assert '"vendor": "postgresql"' in found
    assert '"transport": "redis"' in found


def _first(
    connection: "psycopg.Connection[tuple[object, ...]]", query: str, *values: object
) -> object:
    row = connection.execute(query, values).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _until(holds: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)

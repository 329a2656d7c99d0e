"""One command serves a home: it starts again with everything, and stops when asked."""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from tests import services

pytestmark = [
    pytest.mark.skipif(not settings.EMBEDDED, reason="the embedded server is SQLite's part"),
    pytest.mark.xdist_group("serving"),
]
SIGN_IN = re.compile(r"^  (\w+)  (\S+)  \((\w+)\)$", re.M)
# A home without the first run: what is served here is the server itself.
QUIET = {"FIRST_RUN": "false", "LOG_LEVEL": "WARNING", "DATABASE_URL": ""}


def sign_in(url: str, name: str, password: str) -> httpx.Response:
    with httpx.Client(base_url=url, trust_env=False, headers={"Referer": url}) as browser:
        browser.get("/login/")
        form = {
            "username": name,
            "password": password,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        return browser.post("/login/", data=form)


def serve(home: Path, *words: str, port: int = 0) -> "subprocess.CompletedProcess[str]":
    """A start that isn't expected to succeed."""
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(port), *words],
        cwd=services.ROOT,
        env=os.environ | QUIET | {"GATEHOUSE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_new_home_is_served_and_served_again_with_what_it_held(tmp_path: Path) -> None:
    with services.served(tmp_path, "--setup", **QUIET) as first:
        _until_written(first.log, "Ctrl-C")
        people = {name: word for name, word, _ in SIGN_IN.findall(first.log.read_text())}
        assert set(people) == {"admin", "reviewer", "member"}
        assert f"Gatehouse is at {first.url}" in first.log.read_text()
        assert sign_in(first.url, "admin", people["admin"]).status_code == 302
        assert sign_in(first.url, "admin", "wrong").status_code == 200
    first.log.unlink()
    began = time.monotonic()
    with services.served(tmp_path, "--setup", **QUIET) as again:
        assert time.monotonic() - began < 20
        assert sign_in(again.url, "member", people["member"]).status_code == 302
        _until_written(again.log, "Ctrl-C")
        assert not SIGN_IN.findall(again.log.read_text()), "passwords are shown once"


def test_a_killed_server_leaves_a_home_that_starts(tmp_path: Path) -> None:
    with services.served(tmp_path, "--setup", **QUIET) as first:
        first.process.kill()
        first.process.wait()
    with services.served(tmp_path, "--setup", **QUIET) as again:
        assert httpx.get(f"{again.url}/healthz", trust_env=False).json() == {"status": "ok"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_within_seconds(tmp_path: Path, number: int) -> None:
    with services.served(tmp_path, "--setup", **QUIET) as server:
        began = time.monotonic()
        assert services.stop(server.process, number) == 0
        assert time.monotonic() - began < 12
        assert "Traceback" not in server.log.read_text()


def test_one_home_is_served_once(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    with open(tmp_path / "var" / "gatehouse.lock", "w") as held:
        held.write("process 1, http://127.0.0.1:1\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        done = serve(tmp_path)
    assert done.returncode == 1
    assert "already runs on this home" in done.stderr
    assert "http://127.0.0.1:1" in done.stderr
    assert "GATEHOUSE_HOME=" in done.stderr


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve(tmp_path, port=port)
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr
    assert f"make up PORT={port + 1}" in done.stderr


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=services.ROOT,
        env=os.environ | QUIET | {"GATEHOUSE_HOME": str(tmp_path), "PORT": "many"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "'many' is no port" in done.stderr


def test_doctor_tells_what_is_in_force(tmp_path: Path) -> None:
    environment = os.environ | QUIET | {"GATEHOUSE_HOME": str(tmp_path)}
    run = [sys.executable, "manage.py"]
    subprocess.run([*run, "setup"], cwd=services.ROOT, env=environment, check=True, timeout=120)
    done = subprocess.run(
        [*run, "doctor", "--json"],
        cwd=services.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (0 if found["ok"] else 1)
    assert found["database"]["vendor"] == "sqlite"
    assert found["database"]["migrations_missing"] == 0
    assert found["broker"]["transport"] == "memory"
    assert found["timer"]["runs"] is False
    assert found["keys"]["problems"] == []
    assert {"memory", "cpu", "processes", "seccomp", "weak_limits"} <= set(found["sandbox"])
    pool = found["sandbox"]["pool"]
    assert (pool["max_idle"], pool["idle"], pool["busy"], pool["waiting"]) == (4, 0, 0, 0)
    assert pool["starts"] is True
    assert "0 of 4 kept booted" in found["sandbox"]["summary"]


def test_doctor_finds_a_key_that_others_may_read(tmp_path: Path) -> None:
    environment = os.environ | QUIET | {"GATEHOUSE_HOME": str(tmp_path)}
    run = [sys.executable, "manage.py"]
    subprocess.run([*run, "setup"], cwd=services.ROOT, env=environment, check=True, timeout=120)
    (tmp_path / "var" / "credential_key").chmod(0o644)
    done = subprocess.run(
        [*run, "doctor"],
        cwd=services.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert f"Run `chmod 600 {tmp_path}/var/credential_key`" in done.stdout


def _until_written(log: Path, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)

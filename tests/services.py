"""Services that the tests run against: throw-away, on free ports, each in a folder of its own.

What a machine lacks is skipped with the way to get it; with `CI=true` that is a failure.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 15
# A reason for a skip begins with this, so that the runner can tell it from other skips.
NEEDS = "needs "
GET = {
    "postgresql": "sudo apt-get install postgresql",
    "redis": "sudo apt-get install redis-server",
    "chromium": "sudo apt-get install chromium",
    "bubblewrap": "sudo apt-get install bubblewrap",
    "git": "sudo apt-get install git",
}


class Missing(Exception):
    """A service that this machine doesn't have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{NEEDS}{name}: {GET[name]}")
        self.name = name


def need(name: str) -> Path:
    """The program behind the service. Skips the test where there is none; with CI=true it fails."""
    try:
        return find(name)
    except Missing as missing:
        if in_ci():
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def find(name: str) -> Path:
    """The program behind the service. Raises Missing."""
    found = _PROGRAMS[name]()
    if found is None:
        raise Missing(name)
    return Path(found)


def _initdb() -> str | None:
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda path: float(path.parts[4]), reverse=True)
    return str(newest[0]) if newest else shutil.which("initdb")


def _first(*names: str) -> Callable[[], str | None]:
    return lambda: next((found for each in names if (found := shutil.which(each))), None)


_PROGRAMS: Mapping[str, Callable[[], str | None]] = {
    "postgresql": _initdb,
    "redis": _first("redis-server", "valkey-server"),
    "chromium": _first("chromium", "google-chrome", "chromium-browser"),
    "bubblewrap": _first("bwrap"),
    "git": _first("git"),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(ready: Callable[[], bool], what: str, alive: Callable[[], bool]) -> None:
    """Raises TimeoutError when it isn't ready in time or has ended."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if not alive() or time.monotonic() > deadline:
            raise TimeoutError(f"{what} didn't start")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def stop(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> int:
    """Ask the process to end, and end it when it doesn't. Returns its exit status."""
    process.send_signal(number)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def folder(prefix: str) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=f"gatehouse-{prefix}-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgresql(*, durable: bool = False, **more: str) -> Iterator[str]:
    """A PostgreSQL of one's own; its `postgres://` address. Raises Missing.

    It forgets what it did when it is killed, unless it is `durable`; `more` are settings of its
    configuration. PostgreSQL refuses to run as root, so that root runs it as an unprivileged user.
    """
    programs = find("postgresql").parent
    with folder("postgresql") as home:
        owner = _unprivileged(home)
        password, port = secrets.token_hex(16), free_port()
        secret = home / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        _give(secret, owner)
        data = str(home / "data")
        initdb = [programs / "initdb", "-D", data, "-U", "gatehouse", "-A", "scram-sha-256"]
        initdb += ["--pwfile", str(secret), "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, user=owner, cwd=home)
        quick = [] if durable else ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        quick += [f"{name}={value}" for name, value in more.items()]
        quick += [f"unix_socket_directories={home}", "listen_addresses=127.0.0.1"]
        options = [word for setting in quick for word in ("-c", setting)]
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", data, "-p", str(port), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=owner,
            cwd=home,
        )
        try:
            address = f"postgres://gatehouse:{password}@127.0.0.1:{port}/postgres"
            wait_until(lambda: _answers(address), "PostgreSQL", lambda: process.poll() is None)
            yield address
        finally:
            # SIGINT is its fast shutdown: open connections don't hold it up.
            stop(process, signal.SIGINT)


def _answers(address: str) -> bool:
    """It listens before it lets anybody in."""
    try:
        psycopg.connect(address, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _unprivileged(home: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    owner = "postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody"
    _give(home, owner)
    return owner


def _give(path: Path, owner: str | None) -> None:
    if owner is not None:
        shutil.chown(path, owner)


@contextmanager
def redis() -> Iterator[str]:
    """A Redis of one's own; its `redis://` address. Raises Missing."""
    program = find("redis")
    with folder("redis") as home:
        port = free_port()
        options = f"--port {port} --bind 127.0.0.1 --appendonly no".split()
        process = subprocess.Popen(
            [program, *options, "--save", "", "--dir", str(home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: _listens(port), "Redis", lambda: process.poll() is None)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop(process)


@dataclass(frozen=True)
class Served:
    """A server of the project in a process of its own."""

    url: str
    home: Path
    process: "subprocess.Popen[bytes]"
    log: Path


@contextmanager
def served(home: Path, *words: str, **environment: str) -> Iterator[Served]:
    """`manage.py serve` on the home, on a free port, until it answers; stopped at the end."""
    port = free_port()
    log = home / "server.log"
    kept = {key: value for key, value in os.environ.items() if key not in ("BASE_URL", "PORT")}
    command = [sys.executable, "manage.py", "serve", "--port", str(port), *words]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=kept | {"GATEHOUSE_HOME": str(home)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_up(url), f"the server ({log})", lambda: process.poll() is None)
        yield Served(url, home, process, log)
    finally:
        if process.poll() is None:
            stop(process)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False

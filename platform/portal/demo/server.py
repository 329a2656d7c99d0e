"""A server of one's own for the demo: a scratch home, a free port, and its first people."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings

READY_SECONDS = 60
STOP_SECONDS = 20
# What is kept of a scratch home: the repository that the summary names.
KEPT = "repositories"


class DemoError(Exception):
    """The demo couldn't be carried out; the text says what was in the way."""


@dataclass(frozen=True)
class Scratch:
    """A scratch home with a server on it, and the people's passwords."""

    home: Path
    url: str
    passwords: dict[str, str]

    def command(self, *words: str) -> dict[str, Any]:
        """Run one of the platform's commands on the scratch home; its JSON document."""
        return run(self.home, *words, "--json")


def run(home: Path, *words: str) -> dict[str, Any]:
    """One `manage.py` command on the home. Raises DemoError with what it said."""
    done = subprocess.run(
        [sys.executable, str(settings.ROOT / "manage.py"), *words],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DemoError(f"`{' '.join(words)}` failed: {done.stderr.strip()[-2000:]}")
    document: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return document


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment, pointed at the scratch home and at nothing else."""
    ours = {"DATABASE_URL", "CELERY_BROKER_URL", "BASE_URL", "DATABASE_URL_FILE", "PORT"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"GATEHOUSE_HOME": str(home), "LOG_LEVEL": "WARNING"} | more


@contextmanager
def started() -> Iterator[Scratch]:
    """A server on a scratch home, stopped at the end. Only the repositories stay."""
    home = Path(tempfile.mkdtemp(prefix="gatehouse-demo-"))
    prepared = run(home, "setup", "--json")
    passwords = {person["name"]: person["password"] for person in prepared["people"]}
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = (home / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, str(settings.ROOT / "manage.py"), "serve", "--port", str(port)],
        env=environment(home, BASE_URL=url),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        _wait_until_ready(process, url, home)
        yield Scratch(home, url, passwords)
    finally:
        _stop(process)
        log.close()
    _clean(home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, home: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = (home / "server.log").read_text(errors="replace")[-2000:]
            raise DemoError(f"The server ended while starting: {tail}")
        try:
            if httpx.get(f"{url}/readyz", timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise DemoError(f"The server didn't answer within {READY_SECONDS} s; see {home}/server.log.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _clean(home: Path) -> None:
    """After a demo that went well, everything but the repositories goes."""
    var = home / "var"
    for path in [*home.iterdir(), *var.iterdir()]:
        if path in {var, var / KEPT}:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

"""IBM's ContextForge (`mcp-contextforge-gateway`, PyPI), started for comparison.

It is installed into an environment of its own in the cache (a minute, once), and runs as its
documentation has it in production: gunicorn with uvicorn's workers, on PostgreSQL. Rate limits and
logs of requests are off, and what protects it from our loopback addresses.
"""

import json
import os
import secrets
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "mcp-contextforge-gateway"
WANTED = "1.1.0"
MAIL = "admin@example.com"


@dataclass(frozen=True)
class Peer:
    """A running gateway: where it listens, and what a call carries."""

    version: str
    port: int
    path: str
    body: bytes
    headers: Mapping[str, str]


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gatehouse-benchmarks"


def installed() -> tuple[Path, str]:
    """Its environment and version: 1.1.0, which needs Python 3.12, or else the newest that this
    machine can have. Raises RuntimeError where pip gets none."""
    for python, wanted in ((_python("3.12", "3.13"), f"=={WANTED}"), (shutil.which("python3"), "")):
        if python is None:
            continue
        home = cache() / f"contextforge-{wanted.strip('=') or 'newest'}"
        if not (home / "done").exists():
            shutil.rmtree(home, ignore_errors=True)
            words = [home / "bin" / "pip", "install", "-qq", f"{NAME}[postgres]{wanted}"]
            subprocess.run([python, "-m", "venv", home], check=True)
            if subprocess.run(words, check=False).returncode:
                continue
            (home / "done").touch()
        return home, _version(home)
    raise RuntimeError(f"{NAME} can't be installed here; leave it out with --peer none")


def _python(*versions: str) -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in versions:
        own = sorted(pyenv.glob(f"{version}*/bin/python{version}"))
        if own:
            return str(own[-1])
        # pyenv's own shims stand in the path for versions that aren't chosen.
        found = shutil.which(f"python{version}")
        if (
            found
            and subprocess.run([found, "-V"], check=False, capture_output=True).returncode == 0
        ):
            return found
    return None


def _version(home: Path) -> str:
    code = f"import importlib.metadata as m; print(m.version({NAME!r}))"
    done = subprocess.run(
        [home / "bin" / "python", "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@contextmanager
def running(folder: Path, database: str, port: int, echo_port: int, served: Any) -> Iterator[Peer]:
    """The gateway with two workers and the echo as its REST tool. `served` starts a command and
    waits for its port."""
    home, version = installed()
    environment = os.environ | _settings(database)
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment.pop("PYTHONPATH", None)
    words = [str(home / "bin" / "gunicorn"), "mcpgateway.main:app", "-w", "2", "--log-level"]
    words += ["critical", "-k", "uvicorn.workers.UvicornWorker", "-b", f"127.0.0.1:{port}"]
    folder.mkdir()
    with served(words, environment, port, folder):
        token = _token(home, environment, folder)
        headers = {"Authorization": f"Bearer {token}"}
        _register(port, echo_port, headers)
        call = {"name": "echo", "arguments": {"text": "hello"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        yield Peer(version, port, "/rpc", json.dumps(body).encode(), headers)


def _settings(database: str) -> dict[str, str]:
    password = "Correct-Horse-Battery-Staple-42"
    return {
        "DATABASE_URL": database.replace("postgres://", "postgresql+psycopg://", 1),
        "JWT_SECRET_KEY": secrets.token_hex(32),
        "AUTH_ENCRYPTION_SECRET": secrets.token_hex(32),
        "PLATFORM_ADMIN_EMAIL": MAIL,
        "PLATFORM_ADMIN_PASSWORD": password,
        "DEFAULT_USER_PASSWORD": password + "-1",
        "BASIC_AUTH_PASSWORD": password + "-2",
        "CACHE_TYPE": "memory",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMITING_ENABLED": "false",
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
    }


def _token(home: Path, environment: Mapping[str, str], folder: Path) -> str:
    words = [home / "bin" / "python", "-m", "mcpgateway.utils.create_jwt_token"]
    words += ["-u", MAIL, "-e", "600", "--admin"]
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, env=dict(environment), cwd=folder
    )
    return done.stdout.strip().rsplit("\n", 1)[-1]


def _register(port: int, echo_port: int, headers: Mapping[str, str]) -> None:
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    tool = {
        "name": "echo",
        "url": f"http://127.0.0.1:{echo_port}/",
        "description": "Echo.",
        "integration_type": "REST",
        "request_type": "POST",
        "input_schema": schema,
    }
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/tools",
        json.dumps({"tool": tool}).encode(),
        {"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        answer.read()

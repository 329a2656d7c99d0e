"""System checks: what is wrong with this installation, each with an id and what to do."""

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from kernel import env

from orchestration.sandbox import SandboxUnavailable, bubblewrap


@register()
def environment(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Every variable whose value doesn't fit, at once."""
    return [
        Error(fault.message, hint=f"Mend {fault.name} or leave it out.", id="kernel.E001")
        for fault in env.faults
    ]


@register()
def home(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """What this process keeps outside of the database has a place."""
    if os.access(settings.VAR, os.W_OK | os.X_OK):
        return []
    hint = "Name a folder of its user's own: GATEHOUSE_HOME=DIR."
    return [Error(f"{settings.VAR} can't be written.", hint=hint, id="portal.E001")]


@register()
def sandbox(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Without bubblewrap nothing is executed: calls that need the sandbox are refused."""
    try:
        bubblewrap.find()
    except SandboxUnavailable as error:
        hint = "Calls that need the sandbox are refused until then; `manage.py doctor` tells more."
        return [Warning(str(error), hint=hint, id="portal.W001")]
    return []


@register(Tags.security, deploy=True)
def broker(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """The broker in memory reaches this one process."""
    if not settings.EMBEDDED:
        return []
    hint = "Set CELERY_BROKER_URL=redis://HOST:6379/0, or serve everything by `manage.py serve`."
    text = "Celery's broker is this process's memory: a worker of its own gets nothing to do."
    return [Warning(text, hint=hint, id="portal.W002")]


@register(Tags.database, deploy=True)
def database(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """SQLite serves one machine."""
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
        return []
    hint = "Set DATABASE_URL=postgres://USER:PASSWORD@HOST/NAME."
    return [Warning("SQLite is the database.", hint=hint, id="portal.W003")]


@register(Tags.security, deploy=True)
def address(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Agents and mails are told where the platform is."""
    if settings.BASE_URL.startswith("https://") or not settings.HTTPS:
        return []
    hint = "Set BASE_URL=https://NAME, as people and agents reach it."
    return [Warning(f"BASE_URL is {settings.BASE_URL}.", hint=hint, id="portal.W004")]

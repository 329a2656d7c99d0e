"""Settings of the service, read once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auth.errors import ConfigurationError

MINIMUM_SECRET_BYTES = 32


@dataclass(frozen=True)
class Settings:
    """What an installation can choose. Durations are in seconds."""

    secret: str
    issuer: str = "authservice"
    audience: str = "internal"
    access_lifetime: int = 15 * 60
    refresh_lifetime: int = 14 * 24 * 3600
    session_lifetime: int = 8 * 3600
    max_failures: int = 5
    lock_seconds: int = 300

    def __post_init__(self) -> None:
        if len(self.secret.encode()) < MINIMUM_SECRET_BYTES:
            raise ConfigurationError(f"secret must have at least {MINIMUM_SECRET_BYTES} bytes")
        if self.access_lifetime >= self.refresh_lifetime:
            raise ConfigurationError("access tokens must expire before refresh tokens")


def settings_from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings from variables that start with AUTH_."""
    if "AUTH_SECRET" not in environ:
        raise ConfigurationError("AUTH_SECRET is not set")
    return Settings(
        secret=environ["AUTH_SECRET"],
        issuer=environ.get("AUTH_ISSUER", "authservice"),
        audience=environ.get("AUTH_AUDIENCE", "internal"),
        access_lifetime=_seconds(environ, "AUTH_ACCESS_LIFETIME", 15 * 60),
        refresh_lifetime=_seconds(environ, "AUTH_REFRESH_LIFETIME", 14 * 24 * 3600),
        session_lifetime=_seconds(environ, "AUTH_SESSION_LIFETIME", 8 * 3600),
    )


def _seconds(environ: Mapping[str, str], name: str, default: int) -> int:
    raw = environ.get(name)
    if raw is None:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ConfigurationError(f"{name} must be a number of seconds, not {raw!r}") from None
    if value <= 0:
        raise ConfigurationError(f"{name} must be positive")
    return value

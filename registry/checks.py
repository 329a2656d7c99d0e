"""System checks of the keys that secrets are encrypted with: without them nothing starts."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError
from kernel import ciphers

HINT = (
    "SECRETS_KEYS (or SECRETS_KEYS_FILE) holds Fernet keys, the first of which encrypts: 32 random "
    "bytes as URL-safe base64. `manage.py secrets new-key` prints one."
)


def begin() -> None:
    """Register the checks; called once, when the app is ready."""
    register(secrets_keys, Tags.security)


def secrets_keys(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """The keys are keys, and none is missing that something is encrypted with."""
    try:
        ciphers.fingerprints()
    except ciphers.KeyFault as error:
        return [Error(str(error), hint=HINT, id="registry.E001")]
    try:
        missing, stale = ciphers.unknown(), ciphers.stale()
    except DatabaseError:
        # Before the first migration there is nothing to decrypt.
        return []
    found: list[CheckMessage] = [
        Error(
            f"{count} encrypted values need key {name}, which isn't among SECRETS_KEYS.",
            hint="Put that key back, after the others, and run `manage.py secrets rotate`; or set "
            "the secrets anew.",
            id="registry.E002",
        )
        for name, count in sorted(missing.items())
    ]
    if stale > sum(missing.values()):
        told = f"{stale} encrypted values aren't under the first of SECRETS_KEYS yet."
        hint = "Run `manage.py secrets rotate`; then the older keys can go."
        found.append(Warning(told, hint=hint, id="registry.W001"))
    return found

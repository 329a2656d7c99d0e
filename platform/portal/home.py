"""The home: the folder that holds what this installation keeps outside of its database."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def password() -> str:
    return secrets.token_urlsafe(50)


def cipher_key() -> str:
    """A Fernet key: 32 bytes as URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def secret(var: Path, name: str, make: Callable[[], str] = password) -> str:
    """A random secret kept in the home with mode 0600, made at first use.

    Two processes that start at once agree: the file is linked into place, and who comes second
    reads what the first one made.
    """
    path = var / name
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    var.mkdir(parents=True, exist_ok=True)
    draft = var / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(make())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()

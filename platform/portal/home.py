"""The home: the folder that holds what this installation keeps outside of its database."""

import os
import secrets
from pathlib import Path


def secret(var: Path, name: str) -> str:
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
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()

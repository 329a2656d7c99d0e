"""Typed values from the environment; secrets also from a `NAME_FILE`.

A value that doesn't fit is kept as a fault instead of ending the process here: a system check
(kernel.E001) reports every fault at once, with the name and what would fit.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """One environment variable whose value doesn't fit."""

    name: str
    message: str


faults: list[Fault] = []

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, *, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() not in _FALSE:
        faults.append(Fault(name, f"{name}={value!r} is neither true nor false"))
    return False


def integer(name: str, default: int, *, least: int = 0) -> int:
    value = os.environ.get(name)
    if not value:
        return default
    if not value.isdecimal() or int(value) < least:
        faults.append(Fault(name, f"{name}={value!r} is not a whole number of at least {least}"))
        return default
    return int(value)


def items(name: str, default: str = "") -> list[str]:
    """A comma-separated list; blanks are dropped."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def secret(name: str, default: str = "") -> str:
    """The value, or the content of the file that `NAME_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return text(name, default)
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        faults.append(Fault(f"{name}_FILE", f"{name}_FILE can't be read: {error}"))
        return default


def secrets_of(prefix: str) -> dict[str, str]:
    """Every secret whose variable begins with the prefix, by the rest of its name in lower case."""
    names = {name.removesuffix("_FILE") for name in os.environ if name.startswith(prefix)}
    return {name.removeprefix(prefix).lower(): secret(name) for name in names if name != prefix}

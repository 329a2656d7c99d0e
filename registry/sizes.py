"""Sizes of memory and disk as people write them: `4GB` is four times 2**30 bytes."""

import re

_UNITS = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_FORM = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*$", re.IGNORECASE)


class SizeError(ValueError):
    """A text that is no size."""


def parse(size: int | str) -> int:
    """The size in bytes. Raises SizeError for what is neither a whole number nor like `512MB`."""
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    found = _FORM.fullmatch(size) if isinstance(size, str) else None
    if not found:
        raise SizeError(f"{size!r} is no size: write bytes, or a number with KB, MB, GB or TB")
    unit = found[2].upper()
    return int(float(found[1]) * _UNITS[unit if unit.endswith("B") or not unit else unit + "B"])


def text(size: int) -> str:
    """The size in the largest unit that keeps it whole."""
    for unit in ("TB", "GB", "MB", "KB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return f"{size}B"

"""Version numbers of published definitions: `MAJOR.MINOR[.PATCH]`, shown as published."""

import re
from dataclasses import dataclass
from typing import Self

_FORM = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(?:\.(0|[1-9]\d{0,5}))?")


class VersionError(ValueError):
    """A text that is no version number."""


@dataclass(frozen=True, order=True)
class Version:
    """A version number that sorts; `1.2` and `1.2.0` are the same number."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises VersionError naming the form that is expected."""
        found = _FORM.fullmatch(text)
        if not found:
            raise VersionError(f"{text!r} is no version: write MAJOR.MINOR or MAJOR.MINOR.PATCH")
        return cls(*(int(part or 0) for part in found.groups()))

    def __str__(self) -> str:
        """The shortest form: `1.2`, or `1.2.1` where there is a patch."""
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")

    @property
    def key(self) -> int:
        """One integer that sorts like the version, for an index."""
        return (self.major * 1_000_000 + self.minor) * 1_000_000 + self.patch

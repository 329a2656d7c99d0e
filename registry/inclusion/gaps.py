"""One reason why a value of one schema may be no value of another."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Gap:
    """Where the narrower schema says what the wider one doesn't imply.

    `keyword` is the JSON Schema keyword, or one of: `removed` (a declared member is declared no
    more), `added` (a declared member of what was closed), `nothing` (the schema `false`),
    `reference`, `size` (too large to compare), `unknown`.
    """

    pointer: str
    keyword: str
    has: Any = None
    wants: Any = None

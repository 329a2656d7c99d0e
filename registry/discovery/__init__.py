"""Finding tools: a full-text index, a space of meanings, and the search over both.

`refresh(tool)` is called in the transaction of each act that changes what a tool's entry says. The
package loads nothing heavy: numpy and the model come when the first search by meaning does.
"""

from registry.discovery.entries import refresh, refresh_all
from registry.discovery.filters import listed, narrowed
from registry.discovery.searching import MODES, Found, Hit, Mode, search

__all__ = [
    "MODES",
    "Found",
    "Hit",
    "Mode",
    "listed",
    "narrowed",
    "refresh",
    "refresh_all",
    "search",
]

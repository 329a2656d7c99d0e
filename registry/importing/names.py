"""Names that the registry can bear, made of names that others gave.

The same set of names always gives the same result, whatever its order; no two share one.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from registry.validation import RESERVED

LONGEST = 64
_HASH = 8


def slug(text: str) -> str:
    """`text` in the registry's letters: `getPetById` is `get_pet_by_id`. Never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    found = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if not found:
        return f"tool_{_digest(text)}"
    return found if found[0].isalpha() else f"tool_{found}"


def fitted(own: Sequence[str], *, prefix: str = "") -> list[str]:
    """A name for each of `own` (which may hold the same one twice), in their order.

    A name that is its own slug keeps it. Where several share a slug or it is too long, the others
    end in a digest of their own name, so that one more name elsewhere changes none of these.
    """
    slugs = [_joined(prefix, slug(name)) for name in own]
    counts = Counter(slugs)
    exact = {each for name, each in zip(own, slugs, strict=True) if _joined(prefix, name) == each}
    taken = {each for each in slugs if counts[each] == 1 or each in exact}
    taken = {each for each in taken if len(each) <= LONGEST and each not in RESERVED}
    given: list[str] = []
    used: set[str] = set()
    for name, each in zip(own, slugs, strict=True):
        is_own = each in taken and (counts[each] == 1 or _joined(prefix, name) == each)
        given.append(_free(each if is_own and each not in used else "", each, name, taken | used))
        used.add(given[-1])
    return given


def _free(wanted: str, base: str, own: str, taken: set[str]) -> str:
    if wanted and len(wanted) <= LONGEST:
        return wanted
    for attempt in range(1_000_000):
        digest = _digest(own if not attempt else f"{own}\0{attempt}")
        name = f"{base[: LONGEST - _HASH - 1].rstrip('_')}_{digest}"
        if name not in taken:
            return name
    raise AssertionError("unreachable: a million digests are taken")


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}{name}" if not prefix or prefix.endswith("_") else f"{prefix}_{name}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


def apart(name: str, own: str, taken: set[str]) -> str:
    """`name` where it is free, else one made of it and `own` that is."""
    return name if name not in taken else _free("", name, own, taken)

"""Encryption at rest: Fernet (https://github.com/fernet/spec) under keys that can be rotated.

The first key of `settings.SECRETS_KEYS` encrypts, and all of them decrypt. Beside each ciphertext
stands the fingerprint of its key, so that what a key still protects can be counted and re-encrypted
batch by batch, and a key that is missing is known before anything is asked for.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models, transaction

KEY_BYTES = 32
BATCH = 200


class KeyFault(Exception):
    """The keys can't be used, or none of them decrypts; the message never holds a key."""


@dataclass(frozen=True)
class Sealed:
    """A ciphertext, and the fingerprint of the key that made it."""

    ciphertext: str
    key: str


@dataclass(frozen=True)
class Kept:
    """A model's columns that hold ciphertexts: what a rotation of keys has to visit."""

    model: str
    ciphertext: str
    key: str

    def rows(self) -> models.QuerySet[Any]:
        """The rows that hold a ciphertext."""
        found: models.QuerySet[Any] = apps.get_model(self.model)._default_manager.all()
        # By the fingerprint, which has an index where few of many rows hold a ciphertext.
        return found.exclude(**{self.key: ""})


_kept: dict[tuple[str, str], Kept] = {}


def keep(model: str, *, ciphertext: str, key: str) -> None:
    """An app says where it keeps ciphertexts; called once, when the app is ready."""
    _kept[model, ciphertext] = Kept(model, ciphertext, key)


def seal(text: str) -> Sealed:
    """Encrypt under the first key. Raises KeyFault."""
    ciphers = _ciphers()
    name, cipher = next(iter(ciphers.items()))
    return Sealed(cipher.encrypt(text.encode()).decode(), name)


def opened(ciphertext: str) -> str:
    """The text behind a ciphertext. Raises KeyFault where no key of the installation made it."""
    try:
        return MultiFernet(list(_ciphers().values())).decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise KeyFault(
            "None of SECRETS_KEYS decrypts this value. Put back the key that it was encrypted with."
        ) from None


def fingerprints() -> tuple[str, ...]:
    """The names of the keys in force, the one that encrypts first. Raises KeyFault."""
    return tuple(_ciphers())


def unknown() -> dict[str, int]:
    """How many values are encrypted under each key that isn't in force, by its fingerprint."""
    found: dict[str, int] = {}
    known = fingerprints()
    for kept in _kept.values():
        rows = kept.rows().exclude(**{f"{kept.key}__in": known}).order_by()
        for name, count in rows.values_list(kept.key).annotate(models.Count("pk")):
            found[name] = found.get(name, 0) + count
    return found


def stale() -> int:
    """How many values aren't encrypted under the first key."""
    first = fingerprints()[0]
    return sum(kept.rows().exclude(**{kept.key: first}).count() for kept in _kept.values())


def rotate(*, batch: int = BATCH, told: Callable[[int], object] = lambda done: None) -> int:
    """Re-encrypt under the first key whatever another one encrypted. Returns how many.

    In batches of `batch`, each a transaction; `told` hears after each how many are done. Ended at
    any point and begun again, it goes on where it was, because it asks for what is left. A value
    that is set anew meanwhile is left as it was set. Raises KeyFault.
    """
    done = 0
    for kept in _kept.values():
        for changed in _batches(kept, batch):
            done += changed
            told(done)
    return done


def _batches(kept: Kept, batch: int) -> Iterator[int]:
    first, after = fingerprints()[0], None
    while True:
        rows = kept.rows().exclude(**{kept.key: first}).order_by("pk")
        rows = rows.filter(pk__gt=after) if after is not None else rows
        found = list(rows.values_list("pk", kept.ciphertext)[:batch])
        if not found:
            return
        with transaction.atomic():
            changed = sum(_again(kept, pk, ciphertext) for pk, ciphertext in found)
        yield changed
        after = found[-1][0]


def _again(kept: Kept, pk: object, ciphertext: str) -> int:
    new = seal(opened(ciphertext))
    row = kept.rows().filter(**{"pk": pk, kept.ciphertext: ciphertext})
    return row.update(**{kept.ciphertext: new.ciphertext, kept.key: new.key})


def _ciphers() -> Mapping[str, Fernet]:
    return _parsed(settings.SECRETS_KEYS)


@lru_cache(maxsize=8)
def _parsed(text: str) -> Mapping[str, Fernet]:
    keys = text.replace(",", " ").split()
    if not keys:
        raise KeyFault("SECRETS_KEYS is empty: nothing can be encrypted.")
    return {_fingerprint(place, key): Fernet(key) for place, key in enumerate(keys, start=1)}


def _fingerprint(place: int, key: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(key)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise KeyFault(f"Key {place} of SECRETS_KEYS isn't 32 bytes as URL-safe base64.")
    return hashlib.sha256(b"gatehouse key" + raw).hexdigest()[:16]

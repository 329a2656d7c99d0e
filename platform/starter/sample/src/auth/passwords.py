"""Password hashing with scrypt (RFC 7914), and what makes a password acceptable."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from auth.errors import WeakPassword

COST = 2**12
BLOCK_SIZE = 8
PARALLELISM = 1
SALT_BYTES = 16

MINIMUM_LENGTH = 10
COMMON = frozenset({"password", "password123", "letmein1234", "qwertyuiop", "1234567890"})


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return ``scrypt$cost$salt$digest``; a random salt is drawn when none is given."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    digest = _derive(password, salt, COST)
    return f"scrypt${COST}${_encode(salt)}${_encode(digest)}"


def verify_password(password: str, stored: str) -> bool:
    """Compare in constant time. A record that can't be read never matches."""
    try:
        scheme, cost, salt, digest = stored.split("$")
        expected = base64.b64decode(digest)
        actual = _derive(password, base64.b64decode(salt), int(cost))
    except ValueError:
        return False
    return scheme == "scrypt" and hmac.compare_digest(actual, expected)


def needs_rehash(stored: str) -> bool:
    """Tell whether the record was made with a lower cost than today's."""
    parts = stored.split("$")
    return len(parts) != 4 or parts[0] != "scrypt" or int(parts[1]) < COST


def check_strength(password: str, name: str = "") -> None:
    """Raise WeakPassword with the first reason found."""
    if len(password) < MINIMUM_LENGTH:
        raise WeakPassword(f"use at least {MINIMUM_LENGTH} characters")
    if password.lower() in COMMON:
        raise WeakPassword("this password is among the most common ones")
    if name and name.lower() in password.lower():
        raise WeakPassword("the password contains the user's name")
    if len(set(password)) < 5:
        raise WeakPassword("use more different characters")


def _derive(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=BLOCK_SIZE, p=PARALLELISM, dklen=32
    )


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")

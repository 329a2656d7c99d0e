"""Canonical JSON (RFC 8785) and the SHA-256 digests that are made of it."""

import hashlib
from decimal import Decimal
from typing import Any

import rfc8785


def encode(value: Any) -> bytes:
    """Canonical JSON bytes. Integers beyond 2**53 and Decimals travel as strings, as RFC 8785
    section 3.2.2.3 advises for what IEEE 754 can't hold."""
    return rfc8785.dumps(_plain(value))


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of the value, in hex."""
    return hashlib.sha256(encode(value)).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, Decimal):
        return str(value)
    return str(value)

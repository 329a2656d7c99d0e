"""Identifiers: UUIDv7 (RFC 9562), sortable by creation time, though never by commit."""

from datetime import datetime
from uuid import UUID

import uuid_utils.compat


def uuid7() -> UUID:
    """A new UUIDv7 as the standard library's UUID."""
    return UUID(int=uuid_utils.compat.uuid7().int)


def earliest(at: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: rows made since then have ids of at least this."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=(milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | 0x2 << 62)

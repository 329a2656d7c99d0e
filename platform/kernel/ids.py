"""Identifiers: UUIDv7 (RFC 9562), sortable by creation time, though never by commit."""

from uuid import UUID

import uuid_utils.compat


def uuid7() -> UUID:
    """A new UUIDv7 as the standard library's UUID."""
    return UUID(int=uuid_utils.compat.uuid7().int)

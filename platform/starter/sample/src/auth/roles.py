"""Roles and what each may do. A role includes what the roles below it may do."""

from __future__ import annotations

from collections.abc import Iterable

from auth.errors import PermissionDenied
from auth.users import User

PERMISSIONS: dict[str, frozenset[str]] = {
    "reader": frozenset({"article.read"}),
    "editor": frozenset({"article.write", "article.publish"}),
    "admin": frozenset({"user.read", "user.write"}),
}

INCLUDES: dict[str, tuple[str, ...]] = {
    "editor": ("reader",),
    "admin": ("editor",),
}


def expand(roles: Iterable[str]) -> frozenset[str]:
    """All roles that the given ones include, themselves among them."""
    found: set[str] = set()
    pending = list(roles)
    while pending:
        role = pending.pop()
        if role not in found:
            found.add(role)
            pending.extend(INCLUDES.get(role, ()))
    return frozenset(found)


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    granted: set[str] = set()
    for role in expand(roles):
        granted |= PERMISSIONS.get(role, frozenset())
    return frozenset(granted)


def require(user: User, permission: str) -> None:
    """Raise PermissionDenied unless one of the user's roles grants the permission."""
    if not user.active or permission not in permissions_of(user.roles):
        raise PermissionDenied(f"{user.name} lacks {permission}")

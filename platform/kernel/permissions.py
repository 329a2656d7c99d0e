"""Who may knock at all."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from kernel.actor import actor_of


class IsKnown(BasePermission):
    """Anybody who is signed in or holds a live key; what they see is `visible_to`'s question."""

    message = "Send a key as `Authorization: Bearer <key>`, or sign in."

    def has_permission(self, request: Request, view: Any) -> bool:
        return not actor_of(request).is_anonymous

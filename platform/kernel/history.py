"""The history of definitions: each state that was saved, and which person saved it."""

from typing import Any

from django.contrib.auth import get_user_model
from simple_history.models import HistoricalRecords


def person(request: Any = None, **_: Any) -> Any:
    """The person behind a request. An agent's request has none: the audit log names the agent."""
    user = getattr(request, "user", None)
    return user if isinstance(user, get_user_model()) else None


class History(HistoricalRecords):  # type: ignore[misc]
    """django-simple-history's records, written also where an agent's request saves."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"get_user": person} | options))

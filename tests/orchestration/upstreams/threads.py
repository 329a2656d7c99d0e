"""Threads of tests, which leave no connection behind."""

from collections.abc import Callable
from typing import Any

from django.db import connections


def closing(act: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return act(*args, **named)
    finally:
        connections.close_all()

"""Leases of the calls that this process executes, renewed by one thread for all of them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import close_old_connections, connection
from kernel import clock

from orchestration.models import ToolCall
from orchestration.models.calls import LIVE

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
EVERY = 5.0


class Renewer:
    """The calls under way in this process, and the thread that renews their leases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[UUID, UUID] = {}
        self._thread: threading.Thread | None = None

    def add(self, call_id: UUID, token: UUID) -> None:
        with self._lock:
            self._tokens[call_id] = token
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="call-leases", daemon=True)
                self._thread.start()

    def remove(self, call_id: UUID) -> None:
        with self._lock:
            self._tokens.pop(call_id, None)

    def tokens(self) -> list[UUID]:
        with self._lock:
            return list(self._tokens.values())

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(EVERY):
            tokens = self.tokens()
            if not tokens:
                continue
            try:
                renew(tokens)
            except Exception as error:  # noqa: BLE001 - recorded; the next round tries again
                log.warning("calls.renewal_failed", calls=len(tokens), error=str(error))
            finally:
                # The thread sleeps most of its life: it holds no connection meanwhile.
                connection.close()
                close_old_connections()


def renew(tokens: list[UUID]) -> int:
    """Put off the end of these leases: one statement for all. Returns how many still held."""
    rows = ToolCall.objects.filter(token__in=tokens, status__in=LIVE)
    return rows.update(lease_until=clock.now() + LEASE)


_renewer = Renewer()


def _fresh() -> None:
    global _renewer
    _renewer = Renewer()


os.register_at_fork(after_in_child=_fresh)


@contextmanager
def renewed(call_id: UUID, token: UUID) -> Iterator[None]:
    """While inside, the call's lease doesn't run out."""
    _renewer.add(call_id, token)
    try:
        yield
    finally:
        _renewer.remove(call_id)

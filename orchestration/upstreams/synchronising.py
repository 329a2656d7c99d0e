"""Synchronising: fetch what a server offers, compare it with what was approved, record both."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q
from kernel import acts, clock, outbox
from kernel.actor import Actor
from kernel.problems import Forbidden, Unavailable

from orchestration.upstreams import endpoints, limits, pool
from orchestration.upstreams.faults import UpstreamFault
from registry import drift
from registry.drift import Observation
from registry.models import UpstreamServer

log = structlog.get_logger(__name__)

TOPIC = "upstream.sync"
AT_ONCE = 50
SYNC_SECONDS = limits.LIST_SECONDS + limits.OPEN_SECONDS


@dataclass(frozen=True)
class Report:
    """What a server answered; with `error` it didn't."""

    server: str
    error: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    observation: Observation = field(default_factory=Observation)

    def as_json(self) -> dict[str, Any]:
        found = {"server": self.server, "error": self.error, "info": self.info}
        return found | self.observation.as_json()


def list_tools(server: UpstreamServer | str) -> list[dict[str, Any]]:
    """The definitions that a saved server lists now, as `{name, title?, description?, inputSchema,
    outputSchema?, annotations?}`. What was seen is on record. Raises kernel.problems.Unavailable.
    """
    row = server if isinstance(server, UpstreamServer) else UpstreamServer.objects.get(name=server)
    try:
        found, info = _fetched(row)
    except UpstreamFault as error:
        _note(row, error=str(error), info={})
        raise Unavailable(str(error)) from error
    drift.observe(row, found)
    _note(row, error="", info=info)
    return found


def _fetched(server: UpstreamServer) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    endpoint = endpoints.of(server)
    if endpoint.packages:
        # In this thread, which may wait: what is installed once is there for every session.
        endpoints.job(endpoint)
    try:
        found, info = pool.listed(endpoint, seconds=SYNC_SECONDS)
    except UpstreamFault as error:
        raise UpstreamFault(endpoint.secrets.scrub(str(error)), reason=error.reason) from None
    return endpoint.secrets.scrub(found), endpoint.secrets.scrub(info)


def test(server: UpstreamServer, *, by: Actor) -> Report:
    """Open a session and list the tools, without comparing anything. Only a *saved* server is ever
    run, only by the platform team, and always in the sandbox. Raises Forbidden."""
    _only_platform(by)
    acts.record("upstream.tested", **_target(server))
    try:
        found, info = _fetched(server)
    except UpstreamFault as error:
        return Report(server.name, error=str(error))
    return Report(server.name, info=info, observation=Observation(tools=len(found)))


def sync(server: UpstreamServer, *, by: Actor) -> Report:
    """Fetch and compare: what drifted is quarantined. Raises Forbidden.

    No transaction is open while the server is asked.
    """
    _only_platform(by)
    try:
        found, info = _fetched(server)
    except UpstreamFault as error:
        _note(server, error=str(error), info={})
        log.warning("upstream.sync_failed", server=server.name, reason=error.reason)
        return Report(server.name, error=str(error))
    seen = drift.observe(server, found)
    _note(server, error="", info=info)
    return Report(server.name, info=info, observation=seen)


def _only_platform(by: Actor) -> None:
    if not by.is_platform:
        raise Forbidden("Only the platform team starts and asks upstream servers.")


def _note(server: UpstreamServer, *, error: str, info: dict[str, Any]) -> None:
    """What came of it: no edit of the definition, so no history."""
    values: dict[str, Any] = {"synced_at": clock.now(), "sync_error": error[:4_000]}
    rows = UpstreamServer.objects.filter(id=server.id)
    rows.update(**(values | ({"server_info": info} if info else {})))


def _target(server: UpstreamServer) -> dict[str, Any]:
    return {
        "target_kind": "upstreamserver",
        "target_id": server.id,
        "target_name": server.name,
        "team_id": server.team_id,
    }


def queue_due() -> int:
    """The timer's duty: ask a worker to synchronise each server whose time has come. It waits for
    none of them, so that a slow one delays no other duty. Returns how many were asked for."""
    now = clock.now()
    rows = UpstreamServer.objects.filter(is_active=True, sync_seconds__gt=0)
    due = [
        server
        for server in rows.order_by(F("synced_at").asc(nulls_first=True))[: AT_ONCE * 10]
        if server.synced_at is None
        or server.synced_at + timedelta(seconds=server.sync_seconds) <= now
    ][:AT_ONCE]
    for server in due:
        with transaction.atomic():
            same = Q(synced_at=server.synced_at)
            # Its time counts from now, also when the worker never comes back.
            if UpstreamServer.objects.filter(same, id=server.id).update(synced_at=now):
                outbox.put(TOPIC, server.id)
    return len(due)


def deliver(server_id: UUID) -> None:
    """The receiver of `upstream.sync`."""
    from_row = UpstreamServer.objects.select_related("team").filter(id=server_id, is_active=True)
    server = from_row.first()
    if server is not None:
        sync(server, by=_timer())


def _timer() -> Actor:
    return Actor(kind="system", id=None, name="timer")

"""Writing the audit log: one line per act, in the act's own transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from kernel import actor as actors
from kernel import clock, prepared

from governance.events import EVENTS
from governance.facts import plain
from governance.models import AuditEvent

MAX_SEEN = 10_000
_LINES = prepared.Insert(AuditEvent)


class UnknownEvent(LookupError):
    """An event that the table doesn't name: a spelling mistake, or one that is missing there."""


def record(
    event: str,
    *,
    target_kind: str = "",
    target_id: str | UUID = "",
    target_name: str = "",
    team_id: UUID | None = None,
    **data: Any,
) -> AuditEvent:
    """Write one line: the current actor did `event` to the target. Raises UnknownEvent.

    Call it in the transaction of the change, so that both stand or fall together.
    """
    if event not in EVENTS:
        raise UnknownEvent(f"{event!r} is no audit event; add it to governance.events")
    actor = actors.current()
    line = AuditEvent(
        at=clock.now(),
        event=event,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=_cut(actor.name, 200),
        on_behalf_of=_cut(actor.on_behalf_of, 200),
        target_kind=target_kind,
        target_id=_cut(str(target_id), 64),
        target_name=_cut(target_name, 300),
        team_id=team_id,
        data=_storable(data),
    )
    _LINES.run(line)
    return line


@dataclass
class _Seen:
    until: datetime
    suppressed: int = 0


_seen: dict[tuple[str, str], _Seen] = {}


def record_seldom(
    event: str, *, key: str, every: timedelta = timedelta(minutes=1), **fields: Any
) -> AuditEvent | None:
    """Like `record`, but at most once per `every` and key in this process: for what a stranger can
    repeat at will. The next line tells how many were left out, as `suppressed`."""
    now = clock.now()
    seen = _seen.get((event, key))
    if seen is not None and now < seen.until:
        seen.suppressed += 1
        return None
    if len(_seen) >= MAX_SEEN:
        _seen.clear()
    _seen[event, key] = _Seen(now + every)
    if seen is not None and seen.suppressed:
        fields["suppressed"] = seen.suppressed
    return record(event, **fields)


def _cut(text: str, length: int) -> str:
    return _storable(text)[:length]  # type: ignore[no-any-return]


def _storable(value: Any) -> Any:
    """Plain JSON without NUL, which PostgreSQL can't keep, and without NaN, which JSON can't."""
    if isinstance(value, str):
        return value.replace("\x00", "�").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, dict):
        return {_storable(str(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return plain(value)

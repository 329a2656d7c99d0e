"""Who acts. Set once per request or task, stored with every audit event."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

Kind = Literal["user", "agent", "system", "anonymous"]

PLATFORM = "platform"
REVIEWER = "reviewer"
AUDITOR = "auditor"
MEMBER = "member"


@dataclass(frozen=True)
class Actor:
    """Somebody or something that acts: a person, an agent, or the platform itself.

    `teams` are the ids of the teams that it belongs to; `roles` are the platform-wide roles.
    """

    kind: Kind
    id: UUID | None
    name: str
    teams: frozenset[UUID] = field(default_factory=frozenset)
    roles: frozenset[str] = field(default_factory=frozenset)
    on_behalf_of: str = ""

    @property
    def is_platform(self) -> bool:
        return self.kind == "system" or PLATFORM in self.roles

    @property
    def is_auditor(self) -> bool:
        return AUDITOR in self.roles

    @property
    def is_anonymous(self) -> bool:
        return self.kind == "anonymous"

    @property
    def reference(self) -> str:
        """`kind:name`, for people to read."""
        return f"{self.kind}:{self.name}"


ANONYMOUS = Actor(kind="anonymous", id=None, name="anonymous")
SYSTEM = Actor(kind="system", id=None, name="gatehouse")

_current: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def current() -> Actor:
    """The actor of this request or task; the platform itself where nobody was set."""
    return _current.get()


@contextmanager
def acting(actor: Actor) -> Iterator[Actor]:
    """Everything inside is done by `actor`."""
    token = _current.set(actor)
    try:
        yield actor
    finally:
        _current.reset(token)


def actor_of(request: Any) -> Actor:
    """The actor behind a Django or DRF request."""
    found: Actor = getattr(request.user, "actor", ANONYMOUS)
    return found

"""Keys of agents: `gh_<prefix>_<secret>`, shown once, kept as a keyed digest (HMAC-SHA256)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from kernel import actor as actors
from kernel import acts, clock, prepared
from kernel.prepared import slot

from registry.models import Agent, Credential

MARK = "gh"
LAST_USED_GRAIN = timedelta(minutes=1)
# Asked by every request of an agent, and the first of them: it brings the clock along.
_BY_PREFIX = prepared.Select(
    lambda: (
        Credential.objects.select_related("agent__team", "for_team")
        .annotate(read_at=clock.DatabaseClock())
        .filter(prefix=slot(Credential, "prefix"))
    )
)


@dataclass(frozen=True)
class NewKey:
    """A key at the one moment when its text is known."""

    credential: Credential
    text: str


def issue(
    agent: Agent,
    *,
    label: str = "",
    expires_at: datetime | None = None,
    scopes: list[str] | None = None,
    task_id: UUID | None = None,
    for_team_id: UUID | None = None,
) -> NewKey:
    """A new key for the agent. The text can't be had again."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    text = f"{MARK}_{prefix}_{secret}"
    with transaction.atomic():
        credential = Credential.objects.create(
            agent=agent,
            label=label,
            prefix=prefix,
            digest=digest(text),
            scopes=scopes or [],
            task_id=task_id,
            for_team_id=for_team_id,
            expires_at=expires_at,
            created_by=actors.current().reference,
        )
        _tell("credential.issued", credential)
    return NewKey(credential, text)


def _tell(event: str, credential: Credential) -> None:
    acts.record(
        event,
        target_kind="agent",
        target_id=credential.agent_id,
        target_name=credential.agent.name,
        team_id=credential.agent.team_id,
        prefix=credential.prefix,
        label=credential.label,
        task=str(credential.task_id) if credential.task_id else None,
    )


def digest(text: str) -> str:
    """HMAC-SHA256 of the text under the installation's credential key, in hex."""
    return hmac.new(settings.CREDENTIAL_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def find(text: str) -> Credential | None:
    """The live credential that this text is the key of. Whether a key is unknown, wrong, expired or
    revoked can't be told apart by the caller."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != MARK or not text.isascii():
        return None
    credential = _BY_PREFIX.first(prefix=parts[1])
    if credential is not None:
        clock.heard(credential.read_at)
    if credential is None or not hmac.compare_digest(credential.digest, digest(text)):
        return None
    return credential if is_live(credential, clock.now()) else None


def is_live(credential: Credential, at: datetime) -> bool:
    if credential.revoked_at is not None and credential.revoked_at <= at:
        return False
    return credential.expires_at is None or credential.expires_at > at


def touch(credential: Credential) -> None:
    """Note the use, at most once a minute: a hot key must not become a hot row."""
    now = clock.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USED_GRAIN)
    if credential.last_used_at is None or credential.last_used_at < now - LAST_USED_GRAIN:
        Credential.objects.filter(stale, id=credential.id).update(last_used_at=now)


def revoke(credential: Credential) -> bool:
    """End the key now. Returns False when it had ended already."""
    live = Credential.objects.filter(id=credential.id, revoked_at__isnull=True)
    with transaction.atomic():
        ended = bool(live.update(revoked_at=clock.now()))
        if ended:
            _tell("credential.revoked", credential)
    return ended


def revoke_for_task(task_id: UUID) -> int:
    """End the short-lived keys of a task. Returns how many there were."""
    live = Credential.objects.filter(task_id=task_id, revoked_at__isnull=True)
    return sum(revoke(credential) for credential in live.select_related("agent"))

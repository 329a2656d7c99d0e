"""Secrets: set, granted to a tool, and loaded for one call. Values never leave by another way.

A tool's configuration names a secret as `${secret:NAME}`. What an argument says is never filled.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch, QuerySet
from kernel import acts, ciphers, clock
from kernel.actor import Actor
from kernel.problems import Conflict, Forbidden, Invalid, Issue
from kernel.visibility import CHANGE

from registry.models import Secret, SecretGrant, SecretValue, Tool

PLACEHOLDER = re.compile(r"\$\{secret:([^{}]*)\}")
NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"
LEAST, MOST = 8, 64 * 1024


class NotGranted(Exception):
    """Secrets that a tool names and can't be given, each with the reason; no values."""

    def __init__(self, tool: str, missing: Mapping[str, str]) -> None:
        told = "; ".join(f"secret {name!r} {why}" for name, why in sorted(missing.items()))
        super().__init__(f"Tool {tool} can't be given what its configuration names: {told}.")
        self.missing = dict(missing)


def names(value: Any) -> frozenset[str]:
    """The names in all placeholders of a document's texts."""
    return frozenset(_names(value))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "${secret:" in value:
            yield from PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)


def is_name(text: str) -> bool:
    """Whether a secret may bear it."""
    return re.fullmatch(NAME, text) is not None


def put(secret: Secret, text: str, *, by: Actor) -> None:
    """Set the value; the one before is gone. Raises Invalid, Forbidden and ciphers.KeyFault."""
    _may_change(secret, by)
    told = fault(text)
    if told:
        raise Invalid(f"Secret {secret.name!r} isn't set: {told}.", errors=(Issue("/value", told),))
    sealed = ciphers.seal(text)
    with transaction.atomic():
        secret.set_at, secret.set_by = clock.now(), by.reference
        secret.save(update_fields=["set_at", "set_by"])
        SecretValue.objects.update_or_create(
            secret=secret, defaults={"ciphertext": sealed.ciphertext, "key": sealed.key}
        )


def fault(text: str) -> str:
    """What keeps a value from being a secret's; empty when nothing does."""
    # A short value can't be told apart from ordinary text, so no answer could be kept free of it.
    if len(text) < LEAST:
        return f"a secret has at least {LEAST} characters"
    if len(text.encode("utf-8", errors="replace")) > MOST:
        return f"a secret has at most {MOST} bytes"
    if "\0" in text or PLACEHOLDER.search(text):
        return "a secret holds neither NUL nor a placeholder"
    return ""


def give(secret: Secret, tool: Tool, *, by: Actor, reason: str) -> SecretGrant:
    """Let the tool be given the secret, in every version of it.

    Who may change the secret gives it to tools of the same team; to another team's tool, which
    could send it anywhere, only the platform team. Raises Invalid, Forbidden and Conflict.
    """
    check(secret, tool, by=by)
    if not reason.strip():
        raise Invalid(f"{secret} isn't given to {tool}.", errors=(Issue("/reason", "say why"),))
    grant = SecretGrant(
        secret=secret,
        tool=tool,
        tool_team_id=tool.team_id,
        reason=reason.strip()[:500],
        granted_by=by.reference,
    )
    try:
        with transaction.atomic():
            grant.save()
    except IntegrityError as error:
        raise Conflict(f"Tool {tool} may be given {secret} already.") from error
    return grant


def check(secret: Secret, tool: Tool, *, by: Actor) -> None:
    """Whether `by` may give the secret to the tool. Raises Forbidden and Conflict."""
    _may_change(secret, by)
    if tool.team_id != secret.team_id and not by.is_platform:
        raise Forbidden(
            f"Tool {tool} belongs to team {tool.team}, and secret {secret} to {secret.team}. "
            "Ask the platform team to give it."
        )
    if SecretGrant.objects.filter(secret=secret, tool=tool, revoked_at=None).exists():
        raise Conflict(f"Tool {tool} may be given {secret} already.")


def revoke(grant: SecretGrant, *, by: Actor) -> bool:
    """End the grant now. Returns False when somebody had revoked it already. Raises Forbidden."""
    _may_change(grant.secret, by)
    with transaction.atomic():
        found = SecretGrant.objects.select_for_update().filter(id=grant.id, revoked_at=None).first()
        if found is None:
            return False
        found.revoked_at = clock.now()
        found._change_reason = f"revoked by {by.reference}"
        found.save()
    grant.revoked_at = found.revoked_at
    return True


def live(tool: Tool | UUID) -> QuerySet[SecretGrant]:
    """The grants by which the tool may be given secrets now."""
    tool_id = tool.id if isinstance(tool, Tool) else tool
    return SecretGrant.objects.filter(
        tool_id=tool_id, revoked_at=None, tool_team_id=F("tool__team_id")
    )


def load(tool: Tool, wanted: frozenset[str]) -> dict[str, str]:
    """The values of the named secrets, by name; all of them or none. Raises NotGranted."""
    rows = live(tool).filter(secret__name__in=wanted)
    found = dict(rows.values_list("secret__name", "secret__value__ciphertext"))
    missing = {name: why for name in wanted if (why := _why_not(name, found))}
    values = {}
    for name, ciphertext in found.items():
        try:
            values[name] = ciphers.opened(ciphertext or "")
        except ciphers.KeyFault:
            missing.setdefault(name, "can't be decrypted with the keys of this installation")
    if missing:
        raise NotGranted(tool.name, missing)
    return values


def _why_not(name: str, found: Mapping[str, str | None]) -> str:
    # Whether there is such a secret in another team isn't told.
    if name not in found:
        return "isn't granted to it (grant it on the secret's page in the admin)"
    return "" if found[name] else f"has no value yet (manage.py secrets set {name})"


def ungranted(tool: Tool, config: Any) -> tuple[str, ...]:
    """Which of the secrets that a configuration names the tool can't be given as things stand."""
    wanted = names(config)
    if not wanted:
        return ()
    ready = live(tool).filter(secret__name__in=wanted, secret__value__isnull=False)
    return tuple(sorted(wanted - set(ready.values_list("secret__name", flat=True))))


def _may_change(secret: Secret, by: Actor) -> None:
    if not Secret.objects.visible_to(by, CHANGE).filter(id=secret.id).exists():
        raise Forbidden(f"Secret {secret.name} belongs to team {secret.team}.")


def tell_rotated(count: int, key: str) -> None:
    """Record that values were re-encrypted, and under which key."""
    acts.record("secret.rotated", target_kind="secret", target_name=key, team_id=None, count=count)


def listed(rows: QuerySet[Secret]) -> QuerySet[Secret]:
    """The rows with what `shown` reads."""
    grants = SecretGrant.objects.filter(revoked_at=None).select_related("tool")
    return rows.select_related("team").prefetch_related(Prefetch("grants", grants))


def shown(secret: Secret) -> dict[str, Any]:
    """A secret as JSON: whether it is set and who may be given it. There is no value in it."""
    return {
        "name": secret.name,
        "team": secret.team.name,
        "description": secret.description,
        "set_at": secret.set_at.isoformat() if secret.set_at else None,
        "set_by": secret.set_by,
        "granted_to": [
            {
                "tool": grant.tool.name,
                "reason": grant.reason,
                "granted_by": grant.granted_by,
                "since": grant.created_at.isoformat(),
            }
            for grant in secret.grants.all()
        ],
    }

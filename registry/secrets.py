"""Secrets: set, granted to a tool or a server, and loaded for one call. Values never leave by
another way.

The configuration of a tool or an upstream server names a secret as `${secret:NAME}`. What an
argument says is never filled.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch, Q, QuerySet
from kernel import acts, ciphers, clock
from kernel.actor import Actor
from kernel.problems import Conflict, Forbidden, Invalid, Issue
from kernel.visibility import CHANGE

from registry.models import Secret, SecretGrant, SecretValue, Tool, UpstreamServer

Holder = Tool | UpstreamServer
PLACEHOLDER = re.compile(r"\$\{secret:([^{}]*)\}")
NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"
LEAST, MOST = 8, 64 * 1024


class NotGranted(Exception):
    """Secrets that a tool or server names and can't be given, each with the reason; no values."""

    def __init__(self, holder: Holder, missing: Mapping[str, str]) -> None:
        told = "; ".join(f"secret {name!r} {why}" for name, why in sorted(missing.items()))
        noun = _noun(holder).capitalize()
        super().__init__(f"{noun} {holder} can't be given what its configuration names: {told}.")
        self.missing = dict(missing)


def _noun(holder: Holder) -> str:
    return "server" if isinstance(holder, UpstreamServer) else "tool"


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


def give(secret: Secret, holder: Holder, *, by: Actor, reason: str) -> SecretGrant:
    """Let the tool be given the secret, in every version of it; or the server, for its list of
    tools and for every tool on it.

    Who may change the secret gives it to tools and servers of the same team; to another team's,
    which could send it anywhere, only the platform team. Raises Invalid, Forbidden and Conflict.
    """
    check(secret, holder, by=by)
    if not reason.strip():
        raise Invalid(f"{secret} isn't given to {holder}.", errors=(Issue("/reason", "say why"),))
    grant = SecretGrant(secret=secret, reason=reason.strip()[:500])
    hand(grant, holder, by=by)
    try:
        with transaction.atomic():
            grant.save()
    except IntegrityError as error:
        raise _given(secret, holder) from error
    return grant


def hand(grant: SecretGrant, holder: Holder, *, by: Actor) -> None:
    """Write into an unsaved grant who holds it, as the holder is now, and who gave it."""
    if isinstance(holder, UpstreamServer):
        grant.server, grant.is_for_all = holder, holder.is_shared
    else:
        grant.tool = holder
    grant.holder_team_id, grant.granted_by = holder.team_id, by.reference


def check(secret: Secret, holder: Holder, *, by: Actor) -> None:
    """Whether `by` may give the secret to the tool or server. Raises Forbidden and Conflict.

    A grant that ended with the holder's team or with its being one team's alone is in the way of
    another until it is revoked: so that it is seen."""
    _may_change(secret, by)
    if holder.team_id != secret.team_id and not by.is_platform:
        raise Forbidden(
            f"{_noun(holder).capitalize()} {holder} belongs to team {holder.team}, and secret "
            f"{secret} to {secret.team}. Ask the platform team to give it."
        )
    if SecretGrant.objects.filter(_of(holder), secret=secret, revoked_at=None).exists():
        raise _given(secret, holder)


def _given(secret: Secret, holder: Holder) -> Conflict:
    told = f"{_noun(holder).capitalize()} {holder} may be given {secret} already"
    return Conflict(f"{told}. If it can't, revoke that grant first: its holder changed since.")


def _of(holder: Holder) -> Q:
    return Q(server=holder) if isinstance(holder, UpstreamServer) else Q(tool=holder)


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


def live(*holders: Holder) -> QuerySet[SecretGrant]:
    """The grants by which one of the holders may be given secrets now."""
    servers = [each for each in holders if isinstance(each, UpstreamServer)]
    tools = [each for each in holders if isinstance(each, Tool)]
    of_tool = Q(tool__in=tools, holder_team_id=F("tool__team_id"))
    of_server = Q(server__in=servers, holder_team_id=F("server__team_id"))
    of_server &= Q(is_for_all=True) | Q(server__is_shared=False)
    return SecretGrant.objects.filter(of_tool | of_server, revoked_at=None)


def load(holder: Holder, wanted: frozenset[str], *, caller: Tool | None = None) -> dict[str, str]:
    """The values of the named secrets, by name; all of them or none. Of what a server names, the
    tool that is called on it (`caller`) may hold some itself. Raises NotGranted."""
    holders = (holder, caller) if caller else (holder,)
    rows = live(*holders).filter(secret__name__in=wanted)
    found = dict(rows.values_list("secret__name", "secret__value__ciphertext"))
    missing = {name: why for name in wanted if (why := _why_not(name, found))}
    values = {}
    for name, ciphertext in found.items():
        try:
            values[name] = ciphers.opened(ciphertext or "")
        except ciphers.KeyFault:
            missing.setdefault(name, "can't be decrypted with the keys of this installation")
    if missing:
        raise NotGranted(holder, missing)
    return values


def _why_not(name: str, found: Mapping[str, str | None]) -> str:
    # Whether there is such a secret in another team isn't told.
    if name not in found:
        return "isn't granted to it (grant it on the secret's page in the admin)"
    return "" if found[name] else f"has no value yet (manage.py secrets set {name})"


def ungranted(holder: Holder, config: Any) -> tuple[str, ...]:
    """Which of the secrets that a configuration names its holder can't be given as things stand."""
    wanted = names(config)
    if not wanted:
        return ()
    ready = live(holder).filter(secret__name__in=wanted, secret__value__isnull=False)
    return tuple(sorted(wanted - set(ready.values_list("secret__name", flat=True))))


def _may_change(secret: Secret, by: Actor) -> None:
    if not Secret.objects.visible_to(by, CHANGE).filter(id=secret.id).exists():
        raise Forbidden(f"Secret {secret.name} belongs to team {secret.team}.")


def tell_rotated(count: int, key: str) -> None:
    """Record that values were re-encrypted, and under which key."""
    acts.record("secret.rotated", target_kind="secret", target_name=key, team_id=None, count=count)


def listed(rows: QuerySet[Secret]) -> QuerySet[Secret]:
    """The rows with what `shown` reads."""
    grants = SecretGrant.objects.filter(revoked_at=None).select_related("tool", "server")
    return rows.select_related("team").prefetch_related(Prefetch("grants", grants))


def shown(secret: Secret) -> dict[str, Any]:
    """A secret as JSON: whether it is set and who may be given it. There is no value in it."""
    return {
        "name": secret.name,
        "team": secret.team.name,
        "description": secret.description,
        "set_at": secret.set_at.isoformat() if secret.set_at else None,
        "set_by": secret.set_by,
        "granted_to": [shown_grant(grant) for grant in secret.grants.all()],
    }


def shown_grant(grant: SecretGrant) -> dict[str, Any]:
    """A grant as JSON: who holds it, as `tool` or as `server`, and why."""
    return {
        "id": str(grant.id),
        _noun(grant.holder): grant.holder.name,
        "reason": grant.reason,
        "granted_by": grant.granted_by,
        "since": grant.created_at.isoformat(),
    }

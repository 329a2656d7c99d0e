"""What the platform's other acts tell the audit log: changed definitions, sign-ins, memberships,
object permissions. There are no other signal receivers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth import signals as auth
from django.contrib.auth.models import Group
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save
from guardian.models import GroupObjectPermission, UserObjectPermission
from kernel import actor as actors
from kernel.actor import Actor
from simple_history.signals import post_create_historical_record

from governance import audit
from governance.events import EVENTS
from registry.models import Team, User

_VERBS = {"+": "created", "~": "changed", "-": "deleted"}

# Where the log has a better word than created or changed: (noun, verb, field) to event.
_WORDS = {
    ("grant", "created", ""): "grant.given",
    ("grant", "changed", "revoked_at"): "grant.revoked",
    ("secret", "changed", "set_at"): "secret.set",
    ("secretgrant", "created", ""): "secret.granted",
    ("secretgrant", "changed", "revoked_at"): "secret.revoked",
}


def connect() -> None:
    """Listen. Called once, when the app is ready."""
    post_create_historical_record.connect(on_history, dispatch_uid="governance.history")
    auth.user_logged_in.connect(on_signed_in, dispatch_uid="governance.signed_in")
    auth.user_logged_out.connect(on_signed_out, dispatch_uid="governance.signed_out")
    auth.user_login_failed.connect(on_sign_in_failed, dispatch_uid="governance.sign_in_failed")
    m2m_changed.connect(
        on_membership, sender=User.groups.through, dispatch_uid="governance.membership"
    )
    for model in (UserObjectPermission, GroupObjectPermission):
        uid = f"governance.{model.__name__}"
        post_save.connect(on_permission_given, sender=model, dispatch_uid=f"{uid}.given")
        post_delete.connect(on_permission_taken, sender=model, dispatch_uid=f"{uid}.taken")


def on_history(
    instance: Any, history_instance: Any, changed: Sequence[str] | None = None, **kwargs: Any
) -> None:
    """A definition was written: one line with the names of the fields that changed, not their
    values, which may be secret and stand in the history. `changed` are those, where who wrote it
    knows them."""
    noun = instance._meta.model_name
    verb = _VERBS[history_instance.history_type]
    found = _changed(history_instance, changed) if verb == "changed" else []
    if verb == "changed" and not found:
        return
    audit.record(
        _event(noun, verb, found),
        target_kind=noun,
        target_id=instance.pk,
        target_name=str(instance),
        team_id=_team_id(instance),
        **({"changed": found} if found else {}),
        history=history_instance.history_id,
    )


def _event(noun: str, verb: str, changed: list[str]) -> str:
    for field in (*changed, ""):
        if (noun, verb, field) in _WORDS:
            return _WORDS[noun, verb, field]
    event = f"{noun}.{verb}"
    return event if event in EVENTS else f"history.{verb}"


def _changed(history_instance: Any, known: Sequence[str] | None) -> list[str]:
    if known is not None:
        return sorted(known)
    before = history_instance.prev_record
    if before is None:
        return []
    delta = history_instance.diff_against(before, foreign_keys_are_objs=False)
    return sorted(delta.changed_fields)


def _team_id(instance: Model) -> Any:
    if isinstance(instance, Team):
        return instance.pk
    found = getattr(instance, "team_id", None)
    if found is None and hasattr(instance, "agent_id") and instance.agent_id:
        found = instance.agent.team_id  # type: ignore[attr-defined]
    return found


def on_signed_in(user: User, **kwargs: Any) -> None:
    with actors.acting(user.actor):
        audit.record("signin.succeeded", **_person(user))


def on_signed_out(user: User | None, **kwargs: Any) -> None:
    if user is not None:
        with actors.acting(user.actor):
            audit.record("signin.ended", **_person(user))


def on_sign_in_failed(credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
    """Who tried is a stranger, so the line says which name was claimed, and how often at most."""
    name = str(credentials.get("username", ""))[:150]
    address = request.META.get("REMOTE_ADDR", "") if request is not None else ""
    with actors.acting(Actor(kind="anonymous", id=None, name="anonymous")):
        audit.record_seldom(
            "signin.failed",
            key=f"{name}|{address}",
            every=timedelta(seconds=10),
            target_kind="user",
            target_name=name,
            address=address,
        )


def _person(user: User) -> dict[str, Any]:
    return {"target_kind": "user", "target_id": user.pk, "target_name": user.username}


def on_membership(
    instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **kwargs: Any
) -> None:
    """People joined or left teams; told from either side of the relation."""
    if action == "pre_clear":
        # Afterwards nobody knows what there was.
        rows = instance.user_set if reverse else instance.groups
        pk_set, action = set(rows.values_list("pk", flat=True)), "post_remove"
    if action not in ("post_add", "post_remove") or not pk_set:
        return
    verb = "added" if action == "post_add" else "removed"
    if reverse:
        for user in User.objects.filter(pk__in=pk_set):
            _record_membership(user, [instance], verb)
    else:
        _record_membership(instance, list(Group.objects.filter(pk__in=pk_set)), verb)


def _record_membership(user: User, groups: list[Group], verb: str) -> None:
    teams = {team.group_id: team for team in Team.objects.filter(group__in=groups)}
    for group in groups:
        team = teams.get(group.pk)
        audit.record(
            "membership.changed",
            **_person(user),
            team_id=team.id if team else None,
            **{verb: team.name if team else group.name},
        )


def on_permission_given(instance: Any, created: bool, **kwargs: Any) -> None:
    if created:
        _record_permission("object_permission.given", instance)


def on_permission_taken(instance: Any, **kwargs: Any) -> None:
    _record_permission("object_permission.taken", instance)


def _record_permission(event: str, instance: Any) -> None:
    group = getattr(instance, "group", None)
    audit.record(
        event,
        target_kind=instance.content_type.model,
        target_id=instance.object_pk,
        target_name=str(instance.content_object or ""),
        permission=instance.permission.codename,
        holder=f"group:{group.name}" if group else f"user:{instance.user.username}",
    )

"""The one question every list starts with: which rows may this actor see, or change?

Platform staff see all, auditors view all, everybody else sees what belongs to a team of theirs,
what is shared, and what an object permission names. A model says otherwise in `visibility`.
"""

from typing import Any, Self

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q
from guardian.models import GroupObjectPermission, UserObjectPermission

from kernel.actor import Actor

VIEW = "view"
CHANGE = "change"
EVERYTHING = Q()
NOTHING = Q(pk__in=[])


class VisibleQuerySet(models.QuerySet[Any]):
    """A queryset that knows who may see which of its rows."""

    def visible_to(self, actor: Actor, action: str = VIEW) -> Self:
        if actor.is_platform or (actor.is_auditor and action == VIEW):
            return self
        if actor.is_anonymous:
            return self.none()
        rows = self.filter(self._condition(actor, action))
        # Only a join can repeat a row, and DISTINCT would sort a whole table of happenings.
        tables = sum(1 for uses in rows.query.alias_refcount.values() if uses)
        return rows.distinct() if tables > 1 else rows

    def _condition(self, actor: Actor, action: str) -> Q:
        visibility = getattr(self.model, "visibility", team_visibility)
        condition: Q = visibility(actor, action)
        if actor.kind == "user":
            permitted = permitted_ids(self.model, actor, action)
            if permitted:
                condition |= Q(pk__in=permitted)
        return condition


def team_visibility(actor: Actor, action: str) -> Q:
    """The default: rows of the actor's own teams."""
    return Q(team_id__in=actor.teams)


def permitted_ids(model: type[models.Model], actor: Actor, action: str) -> list[str]:
    """Ids of the objects on which the person, or a group of theirs, holds `<action>_<model>`.

    Read as a list instead of a subquery: guardian keeps the key as text, and text and UUID columns
    compare differently on SQLite and PostgreSQL.
    """
    content_type = ContentType.objects.get_for_model(model)
    codename = f"{action}_{model._meta.model_name}"
    of_user = UserObjectPermission.objects.filter(
        user_id=actor.id, permission__codename=codename, content_type=content_type
    )
    of_groups = GroupObjectPermission.objects.filter(
        group__user=actor.id, permission__codename=codename, content_type=content_type
    )
    return [
        *of_user.values_list("object_pk", flat=True),
        *of_groups.values_list("object_pk", flat=True),
    ]

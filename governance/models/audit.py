"""The audit log: one line per act, written in the act's own transaction, never changed."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet


class AuditEvent(models.Model):
    """One line of the log. Names stand beside ids, so that the line outlives what it tells of."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    at = models.DateTimeField(default=clock.now)
    event = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=200)
    on_behalf_of = models.CharField(max_length=200, blank=True)
    target_kind = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_name = models.CharField(max_length=300, blank=True)
    team_id = models.UUIDField(null=True)
    data = models.JSONField(default=dict)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["event", "id"]),
            models.Index(fields=["target_id", "id"]),
            models.Index(fields=["target_name", "id"]),
            models.Index(fields=["actor_name", "id"]),
            models.Index(fields=["team_id", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.actor_name}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """People read what concerns their teams, an agent what it did itself. Nobody changes it."""
        if action != "view":
            return models.Q(pk__in=[])
        # The name is what has an index; kind and id say that it is the same one.
        own = models.Q(actor_name=viewer.name, actor_kind=viewer.kind, actor_id=viewer.id)
        return own if viewer.kind == "agent" else own | models.Q(team_id__in=viewer.teams)

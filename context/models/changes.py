"""Changesets and decisions: how a project became what it is."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from context.models.projects import Project


class Changeset(models.Model):
    """One atomic change to a project by one actor; it makes one rev.

    `status` and `next_step` are the project's after the change, so that any rev can be read back.
    `call_id` is the tool call that wrote it, unique, so that a call writes at most once.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="changesets")
    team_id = models.UUIDField()
    rev = models.PositiveIntegerField()
    base_rev = models.PositiveIntegerField()
    kind = models.CharField(max_length=20, default="change", help_text="import, change, rollback")
    summary = models.TextField(blank=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=200)
    status = models.CharField(max_length=60)
    next_step = models.CharField(max_length=200, blank=True)
    call_id = models.UUIDField(null=True, blank=True, unique=True)
    run_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "rev"], name="changeset_one_per_rev"),
            models.CheckConstraint(
                condition=Q(rev__gt=models.F("base_rev")), name="changeset_moves_on"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["run_id"], condition=Q(run_id__isnull=False), name="changeset_run")
        ]

    def __str__(self) -> str:
        return f"{self.project} rev {self.rev}"


class DecisionStatus(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    ACCEPTED = "accepted", "Accepted"
    IMPLEMENTED = "implemented", "Implemented"
    REJECTED = "rejected", "Rejected"
    SUPERSEDED = "superseded", "Superseded"

    @property
    def colour(self) -> str:
        return _COLOURS[self.value]


_COLOURS = {
    "proposed": "amber",
    "accepted": "blue",
    "implemented": "green",
    "rejected": "red",
    "superseded": "grey",
}


class Decision(models.Model):
    """What an agent or person decided, why, and what became of it.

    A change of status is a new row with the same `key`, so that any rev can be read back; the row
    with the highest rev is the one that holds.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    key = models.UUIDField(default=ids.uuid7)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="decisions")
    changeset = models.ForeignKey(Changeset, on_delete=models.PROTECT, related_name="decisions")
    team_id = models.UUIDField()
    rev = models.PositiveIntegerField()
    decided_at = models.DateTimeField()
    agent = models.CharField(max_length=200)
    decision = models.TextField()
    rationale = models.TextField(blank=True)
    status = models.CharField(
        max_length=20, choices=DecisionStatus, default=DecisionStatus.PROPOSED
    )
    supersedes = models.UUIDField(null=True, blank=True)
    run_id = models.UUIDField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "rev"], name="decision_once_per_rev")
        ]
        indexes: ClassVar = [models.Index(fields=["project", "rev"])]

    def __str__(self) -> str:
        return self.decision[:80]

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(team_id__in=viewer.teams)

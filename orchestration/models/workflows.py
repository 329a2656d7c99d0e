"""Workflows: the definition that people edit, and the published versions that runs stay on."""

from typing import Any, ClassVar

from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet
from simple_history.models import HistoricalRecords

from registry.models import Team
from registry.models.agents import NAME


class Workflow(models.Model):
    """How agents and people work together: steps, data flow, conditions, gates. Written in YAML."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="workflows")
    is_shared = models.BooleanField(default=True, help_text="Every team may start it.")
    description = models.TextField(blank=True)
    baseline_minutes = models.DecimalField(
        max_digits=8, decimal_places=1, default=0, help_text="What the whole task takes a person."
    )
    source = models.TextField(help_text="The definition in YAML.")
    live_version = models.ForeignKey(
        "WorkflowVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = HistoricalRecords()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        own = models.Q(team_id__in=viewer.teams)
        return own | models.Q(is_shared=True) if action == "view" else own


class WorkflowVersion(models.Model):
    """One immutable published definition."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    version = models.CharField(max_length=20)
    sort_key = models.BigIntegerField()
    document = models.JSONField()
    checksum = models.CharField(max_length=64)
    published_at = models.DateTimeField(default=clock.now)
    published_by = models.CharField(max_length=200)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["-sort_key"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workflow", "sort_key"], name="workflow_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.workflow} {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A published version is never saved again."""
        if not self._state.adding:
            raise TypeError(f"{self} is published and can't change; publish a new version")
        super().save(*args, **kwargs)

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        if action != "view":
            return models.Q(pk__in=[])
        return models.Q(workflow__team_id__in=viewer.teams) | models.Q(workflow__is_shared=True)

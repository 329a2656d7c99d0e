"""Workflows: the definition that people edit, and the published versions that runs stay on."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.models import PublishedVersion
from kernel.visibility import VisibleQuerySet

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
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        own = models.Q(team_id__in=viewer.teams)
        return own | models.Q(is_shared=True) if action == "view" else own


class WorkflowVersion(PublishedVersion):
    """One immutable published definition."""

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    document = models.JSONField()

    class Meta(PublishedVersion.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workflow", "sort_key"], name="workflow_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.workflow} {self.version}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        if action != "view":
            return models.Q(pk__in=[])
        return models.Q(workflow__team_id__in=viewer.teams) | models.Q(workflow__is_shared=True)

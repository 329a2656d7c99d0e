"""Agent tasks: one piece of work handed to one agent."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from context.models import Project
from orchestration.models.runs import Step, WorkflowRun
from registry.models import Agent


class TaskStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    CLAIMED = "claimed", "Claimed"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    LOST = "lost", "Lost"

    @property
    def colour(self) -> str:
        return _COLOURS[self.value]


_COLOURS = {
    "queued": "grey",
    "claimed": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "grey",
    "lost": "red",
}


class AgentTask(models.Model):
    """One piece of work for one agent, from a workflow's step or handed over directly.

    `token` is the fencing token as a digest: whoever claimed last holds the text of it.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="tasks")
    agent_name = models.CharField(max_length=64)
    team_id = models.UUIDField()
    run = models.ForeignKey(
        WorkflowRun, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks"
    )
    step = models.ForeignKey(
        Step, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks"
    )
    step_token = models.PositiveIntegerField(default=0)
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks"
    )
    task = models.TextField()
    input = models.JSONField(default=dict)
    output = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    progress = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=20, choices=TaskStatus, default=TaskStatus.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    token_digest = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    runtime = models.CharField(max_length=20)
    framework = models.CharField(max_length=100, blank=True)
    baseline_minutes = models.DecimalField(max_digits=8, decimal_places=1, default=0)
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["agent", "created_at"], condition=Q(status="queued"), name="task_queued"
            ),
            models.Index(
                fields=["lease_until"], condition=Q(status="claimed"), name="task_claimed"
            ),
            models.Index(fields=["finished_at"]),
            models.Index(fields=["team_id", "id"]),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["step", "step_token"],
                condition=Q(step__isnull=False),
                name="task_once_per_step_attempt",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent_name}: {self.task[:60]}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        """The team's that it is done for, and the agent's own."""
        return Q(team_id__in=viewer.teams) | Q(agent_id=viewer.id)

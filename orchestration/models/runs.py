"""Runs and steps: one execution of a workflow version, and its nodes."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock, ids
from kernel.visibility import VisibleQuerySet

from context.models import Project
from orchestration.models.workflows import WorkflowVersion


class RunStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"
    PAUSED = "paused", "Paused"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def colour(self) -> str:
        return COLOURS[self.value]


class StepStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    READY = "ready", "Ready"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"
    CANCELLED = "cancelled", "Cancelled"
    PAUSED = "paused", "Paused"

    @property
    def colour(self) -> str:
        return COLOURS[self.value]


COLOURS = {
    "queued": "grey",
    "pending": "grey",
    "ready": "blue",
    "running": "blue",
    "waiting": "amber",
    "paused": "amber",
    "succeeded": "green",
    "failed": "red",
    "rejected": "red",
    "skipped": "grey",
    "cancelled": "grey",
}

# As the index `run_live` has them.
RUN_LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
RUN_ENDED = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.REJECTED, RunStatus.CANCELLED)
STEP_ENDED = (
    StepStatus.SUCCEEDED,
    StepStatus.FAILED,
    StepStatus.SKIPPED,
    StepStatus.CANCELLED,
)


class WorkflowRun(models.Model):
    """One execution of one published workflow version, on which it stays."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    workflow_version = models.ForeignKey(
        WorkflowVersion, on_delete=models.PROTECT, related_name="runs"
    )
    workflow_name = models.CharField(max_length=64)
    team_id = models.UUIDField()
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, null=True, blank=True, related_name="runs"
    )
    environment = models.CharField(max_length=20, default="staging")
    status = models.CharField(max_length=20, choices=RunStatus, default=RunStatus.QUEUED)
    reason = models.TextField(blank=True, help_text="Why it failed, was rejected or waits.")
    input = models.JSONField(default=dict)
    output = models.JSONField(null=True, blank=True)
    step_by_step = models.BooleanField(default=False)
    forked_from = models.UUIDField(null=True, blank=True)
    started_by_kind = models.CharField(max_length=20)
    started_by_id = models.UUIDField(null=True)
    started_by_name = models.CharField(max_length=200)
    baseline_minutes = models.DecimalField(max_digits=8, decimal_places=1, default=0)
    last_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["team_id", "id"]),
            models.Index(fields=["finished_at"]),
            models.Index(
                fields=["status"],
                condition=Q(status__in=["queued", "running", "waiting", "paused"]),
                name="run_live",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_name} {str(self.id)[-8:]}"


class Step(models.Model):
    """One node of a run. A loop back makes a new row with the next `iteration`; the old one stays.

    `attempt` counts claims, `token` fences: a result that bears an old token is refused.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    run = models.ForeignKey(WorkflowRun, on_delete=models.CASCADE, related_name="steps")
    team_id = models.UUIDField()
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=20, help_text="agent, tool or gate")
    position = models.PositiveIntegerField()
    iteration = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=20, choices=StepStatus, default=StepStatus.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    token = models.PositiveIntegerField(default=0)
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["position", "iteration"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "name", "iteration"], name="step_once")
        ]

    def __str__(self) -> str:
        return self.name


class RunEvent(models.Model):
    """What happened to a run, in order: `seq` is dense and unique within the run."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    run = models.ForeignKey(WorkflowRun, on_delete=models.CASCADE, related_name="events")
    team_id = models.UUIDField()
    seq = models.PositiveIntegerField()
    name = models.CharField(max_length=60)
    step = models.CharField(max_length=64, blank=True)
    iteration = models.PositiveIntegerField(default=0)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(default=clock.now)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "seq"], name="run_event_unique")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.name}"

"""Tool calls: the row that each invocation leaves, also when the answer was no."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock, ids, money
from kernel.visibility import VisibleQuerySet

from governance.models import Approval
from registry.models import Agent, ToolVersion


class CallStatus(models.TextChoices):
    ADMITTED = "admitted", "Admitted"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    TIMED_OUT = "timed_out", "Timed out"
    REFUSED = "refused", "Refused"
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    CANCELLED = "cancelled", "Cancelled"
    LOST = "lost", "Lost"

    @property
    def colour(self) -> str:
        return _COLOURS[self.value]


_COLOURS = {
    "admitted": "blue",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "refused": "amber",
    "awaiting_approval": "amber",
    "cancelled": "grey",
    "lost": "red",
}

LIVE = (CallStatus.ADMITTED, CallStatus.RUNNING)
ENDED = (
    CallStatus.SUCCEEDED,
    CallStatus.FAILED,
    CallStatus.TIMED_OUT,
    CallStatus.REFUSED,
    CallStatus.CANCELLED,
    CallStatus.LOST,
)


class ToolCall(models.Model):
    """One invocation of a tool version by an agent, from admission to settlement.

    `token` changes when the call is given up as lost, so that a late settlement is refused.
    `run_id`, `step_id` and `task_id` say what it was done for. Payloads have a table of their own.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    tool_version = models.ForeignKey(ToolVersion, on_delete=models.PROTECT, related_name="calls")
    tool_name = models.CharField(max_length=64)
    version = models.CharField(max_length=20)
    selector = models.CharField(
        max_length=64, blank=True, help_text="What the caller or a pin asked for, if not the live."
    )
    # The index over agent and id serves it, as the partial one does the approval.
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="calls", db_index=False)
    agent_name = models.CharField(max_length=64)
    team_id = models.UUIDField()
    environment = models.CharField(max_length=20)
    status = models.CharField(max_length=20, choices=CallStatus)
    effect = models.CharField(max_length=20, help_text="allow, require_approval or deny")
    reason = models.CharField(max_length=40, blank=True, help_text="Why it was refused.")
    detail = models.TextField(blank=True)
    limits = models.JSONField(default=dict)
    explanation = models.JSONField(default=list)
    request_digest = models.CharField(max_length=64)
    approval = models.ForeignKey(
        Approval,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    cost_micros = models.BigIntegerField(default=0)
    run_id = models.UUIDField(null=True, blank=True)
    step_id = models.UUIDField(null=True, blank=True)
    task_id = models.UUIDField(null=True, blank=True)
    token = models.UUIDField(default=ids.uuid7)
    lease_until = models.DateTimeField(null=True, blank=True)
    enforcement = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=1)
    cached_from = models.UUIDField(null=True, blank=True, help_text="The call whose result it is.")
    masked = models.JSONField(default=dict, help_text="How many values were masked, and where.")
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["lease_until"],
                condition=Q(status__in=["admitted", "running"]),
                name="call_live",
            ),
            models.Index(fields=["run_id"], condition=Q(run_id__isnull=False), name="call_run"),
            models.Index(fields=["step_id"], condition=Q(step_id__isnull=False), name="call_step"),
            models.Index(
                fields=["approval"], condition=Q(approval__isnull=False), name="call_approval"
            ),
            models.Index(fields=["finished_at"]),
            models.Index(fields=["team_id", "id"]),
            models.Index(fields=["agent", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} by {self.agent_name}"

    @property
    def cost(self) -> str:
        return money.text(self.cost_micros)


class ToolCallPayload(models.Model):
    """What went in and what came out. Apart from the call, so that the call stays small."""

    call = models.OneToOneField(
        ToolCall, on_delete=models.CASCADE, primary_key=True, related_name="payload"
    )
    arguments = models.JSONField()
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    sealed = models.TextField(
        default="", help_text="The real arguments of a call that waits, encrypted."
    )
    sealed_key = models.CharField(max_length=16, default="")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["sealed_key"], condition=~Q(sealed_key=""), name="payload_sealed")
        ]

    def __str__(self) -> str:
        return str(self.call_id)


class IdempotencyKey(models.Model):
    """A caller's own name for a request: the same key again returns the recorded call."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=64)
    call = models.OneToOneField(ToolCall, on_delete=models.CASCADE, related_name="idempotency")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "key"], name="idempotency_key_unique")
        ]

    def __str__(self) -> str:
        return self.key

"""Hourly rollups: dashboards read these, never the raw happenings.

A bucket is recomputed whole from the rows that finished in its hour, so folding it twice is the
same as folding it once.
"""

from typing import ClassVar

from django.db import models
from kernel.visibility import VisibleQuerySet


class AgentHour(models.Model):
    """What one agent did in one hour: tasks by outcome, calls, cost, minutes saved."""

    hour = models.DateTimeField()
    team_id = models.UUIDField()
    agent_id = models.UUIDField()
    agent_name = models.CharField(max_length=64)
    tasks_succeeded = models.PositiveIntegerField(default=0)
    tasks_failed = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    cost_micros = models.BigIntegerField(default=0)
    minutes_saved = models.DecimalField(max_digits=10, decimal_places=1, default=0)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "agent_id"], name="agent_hour_unique")
        ]
        indexes: ClassVar = [models.Index(fields=["team_id", "hour"])]

    def __str__(self) -> str:
        return f"{self.agent_name} {self.hour:%Y-%m-%d %H:00}"


class ToolHour(models.Model):
    """What one team did with one tool in one hour: calls by outcome, and their cost."""

    hour = models.DateTimeField()
    team_id = models.UUIDField()
    tool_name = models.CharField(max_length=64)
    calls = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    cost_micros = models.BigIntegerField(default=0)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["hour", "team_id", "tool_name"], name="tool_hour_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.hour:%Y-%m-%d %H:00}"

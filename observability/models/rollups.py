"""Hourly rollups: dashboards read these, never the raw happenings.

A bucket is recomputed whole from the rows that finished in its hour, so folding it twice is the
same as folding it once. `hour` is the hour's beginning in UTC.
"""

from typing import ClassVar

from django.db import models
from kernel.visibility import VisibleQuerySet


class AgentHour(models.Model):
    """What one agent did in one hour: tasks by outcome, executed calls, cost, minutes saved.

    `cost_micros` is what the ledger says. `minutes_saved` is the baseline of the tasks that
    succeeded, without those of runs that have a baseline of their own (see TeamHour).
    """

    hour = models.DateTimeField()
    team_id = models.UUIDField()
    agent_id = models.UUIDField()
    agent_name = models.CharField(max_length=64)
    tasks_succeeded = models.PositiveIntegerField(default=0)
    tasks_failed = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    cost_micros = models.BigIntegerField(default=0)
    minutes_saved = models.DecimalField(max_digits=12, decimal_places=1, default=0)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name = "agent's hour"
        verbose_name_plural = "agents by hour"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["hour", "team_id", "agent_id"], name="agent_hour_unique"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["team_id", "hour"])]

    def __str__(self) -> str:
        return f"{self.agent_name} {self.hour:%Y-%m-%d %H:00}"


class ToolHour(models.Model):
    """What one team did with one tool in one hour. `calls` were executed, whatever came of them;
    `failed` are those of them that failed, timed out or were lost; `refused` never ran."""

    hour = models.DateTimeField()
    team_id = models.UUIDField()
    tool_name = models.CharField(max_length=64)
    calls = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    cost_micros = models.BigIntegerField(default=0)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name = "tool's hour"
        verbose_name_plural = "tools by hour"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["hour", "team_id", "tool_name"], name="tool_hour_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.hour:%Y-%m-%d %H:00}"


class TeamHour(models.Model):
    """A team's runs that ended in one hour, and what its approvals cost people.

    `run_minutes` is the baseline of the runs that succeeded. `review_minutes` is the wait at each
    approval that somebody voted on, at most 15 minutes each: an upper bound of a reviewer's time.
    """

    hour = models.DateTimeField()
    team_id = models.UUIDField()
    runs_succeeded = models.PositiveIntegerField(default=0)
    runs_failed = models.PositiveIntegerField(default=0)
    runs_rejected = models.PositiveIntegerField(default=0)
    run_minutes = models.DecimalField(max_digits=12, decimal_places=1, default=0)
    reviews = models.PositiveIntegerField(default=0)
    review_minutes = models.DecimalField(max_digits=12, decimal_places=1, default=0)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name = "team's hour"
        verbose_name_plural = "teams by hour"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "team_id"], name="team_hour_unique")
        ]

    def __str__(self) -> str:
        return f"{self.team_id} {self.hour:%Y-%m-%d %H:00}"


class Fold(models.Model):
    """How far the folding has come; one row. `patrol` is the older hour that was looked at last."""

    through = models.DateTimeField(null=True)
    patrol = models.DateTimeField(null=True)
    folded_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"folded through {self.through:%Y-%m-%d %H:00}" if self.through else "never folded"


class DirtyHour(models.Model):
    """An hour that got rows after it was folded, and will be folded again. Rows only come and go:
    one that is marked while its hour is being folded stays for the next time."""

    hour = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00}"

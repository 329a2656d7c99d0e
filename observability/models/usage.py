"""Who used which version of which tool: by hour as it is folded, by day as it is read."""

from typing import ClassVar

from django.db import models
from kernel.visibility import VisibleQuerySet


class Usage(models.Model):
    """One agent's calls of one tool version, for one team, in one workflow (or none).

    `calls` were executed, whatever came of them; `refused` never ran. `last_at` is the latest of
    either.
    """

    tool_version_id = models.UUIDField()
    tool_name = models.CharField(max_length=64)
    version = models.CharField(max_length=20)
    team_id = models.UUIDField()
    agent_id = models.UUIDField()
    agent_name = models.CharField(max_length=64)
    workflow = models.CharField(max_length=64, blank=True)
    calls = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        abstract = True


class UsageHour(Usage):
    """The calls that ended in one hour."""

    hour = models.DateTimeField()

    class Meta:
        verbose_name = "tool's use in an hour"
        verbose_name_plural = "use of tools by hour"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["hour", "tool_version_id", "team_id", "agent_id", "workflow"],
                name="usage_hour_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.version} {self.agent_name} {self.hour:%Y-%m-%d %H:00}"


class UsageDay(Usage):
    """The hours of one day, added up: what a page reads, at whatever number of calls."""

    day = models.DateField()

    class Meta:
        verbose_name = "tool's use in a day"
        verbose_name_plural = "use of tools by day"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["day", "tool_version_id", "team_id", "agent_id", "workflow"],
                name="usage_day_unique",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["tool_name", "day"])]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.version} {self.agent_name} {self.day}"

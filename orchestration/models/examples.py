"""Examples of a tool's contract that were executed, and what came of the last time."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids
from kernel.visibility import VisibleQuerySet

from registry.models import ToolVersion


class ExampleRun(models.Model):
    """The last execution of one example of one version: `position` is its place in `examples`.

    `detail` says what didn't match; it may quote a result, and is for the team that ran it.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    tool_version = models.ForeignKey(ToolVersion, on_delete=models.CASCADE, related_name="examples")
    position = models.PositiveSmallIntegerField()
    checksum = models.CharField(max_length=64, help_text="Of the example that was executed.")
    passed = models.BooleanField()
    detail = models.TextField(blank=True)
    agent_name = models.CharField(max_length=64)
    team_id = models.UUIDField()
    call_id = models.UUIDField(null=True, blank=True)
    ran_at = models.DateTimeField(default=clock.now)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tool_version", "position"], name="example_run_unique")
        ]

    def __str__(self) -> str:
        return f"{self.tool_version} example {self.position + 1}"

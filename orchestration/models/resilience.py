"""What makes calls withstand failures: breakers, kept results, and results too large for a row."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from orchestration.models.calls import ToolCall
from registry.models import Tool, ToolVersion


class CircuitBreaker(models.Model):
    """Whether calls to a tool are let through, shared by all workers.

    Closed while `open_until` is empty; open until then; after it, half open: whoever takes
    `probing_until` makes the one call that decides.
    """

    tool = models.OneToOneField(
        Tool, on_delete=models.CASCADE, primary_key=True, related_name="breaker"
    )
    failures = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(help_text="When the first of these failures was.")
    open_until = models.DateTimeField(null=True, blank=True)
    probing_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    def __str__(self) -> str:
        return self.tool.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        own = Q(tool__team_id__in=viewer.teams)
        return own | Q(tool__is_shared=True) if action == "view" else own


class CachedResult(models.Model):
    """The result of a pure tool's call, given again for the same version and arguments."""

    key = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of what was asked.")
    tool_version = models.ForeignKey(ToolVersion, on_delete=models.CASCADE, related_name="+")
    team_id = models.UUIDField()
    call_id = models.UUIDField()
    result = models.JSONField()
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"])]

    def __str__(self) -> str:
        return f"{self.tool_version}: {self.key[:12]}"


class LargeResult(models.Model):
    """A result that is too large to travel with its call: downloaded with the same permission."""

    call = models.OneToOneField(
        ToolCall, on_delete=models.CASCADE, primary_key=True, related_name="large_result"
    )
    team_id = models.UUIDField()
    size = models.PositiveIntegerField(help_text="Bytes, before compression.")
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField(help_text="JSON in UTF-8, compressed with zlib.")

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    def __str__(self) -> str:
        return str(self.call_id)

"""Which published version somebody means: named pointers, and what an agent is bound to."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.visibility import VisibleQuerySet

from registry.models.agents import Agent
from registry.models.tools import Tool, ToolVersion

ALIAS = RegexValidator(
    r"^(?!(live|latest)\Z)[a-z][a-z_-][a-z0-9_-]{0,30}\Z",
    "Use 2 to 32 lower-case letters, digits, - and _, starting with two letters; "
    "live and latest always are the live version.",
)
SELECTOR_LENGTH = 64


class ToolAlias(models.Model):
    """A name for one version of a tool (`stable`, `canary`) that is moved as people decide."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=32, validators=[ALIAS])
    version = models.ForeignKey(ToolVersion, on_delete=models.PROTECT, related_name="aliases")
    moved_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name_plural = "tool aliases"
        ordering: ClassVar = ["tool__name", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tool", "name"], name="tool_alias_unique")
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.name}"

    @property
    def team_id(self) -> object:
        """The team that the alias belongs to: its tool's."""
        return self.tool.team_id

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        own = models.Q(tool__team_id__in=viewer.teams)
        return own | models.Q(tool__is_shared=True) if action == "view" else own


class VersionPin(models.Model):
    """Which versions of a tool an agent is bound to: what it gets unasked, and may ask for."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="pins")
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="pins")
    selector = models.CharField(
        max_length=SELECTOR_LENGTH,
        help_text="A version (1.2), a range (1.x, >=1.2,<2, ~1.4, ^1.4) or an alias (stable).",
    )
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["agent__name", "tool__name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "tool"], name="version_pin_unique")
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.tool} {self.selector}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """The pin is the agent's: its team says what it is bound to."""
        return models.Q(agent__team_id__in=viewer.teams)

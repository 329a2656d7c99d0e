"""Tools: the definition that people edit, and the immutable versions that calls point at."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids, money
from kernel.actor import Actor
from kernel.history import History
from kernel.models import PublishedVersion
from kernel.visibility import VisibleQuerySet

from registry.models.agents import NAME
from registry.models.people import Team


class Permission(models.Model):
    """The name of a capability, such as `code_execution`; tools require some, grants give them."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    description = models.TextField(blank=True)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """Everybody reads the names of capabilities; the platform team alone edits them."""
        return models.Q() if action == "view" else models.Q(pk__in=[])


class Executor(models.TextChoices):
    PYTHON = "python", "Python code in the sandbox"
    COMMAND = "command", "A program in the sandbox"
    GIT = "git", "A git operation in the sandbox"
    HTTP = "http", "An HTTP request"
    SQL = "sql", "A database query"
    MCP = "mcp", "A tool of an upstream MCP server"
    CONTEXT = "context", "The shared context of a project"


class DataClass(models.TextChoices):
    PUBLIC = "public", "Public"
    INTERNAL = "internal", "Internal"
    CONFIDENTIAL = "confidential", "Confidential"
    RESTRICTED = "restricted", "Restricted"


class Tool(models.Model):
    """The registry entry as people edit it. What agents call is its live published version."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="tools", verbose_name="owner"
    )
    is_shared = models.BooleanField(default=True, help_text="Every team's agents may see it.")
    description = models.TextField(help_text="What the tool does and when to use it.")
    parameters = models.JSONField(default=dict, help_text="JSON Schema of the arguments.")
    result_schema = models.JSONField(null=True, blank=True, help_text="JSON Schema of the result.")
    permissions_required = models.ManyToManyField(Permission, blank=True, related_name="tools")
    executor = models.CharField(max_length=20, choices=Executor)
    executor_config = models.JSONField(default=dict, blank=True)
    sandbox_config = models.JSONField(
        default=dict, blank=True, help_text="cpu_limit, memory_limit, network, timeout, and so on."
    )
    audit = models.BooleanField(default=True)
    cost_micros = models.BigIntegerField(
        default=0, verbose_name="cost per call", help_text="In millionths of the currency unit."
    )
    data_class = models.CharField(max_length=20, choices=DataClass, default=DataClass.INTERNAL)
    idempotent = models.BooleanField(
        default=False, help_text="Calling it twice with the same arguments does no harm."
    )
    compensation = models.JSONField(
        null=True, blank=True, help_text="The call that undoes a call: {tool, arguments}."
    )
    pure = models.BooleanField(
        default=False,
        help_text="The result depends on the arguments alone: it may be kept and given again.",
    )
    cache_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long a pure tool's result is kept; 300 unless told."
    )
    retry = models.JSONField(
        default=dict,
        blank=True,
        help_text="For idempotent tools: {attempts: 3, backoff: 0.2, on: [timed_out, failed]}.",
    )
    rate_limit = models.JSONField(
        default=dict, blank=True, help_text="{agent: 60/minute, team: 1000/hour, tool: 50/second}."
    )
    circuit_breaker = models.JSONField(
        default=dict, blank=True, help_text="{failures: 5, within: 60, pause: 30}, in seconds."
    )
    environments = models.JSONField(
        default=list, blank=True, help_text="Where it may be called; empty means everywhere."
    )
    annotations = models.JSONField(
        default=dict, blank=True, help_text="MCP's hints: title, readOnlyHint, and so on."
    )
    examples = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True)
    origin = models.JSONField(
        default=dict, blank=True, help_text="Where the entry was imported from."
    )
    release_notes = models.TextField(
        blank=True, help_text="What the next publication tells in the changelog."
    )
    version = models.CharField(
        max_length=20, help_text="The number that the next publication bears: MAJOR.MINOR[.PATCH]."
    )
    live_version = models.ForeignKey(
        "ToolVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    deprecated = models.BooleanField(default=False)
    deprecated_at = models.DateTimeField(null=True, blank=True, editable=False)
    deprecation_message = models.TextField(blank=True)
    replacement = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaces"
    )
    sunset_at = models.DateTimeField(null=True, blank=True)
    retired = models.JSONField(
        default=list,
        blank=True,
        help_text="Versions on their way out: [{versions: 1.x, message: …, sunset_at: …}].",
    )
    removed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when it isn't listed any more."
    )
    quarantined_at = models.DateTimeField(null=True, blank=True, editable=False)
    quarantine_reason = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History(m2m_fields=[permissions_required])

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(cost_micros__gte=0), name="tool_cost_not_negative"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def cost_per_call(self) -> str:
        return money.text(self.cost_micros)

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        own = models.Q(team_id__in=viewer.teams)
        return own | models.Q(is_shared=True) if action == "view" else own


class ToolVersion(PublishedVersion):
    """One immutable published contract of a tool. What happens points at one of these."""

    tool = models.ForeignKey(Tool, on_delete=models.PROTECT, related_name="versions")
    contract = models.JSONField()
    notes = models.TextField(blank=True)
    changes = models.JSONField(
        default=list, help_text="What differs from the version before, each with its class."
    )

    class Meta(PublishedVersion.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tool", "sort_key"], name="tool_version_unique")
        ]

    selected_by: str = ""
    """What a caller or a pin asked for, where this came of it; the live version has none."""

    def __str__(self) -> str:
        return f"{self.contract.get('name')} {self.version}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        own = models.Q(tool__team_id__in=viewer.teams)
        return own | models.Q(tool__is_shared=True) if action == "view" else models.Q(pk__in=[])

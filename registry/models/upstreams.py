"""Upstream MCP servers: the definition of each, and what of its tools was seen and approved."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.visibility import NOTHING, VisibleQuerySet

from registry.models.agents import NAME
from registry.models.people import Team

NAME_LENGTH = 200


class Transport(models.TextChoices):
    STDIO = "stdio", "A program in the sandbox, over its standard streams"
    HTTP = "streamable_http", "A service, over streamable HTTP"


class UpstreamServer(models.Model):
    """An MCP server whose tools the registry offers.

    The platform team alone says what is run and where is connected to; everything that a saved
    server runs, runs in the sandbox.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="upstreams", verbose_name="owner"
    )
    is_shared = models.BooleanField(default=False, help_text="Tools of every team may be on it.")
    description = models.TextField(blank=True)
    is_active = models.BooleanField(
        default=True, help_text="An inactive server is neither called nor synchronised."
    )
    transport = models.CharField(max_length=20, choices=Transport, default=Transport.HTTP)
    argv = models.JSONField(
        default=list, blank=True, help_text="For stdio: the program and its arguments, as a list."
    )
    env = models.JSONField(
        default=dict, blank=True, help_text="For stdio: {NAME: value}; ${secret:NAME} is filled in."
    )
    packages = models.JSONField(
        default=list, blank=True, help_text="For stdio: Python packages, such as [my-server==1.2]."
    )
    sandbox_config = models.JSONField(
        default=dict, blank=True, help_text="For stdio: cpu_limit, memory_limit and so on."
    )
    url = models.CharField(
        max_length=2000, blank=True, help_text="For streamable HTTP: the address of its endpoint."
    )
    headers = models.JSONField(
        default=dict, blank=True, help_text="{name: value}; ${secret:NAME} is filled in."
    )
    private_hosts = models.JSONField(
        default=list, blank=True, help_text="Hosts that may have an address that isn't public."
    )
    sync_seconds = models.PositiveIntegerField(
        default=900, help_text="How often its list of tools is compared; 0 is never by itself."
    )
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    sync_error = models.TextField(blank=True, editable=False)
    server_info = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History(excluded_fields=["synced_at", "sync_error", "server_info"])

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """Its own team sees it, and all do if it is shared; the platform team alone changes it."""
        if action != "view":
            return NOTHING
        return models.Q(team_id__in=viewer.teams) | models.Q(is_shared=True)


class UpstreamTool(models.Model):
    """One tool of an upstream server: as it was last seen, and as it was approved.

    `seen` and `approved` are MCP definitions (`name, title, description, inputSchema,
    outputSchema, annotations`); the fingerprints are SHA-256 over their canonical JSON.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    server = models.ForeignKey(UpstreamServer, on_delete=models.CASCADE, related_name="tools")
    name = models.CharField(max_length=NAME_LENGTH)
    seen = models.JSONField(default=dict)
    seen_fingerprint = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField(default=clock.now)
    seen_at = models.DateTimeField(default=clock.now)
    gone_at = models.DateTimeField(null=True, blank=True)
    approved = models.JSONField(null=True, blank=True)
    approved_fingerprint = models.CharField(max_length=64, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.CharField(max_length=200, blank=True)
    rejected_fingerprint = models.CharField(max_length=64, blank=True)
    rejected_by = models.CharField(max_length=200, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["server", "name"], name="upstream_tool_unique")
        ]

    def __str__(self) -> str:
        return f"{self.server} {self.name}"

    @property
    def state(self) -> str:
        """`new` (nobody approved it), `approved`, `drifted`, `rejected` or `gone`."""
        if self.gone_at is not None:
            return "gone"
        if not self.approved_fingerprint:
            return "new"
        if self.seen_fingerprint == self.approved_fingerprint:
            return "approved"
        return "rejected" if self.seen_fingerprint == self.rejected_fingerprint else "drifted"

    @property
    def is_drifted(self) -> bool:
        return self.state in ("drifted", "rejected")

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        if action != "view":
            return NOTHING
        return models.Q(server__team_id__in=viewer.teams) | models.Q(server__is_shared=True)

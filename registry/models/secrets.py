"""Secrets: what tools and upstream servers need to know and nobody may read, and which of them may
be given which."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from kernel import clock, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.visibility import NOTHING, VisibleQuerySet

from registry.models.people import Team
from registry.models.tools import Tool
from registry.models.upstreams import UpstreamServer

SECRET_NAME = RegexValidator(
    r"^[A-Za-z][A-Za-z0-9_]{0,63}\Z",
    "Use letters, digits and underscores, starting with a letter (64 at most).",
)


class Secret(models.Model):
    """A named secret of a team. Its value is in a row of its own, out of the history's sight."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[SECRET_NAME])
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="secrets", verbose_name="owner"
    )
    description = models.TextField(blank=True, help_text="What it opens and who issues it.")
    set_at = models.DateTimeField(null=True, blank=True)
    set_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        """People of the team; an agent has no business with secrets, not even with their names."""
        return Q(team_id__in=viewer.teams) if viewer.kind == "user" else NOTHING


class SecretValue(models.Model):
    """The value of a secret, encrypted; the one before is gone when another is set."""

    secret = models.OneToOneField(
        Secret, on_delete=models.CASCADE, primary_key=True, related_name="value"
    )
    ciphertext = models.TextField()
    key = models.CharField(max_length=16, help_text="The fingerprint of the key that encrypted it.")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key", "secret"])]

    def __str__(self) -> str:
        return f"value of {self.secret_id}"


class SecretGrant(models.Model):
    """That a tool, or an upstream server for all tools on it, may be given a secret.

    While it belongs to the team that it belonged to then; and a server that was one team's alone,
    while it isn't shared.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="grants")
    tool = models.ForeignKey(
        Tool, on_delete=models.CASCADE, null=True, blank=True, related_name="secret_grants"
    )
    server = models.ForeignKey(
        UpstreamServer,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="secret_grants",
        help_text="Instead of a tool: an upstream server whose definition names the secret.",
    )
    holder_team = models.ForeignKey(
        Team, on_delete=models.CASCADE, editable=False, related_name="+"
    )
    is_for_all = models.BooleanField(
        default=False,
        editable=False,
        help_text="The server was shared when it was given: tools of every team use it.",
    )
    reason = models.CharField(max_length=500, help_text="Why the tool or server needs it.")
    granted_by = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["secret", "tool"],
                condition=Q(revoked_at__isnull=True),
                name="secret_grant_live",
            ),
            models.UniqueConstraint(
                fields=["secret", "server"],
                condition=Q(revoked_at__isnull=True),
                name="secret_grant_live_server",
            ),
            models.CheckConstraint(
                condition=Q(tool__isnull=True) ^ Q(server__isnull=True),
                name="secret_grant_one_holder",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.secret} for {'server ' if self.server_id else ''}{self.holder}"

    @property
    def holder(self) -> Tool | UpstreamServer:
        """Who may be given it."""
        held = self.server or self.tool
        if held is None:
            raise ValueError("A grant has a tool or a server.")
        return held

    @property
    def team_id(self) -> object:
        return self.secret.team_id

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(secret__team_id__in=viewer.teams) if viewer.kind == "user" else NOTHING

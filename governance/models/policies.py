"""Policies as data, their published versions, and the grants that permissions come by."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.models import PublishedVersion
from kernel.visibility import VisibleQuerySet

from registry.models import Agent, Permission, Team
from registry.models.agents import NAME


class PolicyStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    SHADOW = "shadow", "Shadow: judged and recorded, not applied"
    ENFORCED = "enforced", "Enforced"
    RETIRED = "retired", "Retired"


class Policy(models.Model):
    """Rules for the calls that a selector matches. A team's policy applies to its agents only."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="policies",
        help_text="Empty: the platform's own, for all agents.",
    )
    description = models.TextField(blank=True)
    document = models.JSONField(help_text="The selector (`applies_to`) and the rules.")
    version = models.CharField(max_length=20, default="1.0")
    status = models.CharField(max_length=20, choices=PolicyStatus, default=PolicyStatus.DRAFT)
    live_version = models.ForeignKey(
        "PolicyVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        own = models.Q(team_id__in=viewer.teams)
        return own | models.Q(team__isnull=True) if action == "view" else own


class PolicyVersion(PublishedVersion):
    """One immutable published form of a policy."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    document = models.JSONField()

    class Meta(PublishedVersion.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "sort_key"], name="policy_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.policy} {self.version}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        if action != "view":
            return models.Q(pk__in=[])
        return models.Q(policy__team_id__in=viewer.teams) | models.Q(policy__team__isnull=True)


class Grant(models.Model):
    """A permission given to an agent: by whom, why, from when, until when. It ends by itself."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="grants")
    permission = models.ForeignKey(Permission, on_delete=models.PROTECT, related_name="grants")
    reason = models.TextField()
    granted_by = models.CharField(max_length=200, editable=False)
    starts_at = models.DateTimeField(default=clock.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["agent", "permission"])]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True)
                | models.Q(ends_at__gt=models.F("starts_at")),
                name="grant_ends_after_it_starts",
            )
        ]

    def __str__(self) -> str:
        return f"{self.permission} for {self.agent}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        if action != "view":
            return models.Q(pk__in=[])
        return models.Q(agent__team_id__in=viewer.teams)

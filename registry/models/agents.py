"""Agents: actors that are no people, and the keys by which they are known."""

from functools import cached_property
from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.history import History
from kernel.visibility import VisibleQuerySet

from registry.models.people import Team

NAME = RegexValidator(
    r"^[a-z][a-z0-9_]{0,63}\Z",
    "Use lower-case letters, digits and underscores, starting with a letter (64 at most).",
)


class Environment(models.TextChoices):
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class Runtime(models.TextChoices):
    PULL = "pull", "Pull: the agent claims its tasks"
    STARTER = "starter", "Starter: a bundled program"


class Agent(models.Model):
    """A non-human actor with a team, an environment, a runtime and credentials."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    description = models.TextField(blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="agents")
    environment = models.CharField(max_length=20, choices=Environment, default=Environment.STAGING)
    runtime = models.CharField(max_length=20, choices=Runtime, default=Runtime.PULL)
    runtime_config = models.JSONField(
        default=dict, blank=True, help_text="What the runtime needs, such as the starter's program."
    )
    tags = models.JSONField(default=list, blank=True)
    baseline_minutes = models.DecimalField(
        max_digits=8, decimal_places=1, default=0, help_text="What one task takes a person."
    )
    is_active = models.BooleanField(
        default=True, help_text="A suspended agent is refused every call and every task."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(baseline_minutes__gte=0), name="agent_baseline_not_negative"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def actor(self) -> Actor:
        return Actor(kind="agent", id=self.id, name=self.name, teams=frozenset({self.team_id}))


class Credential(models.Model):
    """A key of an agent: shown once, kept as a keyed digest.

    `task_id` ties a short-lived key to one agent task; it ends with the task. `for_team` is the
    team that the task is done for: while the key lives, the agent sees what is that team's.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="credentials")
    label = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list, blank=True, help_text="Empty: all that agents may do.")
    task_id = models.UUIDField(null=True, blank=True, editable=False, db_index=True)
    for_team = models.ForeignKey(
        Team, on_delete=models.CASCADE, null=True, blank=True, editable=False, related_name="+"
    )
    created_by = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    def __str__(self) -> str:
        return f"{self.agent} {self.label or self.prefix}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        return models.Q(agent__team_id__in=viewer.teams)

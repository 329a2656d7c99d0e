"""Budgets: a limit per period, the account that counts against it, holds, and the ledger."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock, ids, money
from kernel.actor import Actor
from kernel.history import History
from kernel.visibility import VisibleQuerySet

from registry.models import Agent, Team
from registry.models.agents import NAME


class Period(models.TextChoices):
    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"
    TOTAL = "total", "For good"


class Budget(models.Model):
    """A hard limit of money per period, for a team or for one agent."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[NAME])
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="budgets", help_text="The owner."
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="budgets",
        help_text="Empty: the limit is on the whole team's spending.",
    )
    period = models.CharField(max_length=10, choices=Period, default=Period.MONTH)
    limit_micros = models.BigIntegerField(
        verbose_name="limit", help_text="In millionths of the currency unit."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(limit_micros__gte=0), name="budget_not_negative")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit(self) -> str:
        return money.text(self.limit_micros)

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(team_id__in=viewer.teams) if action == "view" else Q(pk__in=[])


class Account(models.Model):
    """What a budget has spent and holds within one period. The database keeps it within the limit
    by the conditional update that adds a hold."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    # The unique constraint's index serves it.
    budget = models.ForeignKey(
        Budget, on_delete=models.CASCADE, related_name="accounts", db_index=False
    )
    period_start = models.DateTimeField()
    spent_micros = models.BigIntegerField(default=0)
    held_micros = models.BigIntegerField(default=0)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["budget", "period_start"], name="account_unique"),
            models.CheckConstraint(
                condition=Q(held_micros__gte=0), name="account_held_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.period_start:%Y-%m-%d}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(budget__team_id__in=viewer.teams)


class HoldStatus(models.TextChoices):
    HELD = "held", "Held"
    SETTLED = "settled", "Settled"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Hold(models.Model):
    """Money reserved for what is under way. It expires, and stands beside what is spent."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="holds")
    team_id = models.UUIDField()
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    amount_micros = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=HoldStatus, default=HoldStatus.HELD)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject_id"]),
            models.Index(fields=["expires_at"], condition=Q(status="held"), name="hold_live"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_micros__gte=0), name="hold_not_negative"),
            models.UniqueConstraint(
                fields=["account", "subject_id"], condition=Q(status="held"), name="hold_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{money.text(self.amount_micros)} for {self.subject_kind}:{self.subject_id}"


class LedgerEntry(models.Model):
    """What was really spent, once per act and never changed; a correction is another entry."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    kind = models.CharField(max_length=40, help_text="tool_call, presumed, correction, …")
    team_id = models.UUIDField()
    agent_id = models.UUIDField(null=True)
    agent_name = models.CharField(max_length=64, blank=True)
    tool_name = models.CharField(max_length=64, blank=True)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    run_id = models.UUIDField(null=True, blank=True)
    amount_micros = models.BigIntegerField()
    memo = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes: ClassVar = [
            models.Index(fields=["run_id"], condition=Q(run_id__isnull=False), name="ledger_run"),
            models.Index(fields=["subject_id"]),
            models.Index(fields=["created_at"]),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject_id", "kind"],
                condition=~Q(kind="correction"),
                name="ledger_once_per_subject_and_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{money.text(self.amount_micros)} for {self.subject_kind}:{self.subject_id}"

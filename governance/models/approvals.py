"""Approvals: a question put to people about one exact thing, and their votes."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from registry.models import Team


class ApprovalStatus(models.TextChoices):
    OPEN = "open", "Open"
    APPROVED = "approved", "Approved"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def colour(self) -> str:
        return _COLOURS[self.value]


_COLOURS = {
    "open": "amber",
    "approved": "green",
    "changes_requested": "blue",
    "rejected": "red",
    "expired": "grey",
    "cancelled": "grey",
}


class Decision(models.TextChoices):
    APPROVE = "approve", "Approve"
    REQUEST_CHANGES = "request_changes", "Request changes"
    REJECT = "reject", "Reject"

    @property
    def told(self) -> str:
        """What the voter reads once the vote is cast."""
        return _TOLD[self.value]


_TOLD = {
    "approve": "You approved this.",
    "request_changes": "You requested changes.",
    "reject": "You rejected this.",
}


class Approval(models.Model):
    """A question about one exact thing: a run's gate, a parked call, a publication.

    `digest` is the SHA-256 over canonical JSON of what was shown; the approval covers that and
    nothing else. `reviewers` says who may vote: `{"role": "reviewer"}`, `{"team": name}` or
    `{"users": [names]}`, any of which is enough. The requester never decides.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    kind = models.CharField(max_length=40, help_text="gate, tool_call, …")
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    team_id = models.UUIDField()
    title = models.CharField(max_length=300)
    question = models.TextField(blank=True)
    shown = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    requester_kind = models.CharField(max_length=20)
    requester_id = models.UUIDField(null=True)
    requester_name = models.CharField(max_length=200)
    requester_for = models.CharField(
        max_length=200, blank=True, help_text="On whose behalf the requester acts: `user:alice`."
    )
    reviewers = models.JSONField(default=dict)
    quorum = models.PositiveIntegerField(default=1)
    allow_changes = models.BooleanField(default=False)
    status = models.CharField(max_length=20, choices=ApprovalStatus, default=ApprovalStatus.OPEN)
    deadline = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject_id"]),
            models.Index(fields=["closed_at"]),
            models.Index(fields=["created_at"], condition=Q(status="open"), name="approval_open"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id"],
                condition=Q(status="open"),
                name="approval_one_open_per_subject",
            ),
            models.CheckConstraint(condition=Q(quorum__gte=1), name="approval_quorum_positive"),
        ]

    def __str__(self) -> str:
        return self.title

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        """The team's own, those who asked, and those who are asked."""
        own = Q(team_id__in=viewer.teams) | Q(requester_kind=viewer.kind, requester_id=viewer.id)
        if viewer.kind != "user":
            return own
        return own | Q(pk__in=Asked.objects.filter(asked_of(viewer)).values("approval_id"))


class AskedKind(models.TextChoices):
    ROLE = "role", "Everybody with the role"
    TEAM = "team", "Every member of the team"
    USER = "user", "The person"


class Asked(models.Model):
    """Who is asked, one row each, so that a reviewer's inbox is one indexed read."""

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="asked")
    kind = models.CharField(max_length=10, choices=AskedKind)
    name = models.CharField(max_length=150)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name_plural = "asked"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name", "approval"], name="asked_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(approval__team_id__in=viewer.teams) | asked_of(viewer)


def asked_of(viewer: Actor) -> Q:
    """The rows of `Asked` that mean this person."""
    if viewer.kind != "user":
        return Q(pk__in=[])
    teams = Team.objects.filter(id__in=viewer.teams).values("name")
    return (
        Q(kind=AskedKind.ROLE, name__in=viewer.roles)
        | Q(kind=AskedKind.TEAM, name__in=teams)
        | Q(kind=AskedKind.USER, name=viewer.name)
    )


class Vote(models.Model):
    """One person's answer to one approval."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    user_name = models.CharField(max_length=200)
    decision = models.CharField(max_length=20, choices=Decision)
    comment = models.TextField(blank=True)
    fields = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["approval", "user"], name="vote_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_name}: {self.decision}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        return Q(approval__team_id__in=viewer.teams) | Q(user_id=viewer.id)

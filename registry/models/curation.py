"""What people and agents ask of the catalogue: proposed contracts, and reports about tools."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from registry.models.people import Team
from registry.models.tools import Tool, ToolVersion


class ProposalStatus(models.TextChoices):
    OPEN = "open", "In review"
    PUBLISHED = "published", "Published"
    REJECTED = "rejected", "Rejected"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    WITHDRAWN = "withdrawn", "Withdrawn"
    SUPERSEDED = "superseded", "Superseded"
    OUTDATED = "outdated", "Outdated"

    @property
    def colour(self) -> str:
        return _PROPOSAL_COLOURS.get(self.value, "grey")


_PROPOSAL_COLOURS = {
    "open": "amber",
    "published": "green",
    "changes_requested": "blue",
    "rejected": "red",
}


class ToolProposal(models.Model):
    """A tool's whole entry as a team wants it published, frozen when it was submitted.

    `base_version` is what was live then, None for a new tool; `contract` is what publishing the
    entry makes, and `digest` covers both, so that what reviewers approve is what is published.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    tool = models.ForeignKey(
        Tool, on_delete=models.SET_NULL, null=True, blank=True, related_name="proposals"
    )
    name = models.CharField(max_length=64)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="tool_proposals")
    base_version = models.ForeignKey(
        ToolVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    number = models.CharField(max_length=20, help_text="The version number that it asks for.")
    document = models.JSONField(help_text="The catalogue entry.")
    contract = models.JSONField(help_text="What publishing the entry makes.")
    digest = models.CharField(max_length=64)
    differences = models.JSONField(default=list)
    notes = models.TextField(blank=True)
    status = models.CharField(max_length=20, choices=ProposalStatus, default=ProposalStatus.OPEN)
    outcome = models.TextField(blank=True, help_text="Why it was closed as it was.")
    requester_kind = models.CharField(max_length=20)
    requester_id = models.UUIDField(null=True)
    requester_name = models.CharField(max_length=200)
    requester_for = models.CharField(max_length=200, blank=True)
    approval_id = models.UUIDField(null=True, blank=True, help_text="The question about it.")
    published_version = models.ForeignKey(
        ToolVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["name", "-id"]),
            models.Index(fields=["requester_id", "-id"]),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(status="open"), name="proposal_one_open_per_tool"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        """The owning team's, and what the viewer proposed."""
        own = Q(requester_kind=viewer.kind, requester_id=viewer.id)
        return Q(team_id__in=viewer.teams) | own


class ReportKind(models.TextChoices):
    PROBLEM = "problem", "Problem"
    REQUEST = "request", "Request"


class ReportStatus(models.TextChoices):
    OPEN = "open", "Open"
    ANSWERED = "answered", "Answered"
    TAKEN_UP = "taken_up", "Became a proposal"
    CLOSED = "closed", "Closed"

    @property
    def colour(self) -> str:
        return _REPORT_COLOURS.get(self.value, "grey")


_REPORT_COLOURS = {"open": "amber", "answered": "blue", "taken_up": "green"}


class ToolReport(models.Model):
    """A problem with a tool, or the wish for one that there isn't yet.

    `team` is whose answer it waits for: the tool's owner, None for the platform team.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=ReportKind)
    tool = models.ForeignKey(
        Tool, on_delete=models.SET_NULL, null=True, blank=True, related_name="reports"
    )
    tool_name = models.CharField(max_length=64, blank=True)
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="tool_reports"
    )
    title = models.CharField(max_length=200)
    text = models.TextField()
    status = models.CharField(max_length=20, choices=ReportStatus, default=ReportStatus.OPEN)
    answer = models.TextField(blank=True)
    answered_by = models.CharField(max_length=200, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    proposal = models.ForeignKey(
        ToolProposal, on_delete=models.SET_NULL, null=True, blank=True, related_name="reports"
    )
    reporter_kind = models.CharField(max_length=20)
    reporter_id = models.UUIDField(null=True)
    reporter_name = models.CharField(max_length=200)
    reporter_for = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["team", "status", "-id"]),
            models.Index(fields=["reporter_id", "-id"]),
        ]

    def __str__(self) -> str:
        return self.title

    @staticmethod
    def visibility(viewer: Actor, action: str) -> Q:
        """The owning team's, and what the viewer reported."""
        own = Q(reporter_kind=viewer.kind, reporter_id=viewer.id)
        return Q(team_id__in=viewer.teams) | own

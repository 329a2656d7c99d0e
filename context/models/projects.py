"""Projects: the shared contexts that agents and people work in."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from kernel import clock, ids
from kernel.history import History
from kernel.visibility import VisibleQuerySet

from registry.models import Team

PROJECT_NAME = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]{0,99}\Z",
    "Use lower-case letters, digits, dots, dashes and underscores (100 at most).",
)


class Project(models.Model):
    """A shared context: files, decisions, status, next step. `rev` is its one gap-free number."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    name = models.CharField(max_length=100, unique=True, validators=[PROJECT_NAME])
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="projects")
    description = models.TextField(blank=True)
    rev = models.PositiveIntegerField(default=0, editable=False)
    status = models.CharField(max_length=60, default="new", editable=False)
    next_step = models.CharField(max_length=200, blank=True, editable=False)
    repository = models.CharField(
        max_length=300,
        blank=True,
        editable=False,
        help_text="The managed git repository's folder, relative to the home's `repositories/`.",
    )
    branch = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    history = History(excluded_fields=["rev", "status", "next_step"])

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

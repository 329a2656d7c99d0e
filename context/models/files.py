"""Files by version, their content by digest, and who read what."""

from typing import ClassVar

from django.db import models
from kernel import clock, ids
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from context.models.changes import Changeset
from context.models.projects import Project


class Blob(models.Model):
    """Content, stored once under its SHA-256."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size = models.PositiveIntegerField()
    content = models.BinaryField()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    def __str__(self) -> str:
        return self.sha256[:12]

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """Content belongs to no team by itself; it is seen through the files that bear it."""
        return models.Q(pk__in=[])


class Mode(models.TextChoices):
    """Git's file modes."""

    FILE = "100644", "File"
    EXECUTABLE = "100755", "Executable"
    SYMLINK = "120000", "Symbolic link"


class File(models.Model):
    """A path of a project as it is now. Deleted paths have no row here."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=500)
    version = models.PositiveIntegerField()
    rev = models.PositiveIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=6, choices=Mode, default=Mode.FILE)
    modified_by = models.CharField(
        max_length=200, blank=True, help_text="Empty: unchanged since it was imported."
    )

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        ordering: ClassVar = ["path"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "path"], name="file_path_unique")
        ]

    def __str__(self) -> str:
        return f"{self.path} v{self.version}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        return models.Q(project__team_id__in=viewer.teams)


class FileVersion(models.Model):
    """One version of one path; without a blob the path was deleted by it."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="file_versions")
    changeset = models.ForeignKey(Changeset, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=500)
    version = models.PositiveIntegerField()
    rev = models.PositiveIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="+")
    mode = models.CharField(max_length=6, choices=Mode, default=Mode.FILE)
    modified_by = models.CharField(max_length=200, blank=True)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "path", "version"], name="file_version_unique"
            ),
            models.UniqueConstraint(fields=["project", "path", "rev"], name="file_rev_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["project", "rev"]),
            # First versions by rev are each path that there was, once: a past rev is read through
            # them, path by path, instead of through every version of every path.
            models.Index(fields=["project", "version", "rev"], name="file_version_births"),
        ]

    def __str__(self) -> str:
        return f"{self.path} v{self.version}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        return models.Q(project__team_id__in=viewer.teams)


class ReadMark(models.Model):
    """The read ledger: the version of a path that a reader (a run, or an actor outside of any run)
    last saw. A write without a precondition is checked against it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=500)
    reader_id = models.UUIDField()
    version = models.PositiveIntegerField()
    rev = models.PositiveIntegerField(default=0, help_text="The project's rev when it was read.")
    read_at = models.DateTimeField(default=clock.now)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "path", "reader_id"], name="read_mark_unique"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["reader_id"], name="read_mark_reader")]

    def __str__(self) -> str:
        return f"{self.path} v{self.version}"

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        return models.Q(project__team_id__in=viewer.teams)

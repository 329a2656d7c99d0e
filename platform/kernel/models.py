"""The kernel's one concrete model, and the abstract ones that the apps build on."""

from typing import Any, ClassVar

from django.db import models

from kernel import clock, ids
from kernel.visibility import VisibleQuerySet


class PublishedVersion(models.Model):
    """One immutable published form of a definition. What happens points at one of these.

    `sort_key` is `kernel.versions.Version.key` of the number, `checksum` the SHA-256 over the
    canonical JSON of what was published. The database refuses changes too (`append_only`).
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    version = models.CharField(max_length=20)
    sort_key = models.BigIntegerField()
    checksum = models.CharField(max_length=64)
    published_at = models.DateTimeField(default=clock.now)
    published_by = models.CharField(max_length=200)

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        abstract = True
        ordering: ClassVar = ["-sort_key"]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A published version is never saved again."""
        if not self._state.adding:
            raise TypeError(f"{self} is published and can't change; publish a new version")
        super().save(*args, **kwargs)


class Outbox(models.Model):
    """A message that some layer wants delivered to the layer above: a topic and an id, no payload.

    Written in the transaction of the change that it tells of. It may be delivered twice; whoever
    receives it acts by a conditional update. Deleted when its receiver has returned.
    """

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    topic = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name_plural = "outbox"
        indexes: ClassVar = [
            models.Index(fields=["due_at"]),
            models.Index(fields=["topic", "subject_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.subject_id}"

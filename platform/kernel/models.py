"""The kernel's one concrete model, and the abstract ones that the apps build on."""

from typing import ClassVar

from django.db import models

from kernel import clock, ids


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

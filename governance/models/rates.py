"""Rate buckets: how far each rate limit's allowance is used up."""

from typing import ClassVar

from django.db import models
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet


class RateBucket(models.Model):
    """One rate limit of one party. `tat` is the theoretical arrival time of GCRA (ITU-T I.371), in
    microseconds since 1970: the moment at which the bucket would be full again."""

    key = models.CharField(max_length=200, primary_key=True)
    tat = models.BigIntegerField()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["tat"])]

    def __str__(self) -> str:
        return self.key

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """The platform team alone reads them: a key names agents and teams."""
        return models.Q(pk__in=[])

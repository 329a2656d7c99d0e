"""What is searched of the tools: one row for each tool that can be found.

The full-text index itself is the database's own: an FTS5 table `registry_tooltext` on SQLite, whose
rowids are these ids, and `tsvector` columns `document` and `names` of this table on PostgreSQL.
They are made after each migration (`registry.discovery.schema`) and written by
`registry.discovery`, in the transaction of the change.
"""

from typing import ClassVar

from django.db import models
from kernel.actor import Actor
from kernel.visibility import VisibleQuerySet

from registry.models.tools import DataClass, Executor, Tool

BAR = "|"


class ToolEntry(models.Model):
    """The live contract of one tool, as filters, policies and searches ask for it.

    `tags`, `permissions` and `environments` are words between bars (`|code|testing|`), so that one
    `LIKE` asks for a word on both databases. `vector` is the text's place in the space of `model`:
    `dimension` half-precision numbers, little-endian, of length one; it belongs to the text whose
    SHA-256 is `vector_checksum`, and is stale where that isn't `text_checksum`. `stamp` is a random
    number that changes with the row: the sum over all rows tells a process that something changed.
    """

    id = models.BigAutoField(primary_key=True)
    tool = models.OneToOneField(Tool, on_delete=models.CASCADE, related_name="entry")
    text = models.TextField(help_text="Name, title, description and tags, as they are embedded.")
    checksum = models.CharField(max_length=64)
    text_checksum = models.CharField(max_length=64)
    tags = models.TextField(blank=True)
    permissions = models.TextField(blank=True)
    environments = models.TextField(blank=True)
    data_class = models.CharField(max_length=20, choices=DataClass)
    executor = models.CharField(max_length=20, choices=Executor)
    cost_micros = models.BigIntegerField()
    facts = models.JSONField(help_text="What policies see of the contract, without its name.")
    facts_checksum = models.CharField(max_length=64)
    model = models.CharField(max_length=80, blank=True)
    dimension = models.PositiveSmallIntegerField(default=0)
    vector = models.BinaryField(null=True)
    vector_checksum = models.CharField(max_length=64, blank=True)
    stamp = models.BigIntegerField()

    objects = models.Manager.from_queryset(VisibleQuerySet)()

    class Meta:
        verbose_name = "search entry"
        verbose_name_plural = "search entries"
        indexes: ClassVar = [models.Index(fields=["stamp"])]

    def __str__(self) -> str:
        return self.tool.name

    @staticmethod
    def visibility(viewer: Actor, action: str) -> models.Q:
        """Whoever sees the tool sees its entry; nobody changes it by hand."""
        own = models.Q(tool__team_id__in=viewer.teams)
        shown = own | models.Q(tool__is_shared=True)
        return shown if action == "view" else models.Q(pk__in=[])

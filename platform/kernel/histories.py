"""Many definitions saved at once: each with its history and its signal, in a few statements."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Model
from simple_history.signals import post_create_historical_record
from simple_history.utils import get_m2m_field_name

from kernel.history import History

BATCH = 200
Related = Mapping[str, Sequence[Iterable[Model]]]


def create_all(rows: Sequence[Any], related: Related) -> None:
    """Insert new rows of one model. `related` tells by field what each of them, in their order, has
    in its many-to-many fields. Raises IntegrityError."""
    if not rows:
        return
    with transaction.atomic():
        type(rows[0]).objects.bulk_create(rows, batch_size=BATCH)
        for name, others in related.items():
            through, own, other = _through(rows[0], name)
            made = [
                through(**{f"{own}_id": row.pk, f"{other}_id": each.pk})
                for row, own_others in zip(rows, others, strict=True)
                for each in own_others
            ]
            through.objects.bulk_create(made, batch_size=BATCH)
        _keep(rows, "+", [()] * len(rows))


def change_all(rows: Sequence[Any], changed: Sequence[Sequence[str]]) -> None:
    """Write saved rows of one model as they are now; `changed` tells the fields of each that
    differ. What they have in many-to-many fields stays."""
    if not rows:
        return
    model = type(rows[0])
    fields = [each.name for each in model._meta.concrete_fields if not each.primary_key]
    key = model._meta.pk.name
    with transaction.atomic():
        model.objects.bulk_create(
            rows,
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=[key],
            update_fields=fields,
        )
        _keep(rows, "~", changed)


def _keep(rows: Sequence[Any], kind: str, changed: Sequence[Sequence[str]]) -> None:
    """The state of each row as a row of its history, and what listens to single ones is told."""
    model = type(rows[0])
    manager = model.history
    kept = manager.bulk_history_create(rows, batch_size=BATCH, update=kind == "~")
    for field in manager.model._history_m2m_fields:
        _keep_related(rows, kept, field)
    for row, history, names in zip(rows, kept, changed, strict=True):
        post_create_historical_record.send(
            sender=manager.model, instance=row, history_instance=history, changed=names
        )


def _keep_related(rows: Sequence[Any], kept: Sequence[Any], field: Any) -> None:
    own = get_m2m_field_name(field)
    through, held = getattr(rows[0], field.name).through, History.m2m_models[field]
    by_row = {row.pk: history for row, history in zip(rows, kept, strict=True)}
    names = [each.attname for each in through._meta.fields]
    found = [
        held(history=by_row[link[f"{own}_id"]], **link)
        for link in through.objects.filter(**{f"{own}__in": list(by_row)}).values(*names)
    ]
    held.objects.bulk_create(found, batch_size=BATCH)


def _through(row: Any, name: str) -> tuple[Any, str, str]:
    field = row._meta.get_field(name)
    return getattr(row, name).through, field.m2m_field_name(), field.m2m_reverse_field_name()

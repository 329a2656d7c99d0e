"""Conditions that partial indexes are found by."""

from django.db.models import BooleanField, F, Func, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import In


def among(*values: str, field: str = "status") -> Func:
    """`field IN (…)` with the words in the SQL itself.

    SQLite takes a partial index only where the condition is written as in the index, in the same
    order, and a list of parameters never is. Raises ValueError for what is no plain word.
    """
    if not all(value.isidentifier() for value in values):
        raise ValueError(f"{values} aren't all plain words")
    words = ", ".join(f"'{value}'" for value in values)
    return Func(F(field), template=f"%(expressions)s IN ({words})", output_field=BooleanField())


def whatever_the_index(field: str, *values: str) -> In:
    """The same, for one row that is found by its key: written so that no partial index answers it.

    Such an index over what is under way looks nearly empty to the planner, which then reads all of
    it, with whatever has ended since it was last cleaned, to find the one row.
    """
    return In(Coalesce(field, Value("")), list(values))

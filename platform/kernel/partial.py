"""Conditions that partial indexes are found by."""

from django.db.models import BooleanField, F, Func


def among(*values: str, field: str = "status") -> Func:
    """`field IN (…)` with the words in the SQL itself.

    SQLite takes a partial index only where the condition is written as in the index, in the same
    order, and a list of parameters never is. Raises ValueError for what is no plain word.
    """
    if not all(value.isidentifier() for value in values):
        raise ValueError(f"{values} aren't all plain words")
    words = ", ".join(f"'{value}'" for value in values)
    return Func(F(field), template=f"%(expressions)s IN ({words})", output_field=BooleanField())

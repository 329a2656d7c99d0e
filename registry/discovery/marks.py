"""A mark for each of very many tools, made in this process and asked by the database.

What policies say of ten thousand tools is no column, and as a list of ids it takes the database
longer to read than to search. So it travels as bytes, one for each entry's id, and is looked at for
the rows that are read anyway.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import BigAutoField, Lookup


@dataclass(frozen=True)
class Marks:
    """A byte for the entry of id `first` and each one after it; zero, and none, is no mark."""

    first: int
    marks: bytes


class Marked(Lookup):
    """`entry__id__marked=Marks(…)`: what has a mark. A row that was added since has none."""

    lookup_name = "marked"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, parameters = self.process_lhs(compiler, connection)
        first, last = self.rhs.first, self.rhs.first + len(self.rhs.marks) - 1
        if connection.vendor == "postgresql":
            mark = f"get_byte(%s::bytea, ({column} - %s)::int) > 0"
        else:
            mark = f"substr(%s, {column} - %s + 1, 1) > x'00'"
        # A CASE, so that no byte outside is asked for, and no index is thought to be of use.
        sql = f"CASE WHEN {column} BETWEEN %s AND %s THEN {mark} ELSE false END"
        values = [*parameters, first, last, self.rhs.marks, *parameters, first]
        return sql, values


BigAutoField.register_lookup(Marked)

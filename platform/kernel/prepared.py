"""Statements that are asked over and over: the ORM writes each once, and it is only filled in then.

Building a query costs more than running it. A prepared statement is built from the models as any
other, so it follows their columns; what changes from one time to the next stands in it as a `Slot`.
On PostgreSQL the server keeps its plan too, unless `DATABASE_PREPARED` is off (a pooler between).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.models import AutoField, Expression, Field, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql import UpdateQuery

from kernel import together

Row = TypeVar("Row")
One = TypeVar("One", bound=Model)
_SET = "set_"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class _Place:
    """Where a value is filled in, and the field that says how the database keeps it."""

    name: str
    field: "Field[Any, Any]"


class Slot(Expression):
    """A value that is given when the statement is run: `filter(prefix=Slot("prefix", …))`."""

    def __init__(self, name: str, output_field: "Field[Any, Any]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (_Place(self.name, self.output_field),)


def slot(model: type[Model], name: str, field: str = "") -> Slot:
    """A slot `name` for a value of the model's field, which is of the same name unless told."""
    found: Any = model._meta.get_field(field or name)
    return Slot(name, found.target_field if found.is_relation else found)


@dataclass(frozen=True)
class _Text:
    """A statement in one database's words, and its parameters in order."""

    sql: str
    parameters: tuple[Any, ...]

    def filled(self, values: Mapping[str, Any]) -> list[Any]:
        # Not the proxy: it looks up the thread's connection at every touch.
        own = connections[DEFAULT_DB_ALIAS]
        return [
            each.field.get_db_prep_save(values[each.name], own)
            if isinstance(each, _Place)
            else each
            for each in self.parameters
        ]


class Select(Generic[Row]):
    """A query built once. `rows` makes the same instances or tuples that the queryset would."""

    def __init__(
        self,
        build: Callable[[], QuerySet[Any, Row]],
        samples: Mapping[str, tuple[Any, "Field[Any, Any]"]] = _NOTHING,
    ) -> None:
        """`samples`: for a condition that takes no slot, the value that it was built with stands
        for the slot of that name. It must be one that nothing else in the query has."""
        self._build, self._samples = build, samples
        self._compiled: dict[str, tuple[_Text, _Reader]] = {}

    def rows(self, **values: Any) -> list[Row]:
        text, reader = self._compiled.get(connection.vendor) or self._compile()
        return list(reader.read(_fetched((text.sql, text.filled(values)))))

    def question(self, **values: Any) -> together.Statement:
        """What `rows` will ask, for `together.ahead`."""
        text, _ = self._compiled.get(connection.vendor) or self._compile()
        return text.sql, text.filled(values)

    def first(self, **values: Any) -> Row | None:
        return next(iter(self.rows(**values)), None)

    def _compile(self) -> "tuple[_Text, _Reader]":
        found = self._build()
        compiler = found.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        places = {
            field.get_db_prep_save(value, connection): _Place(name, field)
            for name, (value, field) in self._samples.items()
        }
        slots = tuple(places.get(each, each) if places else each for each in parameters)
        compiled = _Text(sql, slots), _Reader.of(compiler, found)
        self._compiled[connection.vendor] = compiled
        return compiled


@dataclass(frozen=True)
class _Reader:
    """How rows of a compiled query become what the queryset would give."""

    compiler: Any
    converters: Mapping[int, Any]
    populators: Sequence[Any]
    names: tuple[str, ...]

    @classmethod
    def of(cls, compiler: Any, rows: QuerySet[Any]) -> "_Reader":
        converters = compiler.get_converters([each[0] for each in compiler.select])
        info = compiler.klass_info
        if not issubclass(rows._iterable_class, ModelIterable):
            return cls(compiler, converters, (), ())
        names = tuple(compiler.select[at][0].target.attname for at in info["select_fields"])
        populators = get_related_populators(info, compiler.select, "default")  # type: ignore[call-arg]
        return cls(compiler, converters, populators, names)

    def read(self, rows: Sequence[Sequence[Any]]) -> Iterator[Any]:
        found: Any = rows
        if self.converters and rows:
            found = self.compiler.apply_converters(rows, self.converters)
        return map(self._instance, found) if self.names else map(tuple, found)

    def _instance(self, row: Sequence[Any]) -> Model:
        info = self.compiler.klass_info
        first = info["select_fields"][0]
        made: Model = info["model"].from_db(
            "default", self.names, row[first : first + len(self.names)]
        )
        for each in self.populators:
            each.populate(row, made)
        for name, place in (self.compiler.annotation_col_map or {}).items():
            setattr(made, name, row[place])
        return made


class Update:
    """A conditional update, built once for each set of fields that it gives values to."""

    def __init__(self, build: Callable[[], QuerySet[Any]], **expressions: Any) -> None:
        """`expressions` are set at every run, computed by the database."""
        self._build, self._expressions = build, expressions
        self._compiled: dict[tuple[str, frozenset[str]], _Text] = {}

    def run(self, fields: Mapping[str, Any] = _NOTHING, **values: Any) -> int:
        """Give the fields these values where the condition holds; returns how many rows changed."""
        names = frozenset(fields)
        text = self._compiled.get((connection.vendor, names)) or self._compile(names)
        filled = values | {_SET + name: value for name, value in fields.items()}
        return _run(text.sql, text.filled(filled), rows=1)

    def _compile(self, names: frozenset[str]) -> _Text:
        query: Any = self._build().query.chain(UpdateQuery)
        given = {name: slot(query.model, _SET + name, name) for name in sorted(names)}
        query.add_update_values(self._expressions | given)
        sql, parameters = query.get_compiler(connection=connection).as_sql()
        text = self._compiled[connection.vendor, names] = _Text(sql, tuple(parameters))
        return text


class Insert(Generic[One]):
    """An insert built once for each number of rows. Only a key that the database counts is left
    out, and isn't read back."""

    def __init__(self, model: type[One], *, ignore_conflicts: bool = False) -> None:
        self._model, self._ignoring = model, ignore_conflicts
        self._compiled: dict[tuple[str, int], str] = {}

    @cached_property
    def _fields(self) -> list[Any]:
        fields = self._model._meta.concrete_fields
        return [field for field in fields if not isinstance(field, AutoField)]

    def run(self, *made: One) -> int:
        """Write these rows; returns how many are new."""
        fields, own = self._fields, connections[DEFAULT_DB_ALIAS]
        sql = self._compiled.get((connection.vendor, len(made))) or self._compile(len(made))
        parameters = [
            field.get_db_prep_save(field.pre_save(each, True), own)
            for each in made
            for field in fields
        ]
        count = _run(sql, parameters, rows=len(made))
        for each in made:
            each._state.adding, each._state.db = False, "default"
        return count

    def _compile(self, rows: int) -> str:
        quote = connection.ops.quote_name
        columns = ", ".join(quote(field.column) for field in self._fields)
        values = ", ".join(["(" + ", ".join(["%s"] * len(self._fields)) + ")"] * rows)
        ending = " ON CONFLICT DO NOTHING" if self._ignoring else ""
        table = quote(self._model._meta.db_table)
        sql = f"INSERT INTO {table} ({columns}) VALUES {values}{ending}"  # noqa: S608
        self._compiled[connection.vendor, rows] = sql
        return sql


def _fetched(question: together.Statement) -> list[Any]:
    own: Any = connections[DEFAULT_DB_ALIAS]
    if not together.keeps_plans(own):
        with own.cursor() as cursor:
            cursor.execute(*question)
            found: list[Any] = cursor.fetchall()
            return found
    ahead = together.told_ahead()
    if ahead is not None and (known := ahead.answer(question)) is not None:
        return known
    if batch := together.current():
        batch.answers(question)
    try:
        found = _asked(question)
    except OperationalError:
        if own.in_atomic_block or not _is_broken(own):
            raise
        # The server was restarted since the last request: a question can be asked again.
        own.close()
        found = _asked(question)
    # It was just used, so Django needn't try it before the request's next statement.
    own.health_check_done = True
    return found


def _asked(question: together.Statement) -> list[Any]:
    ahead = together.told_ahead()
    if ahead is not None:
        return ahead.asked(question)
    return together.sent_at_once([question])[0].fetchall()


def _run(sql: str, parameters: Sequence[Any], *, rows: int) -> int:
    """How many rows the statement changed. In a batch it waits, and is taken to change `rows`."""
    own: Any = connections[DEFAULT_DB_ALIAS]
    if not together.keeps_plans(own):
        with own.cursor() as cursor, together.told():
            cursor.execute(sql, parameters)
            return together.checked(max(int(cursor.rowcount), 0), rows, sql)
    own.close_if_health_check_failed()
    if batch := together.current():
        return batch.add((sql, parameters), rows)
    return max(together.sent_at_once([(sql, parameters)])[0].rowcount, 0)


def _is_broken(own: Any) -> bool:
    return own.connection is None or own.connection.closed

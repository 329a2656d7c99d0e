"""Which tools a search is about: filters over visible tools, by their live contracts."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db.models import BigAutoField, Lookup, Q, QuerySet
from kernel import money
from kernel.actor import Actor
from kernel.problems import Invalid, Issue

from registry.discovery import entries
from registry.models import Tool
from registry.models.agents import Environment
from registry.models.tools import DataClass, Executor

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def listed(actor: Actor) -> QuerySet[Tool]:
    """The tools that the actor may find: visible, published, and not removed from discovery."""
    rows: QuerySet[Tool] = Tool.objects.visible_to(actor)
    return rows.filter(live_version__isnull=False, removed_at__isnull=True)


def narrowed(rows: QuerySet[Tool], asked: Mapping[str, str]) -> QuerySet[Tool]:
    """The rows that every given filter lets through: `tag`, `team`, `permission`, `max_cost`,
    `environment`, `data_class`, `executor`, `deprecated`. An empty value asks nothing. Raises
    Invalid with the parameter's place for a value that can't be meant."""
    issues: list[Issue] = []
    for name, condition in _FILTERS.items():
        value = asked.get(name, "").strip()
        if not value:
            continue
        try:
            rows = rows.filter(condition(_text(value)))
        except ValueError as error:
            issues.append(Issue(f"/{name}", str(error)))
    if issues:
        raise Invalid("Some filters can't be meant.", errors=tuple(issues))
    return rows


def _text(value: str) -> str:
    """A value that a database takes: no control characters, no half of a pair."""
    if len(value) > 200 or not value.isprintable():
        raise ValueError("write at most 200 printable characters")
    return value


def _word(field: str) -> Callable[[str], Q]:
    return lambda value: Q(**{f"entry__{field}__contains": entries.barred([value])})


def _environment(value: str) -> Q:
    _known(value, Environment.values)
    return Q(entry__environments="") | _word("environments")(value)


def _cost(value: str) -> Q:
    try:
        return Q(entry__cost_micros__lte=money.to_micros(value))
    except money.MoneyError as error:
        raise ValueError(f"{error}; write the most that a call may cost, such as 0.05") from error


def _choice(field: str, choices: list[str]) -> Any:
    def condition(value: str) -> Q:
        _known(value, choices)
        return Q(**{f"entry__{field}": value})

    return condition


def _known(value: str, choices: list[str]) -> None:
    if value not in choices:
        raise ValueError(f"{value!r} is none of {', '.join(choices)}")


def _deprecated(value: str) -> Q:
    if value not in _TRUTHS:
        raise ValueError(f"{value!r} is neither true nor false")
    return Q(deprecated=_TRUTHS[value])


_FILTERS: dict[str, Any] = {
    "tag": _word("tags"),
    "team": lambda value: Q(team__name=value),
    "permission": _word("permissions"),
    "max_cost": _cost,
    "environment": _environment,
    "data_class": _choice("data_class", DataClass.values),
    "executor": _choice("executor", Executor.values),
    "deprecated": _deprecated,
}


class Among(Lookup):
    """`id__among=[…]`: one of these numbers, which travel as one parameter; as `IN` they would be
    one each."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, parameters = self.process_lhs(compiler, connection)
        ids = [int(each) for each in self.rhs]
        if connection.vendor == "postgresql":
            # A subselect, so that they are looked up one by one: looking into an array, the planner
            # would sooner read the whole table. They are few: what a search found.
            return f"{column} IN (SELECT unnest(%s::bigint[]))", [*parameters, ids]
        listed = f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608
        return listed, [*parameters, json.dumps(ids)]


BigAutoField.register_lookup(Among)


def among(rows: QuerySet[Tool], entry_ids: Iterable[int]) -> QuerySet[Tool]:
    """The rows whose entries have these ids."""
    return rows.filter(entry__id__among=tuple(entry_ids))


def entry_ids(rows: QuerySet[Tool]) -> set[int]:
    """The ids of the rows' entries."""
    found = rows.order_by().values_list("entry__id", flat=True)
    return {each for each in found if each is not None}

"""What is written in a protected table stays as it is: the database itself says so."""

from collections.abc import Callable

import pytest
from django.core import checks
from django.db import DatabaseError, connection, transaction
from kernel import append_only, ids

from governance import audit, budgets
from governance.models import AuditEvent, LedgerEntry, PolicyVersion, Vote
from registry.models import Agent, ToolVersion
from tests import factories
from tests.governance.rows import make_policy, make_vote, spent

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def _audit_event(agent: Agent) -> AuditEvent:
    return audit.record("run.started", target_name="x")


def _ledger_entry(agent: Agent) -> LedgerEntry:
    entry = spent(agent, 10)
    return budgets.settle(subject_id=entry.subject_id, entry=entry)


def _tool_version(agent: Agent) -> ToolVersion:
    version = factories.make_tool().live_version
    assert version is not None
    return version


def _policy_version(agent: Agent) -> PolicyVersion:
    version = make_policy("limits", [{"limit": {"timeout": 5}}]).live_version
    assert version is not None
    return version


def _vote(agent: Agent) -> Vote:
    return make_vote(agent)


MAKERS = [_audit_event, _ledger_entry, _tool_version, _policy_version, _vote]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[1:])
def test_a_row_can_be_neither_changed_nor_deleted_nor_replaced(
    agent: Agent, make: Callable[[Agent], object]
) -> None:
    row = make(agent)
    model = type(row)
    table, pk = model._meta.db_table, model._meta.pk.column
    key = row.pk.hex if connection.vendor == "sqlite" else row.pk
    columns = [field.column for field in model._meta.concrete_fields]
    statements = [
        (f'UPDATE "{table}" SET "{pk}" = "{pk}" WHERE "{pk}" = %s', [key]),
        (f'DELETE FROM "{table}" WHERE "{pk}" = %s', [key]),
    ]
    if connection.vendor == "sqlite":
        names = ", ".join(f'"{name}"' for name in columns)
        replace = f'INSERT OR REPLACE INTO "{table}" ({names}) SELECT {names} FROM "{table}"'
        statements.append((replace, []))
    else:
        # Deferred foreign keys still to be checked would refuse TRUNCATE for a reason of their own.
        statements.append((f'SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE "{table}" CASCADE', []))
    for statement, values in statements:
        with (
            pytest.raises(DatabaseError, match="only grows"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, values)
    assert model.objects.filter(pk=row.pk).count() == 1


def test_the_orm_is_refused_as_well(agent: Agent) -> None:
    line = _audit_event(agent)
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic():
        AuditEvent.objects.filter(id=line.id).update(event="run.finished")
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic():
        AuditEvent.objects.filter(id=line.id).delete()


def test_a_missing_trigger_is_told_and_installed_again(agent: Agent) -> None:
    table = AuditEvent._meta.db_table
    on = f' ON "{table}"' if connection.vendor == "postgresql" else ""
    name = append_only._names(connection, table)[0]
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TRIGGER "{name}"{on}')
    found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    told = [each for each in found if each.id == "kernel.W002"]
    assert len(told) == 1
    assert table in told[0].msg and "migrate" in (told[0].hint or "")
    append_only.install()
    assert append_only.missing() == []
    test_the_orm_is_refused_as_well(agent)


def test_a_migration_may_lift_the_protection_and_it_comes_back(agent: Agent) -> None:
    line = _audit_event(agent)
    with append_only.lifted():
        AuditEvent.objects.filter(id=line.id).update(target_name="moved")
    assert AuditEvent.objects.get(id=line.id).target_name == "moved"
    assert append_only.missing() == []


def test_every_table_that_must_only_grow_is_registered() -> None:
    expected = {
        "governance_auditevent",
        "governance_ledgerentry",
        "governance_policyversion",
        "governance_vote",
        "registry_toolversion",
    }
    assert expected <= set(append_only.tables())


@pytest.mark.django_db(transaction=True)
def test_a_transactional_test_leaves_no_rows_behind_and_the_triggers_stand() -> None:
    audit.record("run.started", target_id=ids.uuid7())
    assert append_only.missing() == []


@pytest.mark.django_db(transaction=True)
def test_after_a_transactional_test_the_log_is_empty_and_protected() -> None:
    assert AuditEvent.objects.count() == 0
    assert append_only.missing() == []

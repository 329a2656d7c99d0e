"""The kinds of governance in a catalogue: policy, grant, budget."""

from collections.abc import Mapping
from typing import Any

from kernel import actor as actors
from kernel import clock, money
from kernel.catalogue import (
    CatalogueError,
    CatalogueKind,
    Change,
    refuse_unknown,
    register,
    write,
)
from kernel.problems import Invalid, Issue, Problem

from governance import documents, grants, policies
from governance.models import Budget, Grant, Policy
from governance.models.budgets import Period
from governance.models.policies import PolicyStatus
from registry.models import Agent, Team

_POLICY = frozenset(
    {"kind", "name", "version", "status", "description", "team", "applies_to", "rules"}
)
_GRANT = frozenset({"kind", "name", "agent", "permission", "reason", "ends_at"})
_BUDGET = frozenset({"kind", "name", "team", "agent", "period", "limit", "is_active"})


def _one(kind: str, entry: Mapping[str, Any], key: str, model: Any) -> Any:
    found = model.objects.filter(name=entry.get(key)).first()
    if found is None:
        issue = Issue(f"/{key}", f"there is no {key} {entry.get(key)!r}")
        raise CatalogueError(kind, str(entry.get("name")), [issue])
    return found


def apply_policy(entry: Mapping[str, Any]) -> Change:
    """Write the policy, publish its document where it is new, and put it in force as it says."""
    refuse_unknown("policy", entry, _POLICY)
    name = str(entry["name"])
    status = entry.get("status", PolicyStatus.DRAFT)
    document = {key: entry[key] for key in ("applies_to", "rules") if key in entry}
    faults = list(documents.faults(document))
    if status not in PolicyStatus.values:
        faults.append(Issue("/status", f"write one of {', '.join(PolicyStatus.values)}"))
    if faults:
        raise CatalogueError("policy", name, faults)
    row = Policy.objects.filter(name=name).first() or Policy(name=name)
    team = _one("policy", entry, "team", Team) if entry.get("team") else None
    values = {
        "team": team,
        "description": entry.get("description", ""),
        "document": document,
        "version": str(entry.get("version", "1.0")),
    }
    return _in_force(row, write("policy", row, values), status)


def _in_force(row: Policy, change: Change, status: str) -> Change:
    if status == PolicyStatus.DRAFT:
        return change
    live = row.live_version
    try:
        version = policies.publish(row, by=actors.current().reference)
        moved = policies.put(row, status)
    except Problem as problem:
        issues = problem.errors or (Issue("/version", problem.detail),)
        raise CatalogueError("policy", row.name, issues) from problem
    if live is None or live.id != version.id:
        return Change("policy", row.name, "publish", f"{version.version}, {status}")
    return Change("policy", row.name, "update", status) if moved else change


def apply_grant(entry: Mapping[str, Any]) -> Change:
    """Give the permission, unless a live grant gives it already. A catalogue takes nothing away."""
    refuse_unknown("grant", entry, _GRANT)
    agent = _one("grant", entry, "agent", Agent)
    permission = str(entry.get("permission"))
    name = f"{agent.name}:{permission}"
    if permission in grants.live(agent.id, clock.now()):
        return Change("grant", name, "unchanged")
    try:
        grants.give(
            agent,
            permission,
            by=actors.current(),
            reason=str(entry.get("reason", "")),
            ends_at=entry.get("ends_at"),
        )
    except Invalid as problem:
        raise CatalogueError("grant", name, problem.errors) from problem
    return Change("grant", name, "create")


def apply_budget(entry: Mapping[str, Any]) -> Change:
    refuse_unknown("budget", entry, _BUDGET)
    name = str(entry["name"])
    try:
        limit = money.to_micros(entry.get("limit", ""))
    except money.MoneyError as error:
        raise CatalogueError("budget", name, [Issue("/limit", str(error))]) from error
    row = Budget.objects.filter(name=name).first() or Budget(name=name)
    values = {
        "team": _one("budget", entry, "team", Team),
        "agent": _one("budget", entry, "agent", Agent) if entry.get("agent") else None,
        "period": entry.get("period", Period.MONTH),
        "limit_micros": limit,
        "is_active": entry.get("is_active", True),
    }
    return write("budget", row, values)


def export_policies() -> list[dict[str, Any]]:
    return [
        {
            "kind": "policy",
            "name": each.name,
            "version": each.version,
            "status": each.status,
            "description": each.description,
        }
        | ({"team": each.team.name} if each.team else {})
        | each.document
        for each in Policy.objects.select_related("team")
    ]


def export_grants() -> list[dict[str, Any]]:
    """The grants that hold now."""
    rows = grants.live_at(clock.now()).select_related("agent", "permission").order_by("id")
    return [_exported_grant(each) for each in rows]


def _exported_grant(grant: Grant) -> dict[str, Any]:
    return {
        "kind": "grant",
        "name": f"{grant.agent.name}:{grant.permission.name}",
        "agent": grant.agent.name,
        "permission": grant.permission.name,
        "reason": grant.reason,
    } | ({"ends_at": grant.ends_at.isoformat()} if grant.ends_at else {})


def export_budgets() -> list[dict[str, Any]]:
    return [
        {"kind": "budget", "name": each.name, "team": each.team.name}
        | ({"agent": each.agent.name} if each.agent else {})
        | {"period": each.period, "limit": each.limit, "is_active": each.is_active}
        for each in Budget.objects.select_related("team", "agent")
    ]


def register_kinds() -> None:
    register(CatalogueKind("policy", 40, apply_policy, export_policies))
    register(CatalogueKind("grant", 40, apply_grant, export_grants))
    register(CatalogueKind("budget", 40, apply_budget, export_budgets))

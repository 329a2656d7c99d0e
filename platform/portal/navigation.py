"""What stands in the sidebars, and what every page is given."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from kernel.actor import actor_of


def context(request: HttpRequest) -> dict[str, Any]:
    """What every template may use."""
    return {"actor": actor_of(request), "currency": settings.CURRENCY}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The admin's navigation, by app."""
    return [
        _group("Pages", [("Home", "home", "/"), ("Approvals", "rule", "/approvals/")]),
        _group(
            "Registry",
            [
                ("Tools", "build", "/admin/registry/tool/"),
                ("Agents", "smart_toy", "/admin/registry/agent/"),
                ("Teams", "groups", "/admin/registry/team/"),
                ("People", "person", "/admin/registry/user/"),
                ("Permissions", "key", "/admin/registry/permission/"),
                ("Credentials", "vpn_key", "/admin/registry/credential/"),
            ],
        ),
        _group(
            "Governance",
            [
                ("Policies", "policy", "/admin/governance/policy/"),
                ("Grants", "verified_user", "/admin/governance/grant/"),
                ("Budgets", "account_balance_wallet", "/admin/governance/budget/"),
                ("Approvals", "how_to_vote", "/admin/governance/approval/"),
                ("Ledger", "receipt_long", "/admin/governance/ledgerentry/"),
                ("Audit log", "history_edu", "/admin/governance/auditevent/"),
            ],
        ),
        _group(
            "Context",
            [
                ("Projects", "folder_shared", "/admin/context/project/"),
                ("Decisions", "lightbulb", "/admin/context/decision/"),
                ("Changesets", "difference", "/admin/context/changeset/"),
            ],
        ),
        _group(
            "Orchestration",
            [
                ("Workflows", "account_tree", "/admin/orchestration/workflow/"),
                ("Runs", "play_circle", "/admin/orchestration/workflowrun/"),
                ("Agent tasks", "assignment", "/admin/orchestration/agenttask/"),
                ("Tool calls", "terminal", "/admin/orchestration/toolcall/"),
            ],
        ),
    ]


def _group(title: str, links: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "title": title,
        "separator": True,
        "items": [{"title": name, "icon": icon, "link": link} for name, icon, link in links],
    }

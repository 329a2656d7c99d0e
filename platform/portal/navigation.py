"""What stands in the sidebars, and what every page is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import Resolver404, resolve
from django.utils.functional import SimpleLazyObject
from kernel.actor import Actor, actor_of

from registry import reports

ROLES = {
    "platform": "platform team",
    "reviewer": "reviewer",
    "auditor": "auditor",
    "member": "team member",
}


@dataclass(frozen=True)
class Link:
    """One entry of the bar at the top."""

    title: str
    url: str
    active: bool


def context(request: HttpRequest) -> dict[str, Any]:
    """What every template may use."""
    actor = actor_of(request)
    return {
        "actor": actor,
        "currency": settings.CURRENCY,
        # The admin asks for the context once a fragment, and shows a bar of its own.
        "navigation": SimpleLazyObject(lambda: bar(actor, request.path)),
        "role": ROLES.get(next(iter(actor.roles), ""), ""),
    }


def bar(actor: Actor, path: str) -> tuple[Link, ...]:
    """The bar at the top: a reviewer's begins with what waits for an answer."""
    if actor.is_anonymous:
        return ()
    work = [
        ("Approvals", "/approvals/"),
        ("Runs", "/runs/"),
        ("Projects", "/projects/"),
        ("Tools", "/tools/"),
    ]
    waiting = reports.count_waiting(actor)
    if waiting:
        most = "+" if waiting == reports.MOST_COUNTED else ""
        work.append((f"Reports ({waiting}{most})", "/tools/reports/"))
    places = [("Home", "/"), *work, ("Admin", "/admin/")]
    # Reports are below the tools: the longest that fits is where the reader is.
    fitting = [url for _, url in places if path.startswith(url) and (url != "/" or path == "/")]
    here = max(fitting, key=len, default="")
    return tuple(Link(title, url, url == here) for title, url in places if _exists(url))


def _exists(url: str) -> bool:
    try:
        resolve(url)
    except Resolver404:
        return False
    return True


# By app: the title, the symbol's name in Material Symbols, and the address.
SIDEBAR: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Pages": (
        ("Dashboard", "dashboard", "/"),
        ("Approvals", "rule", "/approvals/"),
        ("Runs", "play_circle", "/runs/"),
        ("Projects", "folder_open", "/projects/"),
        ("Tools", "menu_book", "/tools/"),
    ),
    "Registry": (
        ("Tools", "build", "/admin/registry/tool/"),
        ("Proposed tools", "rate_review", "/admin/registry/toolproposal/"),
        ("Reports", "report", "/admin/registry/toolreport/"),
        ("Upstream servers", "hub", "/admin/registry/upstreamserver/"),
        ("Upstream tools", "compare_arrows", "/admin/registry/upstreamtool/"),
        ("Agents", "smart_toy", "/admin/registry/agent/"),
        ("Teams", "groups", "/admin/registry/team/"),
        ("People", "person", "/admin/registry/user/"),
        ("Permissions", "key", "/admin/registry/permission/"),
        ("Secrets", "lock", "/admin/registry/secret/"),
        ("Secret grants", "lock_person", "/admin/registry/secretgrant/"),
        ("Credentials", "vpn_key", "/admin/registry/credential/"),
    ),
    "Governance": (
        ("Policies", "policy", "/admin/governance/policy/"),
        ("Grants", "verified_user", "/admin/governance/grant/"),
        ("Budgets", "account_balance_wallet", "/admin/governance/budget/"),
        ("Approvals", "how_to_vote", "/admin/governance/approval/"),
        ("Ledger", "receipt_long", "/admin/governance/ledgerentry/"),
        ("Audit log", "history_edu", "/admin/governance/auditevent/"),
    ),
    "Context": (
        ("Projects", "folder_shared", "/admin/context/project/"),
        ("Decisions", "lightbulb", "/admin/context/decision/"),
        ("Changesets", "difference", "/admin/context/changeset/"),
    ),
    "Orchestration": (
        ("Workflows", "account_tree", "/admin/orchestration/workflow/"),
        ("Runs", "play_circle", "/admin/orchestration/workflowrun/"),
        ("Agent tasks", "assignment", "/admin/orchestration/agenttask/"),
        ("Tool calls", "terminal", "/admin/orchestration/toolcall/"),
    ),
    "Observability": (
        ("Agents by hour", "bar_chart", "/admin/observability/agenthour/"),
        ("Tools by hour", "stacked_bar_chart", "/admin/observability/toolhour/"),
        ("Teams by hour", "groups_2", "/admin/observability/teamhour/"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The admin's navigation, by app. Made anew each time: the theme writes into it."""
    return [_group(title, links) for title, links in SIDEBAR.items()]


def _group(title: str, links: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "title": title,
        "separator": True,
        "items": [_item(name, icon, link) for name, icon, link in links],
    }


def _item(name: str, icon: str, link: str) -> dict[str, Any]:
    item = {"title": name, "icon": icon, "link": link}
    # The theme takes a link for the current one where the page's path contains it.
    return item if link.startswith("/admin/") else item | {"active": _never}


def _never(request: HttpRequest) -> bool:
    return False


def icon(request: HttpRequest) -> str:
    """The admin's icon and favicon."""
    return static("portal/logo.svg")


def admin_style(request: HttpRequest) -> str:
    """What the admin's theme leaves out."""
    return static("portal/admin.css")

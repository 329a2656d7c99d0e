"""What is read and never edited: versions, accounts, holds, the ledger, approvals and votes."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from kernel import money
from kernel.admin import HappeningAdmin
from unfold.admin import TabularInline
from unfold.decorators import display

from governance.admin.reviewing import Reviewing
from governance.models import (
    Account,
    Approval,
    Asked,
    Hold,
    LedgerEntry,
    PolicyVersion,
    RateBucket,
    Vote,
)
from governance.verdicts import groups_of


@admin.register(PolicyVersion)
class PolicyVersionAdmin(HappeningAdmin):
    list_display = ("policy", "version", "published_at", "published_by", "checksum")
    list_filter = ("policy",)
    list_select_related = ("policy",)
    search_fields = ("policy__name", "version")


@admin.register(Account)
class AccountAdmin(HappeningAdmin):
    list_display = ("budget", "period_start", "spent", "held")
    list_select_related = ("budget",)
    search_fields = ("budget__name",)

    @display(description="spent")
    def spent(self, account: Account) -> str:
        return money.text(account.spent_micros)

    @display(description="held")
    def held(self, account: Account) -> str:
        return money.text(account.held_micros)


@admin.register(Hold)
class HoldAdmin(HappeningAdmin):
    list_display = ("amount", "status", "subject_kind", "subject_id", "account", "expires_at")
    list_filter = ("status",)
    list_select_related = ("account__budget",)

    @display(description="amount")
    def amount(self, hold: Hold) -> str:
        return money.text(hold.amount_micros)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(HappeningAdmin):
    """What was spent, the newest first."""

    list_display = ("created_at", "kind", "amount", "agent_name", "tool_name", "subject_id", "memo")
    list_filter = ("kind",)

    @display(description="amount")
    def amount(self, entry: LedgerEntry) -> str:
        return money.text(entry.amount_micros)


class _Read(TabularInline):  # type: ignore[misc]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may read the approval may read what belongs to it."""
        return True


class VoteInline(_Read):
    model = Vote
    fields = readonly_fields = ("user_name", "decision", "comment", "fields", "created_at")


@admin.register(Approval)
class ApprovalAdmin(Reviewing):
    """Questions and their answers. They are answered on their own page, `/approvals/{id}/`; one
    about a proposed tool also on the proposal's page here."""

    list_display = ("title", "state", "kind", "requester_name", "asked", "created_at", "deadline")
    list_filter = ("status", "kind")
    search_fields = ("=subject_id", "=id")
    search_help_text = "The id of an approval, or of what it is about."
    inlines: ClassVar = [VoteInline]

    @display(
        description="status",
        label={
            "open": "warning",
            "approved": "success",
            "changes_requested": "info",
            "rejected": "danger",
        },
    )
    def state(self, approval: Approval) -> str:
        return approval.status

    @display(description="asked")
    def asked(self, approval: Approval) -> str:
        groups = groups_of(approval.reviewers, approval.quorum)
        return "; ".join(_group(each) for each in groups)


def _group(group: dict[str, Any]) -> str:
    who = [f"{kind} {group[kind]}" for kind in ("role", "team") if group.get(kind)]
    who += group.get("users", [])
    return f"{group.get('quorum', 1)} of {' or '.join(who)}"


@admin.register(Vote)
class VoteAdmin(HappeningAdmin):
    list_display = ("approval", "user_name", "decision", "comment", "created_at")
    list_filter = ("decision",)
    list_select_related = ("approval",)


@admin.register(Asked)
class AskedAdmin(HappeningAdmin):
    list_display = ("approval", "kind", "name")
    list_filter = ("kind",)
    list_select_related = ("approval",)


@admin.register(RateBucket)
class RateBucketAdmin(HappeningAdmin):
    list_display = ("key", "full_again")
    search_fields = ("key",)

    @display(description="full again", ordering="tat")
    def full_again(self, bucket: RateBucket) -> datetime:
        return datetime.fromtimestamp(bucket.tat / 1_000_000, UTC)

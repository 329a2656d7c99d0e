"""Votes about proposed tools, cast where the admin shows the proposal."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from kernel.actor import actor_of
from kernel.admin import HappeningAdmin
from kernel.problems import Conflict, Invalid, NotFound

from governance import approvals, curation
from governance.models import Approval
from governance.models.approvals import Decision
from registry import proposals
from registry.models import ToolProposal, User


@dataclass(frozen=True)
class Refused:
    """The vote as it was sent, and why it doesn't count."""

    comment: str
    error: str
    errors: tuple[str, ...]


class Reviewing(HappeningAdmin):
    """Adds `{approval}/vote/`, to which the form on a proposal's page is sent."""

    class Meta:
        abstract = True

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.vote_view)
        own = path("<uuid:approval_id>/vote/", view, name="governance_approval_vote")
        return [own, *super().get_urls()]

    @method_decorator(require_POST)
    def vote_view(self, request: HttpRequest, approval_id: UUID) -> HttpResponse:
        """1. cast the vote, by the one function that there is for it; 2. back to the proposal; a
        vote that doesn't count is shown in its form, with the proposal as it is now."""
        row = _proposal(request, approval_id)
        decision, comment = (request.POST.get(name, "") for name in ("decision", "comment"))
        try:
            approvals.vote(
                approval_id,
                by=cast(User, request.user),
                decision=decision,
                comment=comment,
                seen=request.POST.get("seen", ""),
            )
        except (Invalid, Conflict) as error:
            told = tuple(issue.message for issue in error.errors)
            return self._refused(request, row, error.status, Refused(comment, error.detail, told))
        messages.success(request, Decision(decision).told)
        address = reverse("admin:registry_toolproposal_change", args=[row.pk])
        return HttpResponseRedirect(address, status=303)

    def _refused(
        self, request: HttpRequest, row: ToolProposal, status: int, refused: Refused
    ) -> HttpResponse:
        page: Any = self.admin_site.get_model_admin(ToolProposal)
        answer: HttpResponse = page.read_again(
            request, row, status=status, context={"refused": refused}
        )
        return answer


def _proposal(request: HttpRequest, approval_id: UUID) -> ToolProposal:
    """What the question is about; here only questions about proposals are answered, because of no
    other the admin shows all that it rests on."""
    actor = actor_of(request)
    rows = approvals.visible(actor).filter(id=approval_id, kind=curation.KIND)
    approval: Approval | None = rows.first()
    if approval is None:
        raise NotFound("There is no such question about a proposal, or it isn't visible to you.")
    return proposals.find(approval.subject_id, actor)

"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from governance import api as doors

api: list[URLPattern] = [
    path("approvals/", doors.ApprovalList.as_view(), name="api-approvals"),
    path("approvals/<uuid:approval_id>/", doors.ApprovalDetail.as_view(), name="api-approval"),
    path("approvals/<uuid:approval_id>/votes/", doors.VoteList.as_view(), name="api-votes"),
    path("policies/", doors.PolicyList.as_view(), name="api-policies"),
    path("policies/<str:name>/", doors.PolicyDetail.as_view(), name="api-policy"),
    path("budgets/", doors.BudgetList.as_view(), name="api-budgets"),
    path("audit/", doors.AuditList.as_view(), name="api-audit"),
]
pages: list[URLPattern] = []

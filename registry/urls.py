"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from registry.api import agents, curation, tools

api: list[URLPattern] = [
    path("tools/", tools.ToolList.as_view(), name="tools"),
    path("tools/proposals/", curation.ProposalList.as_view(), name="api-proposals"),
    path(
        "tools/proposals/<uuid:proposal_id>/",
        curation.ProposalDetail.as_view(),
        name="api-proposal",
    ),
    path(
        "tools/proposals/<uuid:proposal_id>/withdraw/",
        curation.ProposalWithdrawal.as_view(),
        name="api-proposal-withdraw",
    ),
    path("tools/reports/", curation.ReportList.as_view(), name="api-reports"),
    path("tools/reports/<uuid:report_id>/", curation.ReportDetail.as_view(), name="api-report"),
    path(
        "tools/reports/<uuid:report_id>/answer/",
        curation.ReportAnswer.as_view(),
        name="api-report-answer",
    ),
    path("tools/requests/", curation.RequestList.as_view(), name="api-requests"),
    path("tools/<str:name>/", tools.ToolDetail.as_view(), name="tool"),
    path(
        "tools/<str:name>/proposals/", curation.ToolProposals.as_view(), name="api-tool-proposals"
    ),
    path("tools/<str:name>/reports/", curation.ToolReports.as_view(), name="api-tool-reports"),
    path("agents/", agents.AgentList.as_view(), name="agents"),
    path("agents/<str:name>/", agents.AgentDetail.as_view(), name="agent"),
]
pages: list[URLPattern] = []

"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from registry.api import agents, curation, imports, secrets, tools, versions
from registry.pages import lifecycle, proposing, reports
from registry.pages import tools as tool_pages

api: list[URLPattern] = [
    path("tools/", tools.ToolList.as_view(), name="tools"),
    path("tools/import/", imports.ToolImport.as_view(), name="tools-import"),
    path("tools/export/", imports.ToolExport.as_view(), name="tools-export"),
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
    path("tools/<str:name>/versions/", versions.ToolVersions.as_view(), name="tool-versions"),
    path("tools/<str:name>/diff/", versions.ToolDiff.as_view(), name="tool-diff"),
    path(
        "tools/<str:name>/publication/",
        versions.ToolPublication.as_view(),
        name="tool-publication",
    ),
    path("tools/<str:name>/lifecycle/", versions.ToolLifecycle.as_view(), name="tool-lifecycle"),
    path("tools/<str:name>/lifecycle/<str:act>/", versions.ToolAct.as_view(), name="tool-act"),
    path("tools/<str:name>/aliases/", versions.ToolAliases.as_view(), name="tool-aliases"),
    path(
        "tools/<str:name>/aliases/<str:alias>/",
        versions.ToolAliasDetail.as_view(),
        name="tool-alias",
    ),
    path(
        "tools/<str:name>/proposals/", curation.ToolProposals.as_view(), name="api-tool-proposals"
    ),
    path("tools/<str:name>/reports/", curation.ToolReports.as_view(), name="api-tool-reports"),
    path("secrets/", secrets.SecretList.as_view(), name="secrets"),
    path("secrets/<str:name>/", secrets.SecretDetail.as_view(), name="secret"),
    path("secrets/<str:name>/grants/", secrets.SecretGrants.as_view(), name="secret-grants"),
    path(
        "secrets/<str:name>/grants/<uuid:grant_id>/",
        secrets.SecretGrantDetail.as_view(),
        name="secret-grant",
    ),
    path("agents/", agents.AgentList.as_view(), name="agents"),
    path("agents/<str:name>/", agents.AgentDetail.as_view(), name="agent"),
    path("agents/<str:name>/pins/", versions.AgentPins.as_view(), name="agent-pins"),
    path("agents/<str:name>/pins/<str:tool>/", versions.AgentPin.as_view(), name="agent-pin"),
]
pages: list[URLPattern] = [
    path("tools/", tool_pages.index, name="tools-page"),
    path("tools/proposals/", proposing.listing, name="proposals"),
    path("tools/proposals/new/", proposing.new, name="proposal-new"),
    path("tools/reports/", reports.listing, name="reports"),
    path("tools/reports/<uuid:report_id>/", reports.page, name="report"),
    path("tools/request/", reports.wish, name="tool-request"),
    path("tools/<str:name>/propose/", proposing.change, name="tool-propose"),
    path("tools/<str:name>/report/", reports.problem, name="tool-report"),
    path("tools/<str:name>/lifecycle/", lifecycle.page, name="tool-lifecycle-page"),
    path("tools/<str:name>/", tool_pages.page, name="tool-page"),
]

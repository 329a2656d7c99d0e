"""The REST doors and pages of this app; portal puts them together."""

from django.urls import URLPattern, path

from orchestration.api import calls, runs, tasks, upstreams, workflows
from orchestration.pages import drift, gates, inbox, publications, tool_diff, trial
from orchestration.pages import runs as run_pages

api: list[URLPattern] = [
    path("agents/<str:name>/tasks/", tasks.AgentTasks.as_view(), name="agent-tasks"),
    path("tasks/claim/", tasks.Claim.as_view(), name="task-claim"),
    path("tasks/<uuid:task_id>/", tasks.TaskDetail.as_view(), name="task"),
    path("tasks/<uuid:task_id>/heartbeat/", tasks.Heartbeat.as_view(), name="task-heartbeat"),
    path("tasks/<uuid:task_id>/events/", tasks.Events.as_view(), name="task-events"),
    path("tasks/<uuid:task_id>/complete/", tasks.Complete.as_view(), name="task-complete"),
    path("tasks/<uuid:task_id>/fail/", tasks.Fail.as_view(), name="task-fail"),
    path("workflows/", workflows.WorkflowList.as_view(), name="workflows"),
    path("workflows/<str:name>/", workflows.WorkflowDetail.as_view(), name="workflow"),
    path("workflows/<str:name>/runs/", workflows.WorkflowRuns.as_view(), name="workflow-runs"),
    path("runs/", runs.RunList.as_view(), name="api-runs"),
    path("runs/<uuid:run_id>/", runs.RunDetail.as_view(), name="api-run"),
    path("runs/<uuid:run_id>/events/", runs.RunEvents.as_view(), name="api-run-events"),
    path("runs/<uuid:run_id>/cancel/", runs.RunCancel.as_view(), name="api-run-cancel"),
    path("runs/<uuid:run_id>/resume/", runs.RunResume.as_view(), name="api-run-resume"),
    path("runs/<uuid:run_id>/fork/", runs.RunFork.as_view(), name="api-run-fork"),
    path("tools/<str:name>/call/", calls.Calling.as_view(), name="tool-call"),
    path("tool-calls/", calls.CallList.as_view(), name="tool-calls"),
    path("tool-calls/<uuid:call_id>/", calls.CallDetail.as_view(), name="tool-call-detail"),
    path("tool-calls/<uuid:call_id>/result/", calls.CallResult.as_view(), name="tool-call-result"),
    path("upstreams/", upstreams.UpstreamList.as_view(), name="upstreams"),
    path("upstreams/<str:name>/", upstreams.UpstreamDetail.as_view(), name="api-upstream"),
    path("upstreams/<str:name>/tools/", upstreams.UpstreamTools.as_view(), name="upstream-tools"),
    path("upstreams/<str:name>/sync/", upstreams.UpstreamSync.as_view(), name="upstream-sync"),
    path(
        "upstream-tools/<uuid:tool_id>/",
        upstreams.UpstreamToolDetail.as_view(),
        name="api-upstream-tool",
    ),
    path("upstream-tools/<uuid:tool_id>/accept/", upstreams.UpstreamToolAccept.as_view()),
    path("upstream-tools/<uuid:tool_id>/reject/", upstreams.UpstreamToolReject.as_view()),
]
pages: list[URLPattern] = [
    path("tools/<str:name>/diff/", tool_diff.page, name="tool-diff-page"),
    path("tools/<str:name>/try/", trial.page, name="tool-try"),
    path("approvals/", inbox.page, name="approvals"),
    path("approvals/<uuid:approval_id>/", gates.page, name="approval"),
    path("tools/proposals/<uuid:proposal_id>/", publications.page, name="proposal"),
    path(
        "tools/proposals/<uuid:proposal_id>/withdraw/",
        publications.withdraw,
        name="proposal-withdraw",
    ),
    path("runs/", run_pages.listing, name="runs"),
    path("runs/<uuid:run_id>/", run_pages.page, name="run"),
    path("runs/<uuid:run_id>/cancel/", run_pages.cancel, name="run-cancel"),
    path("runs/<uuid:run_id>/resume/", run_pages.resume, name="run-resume"),
    path("upstream-tools/<uuid:tool_id>/", drift.page, name="upstream-tool"),
    path("upstream-tools/<uuid:tool_id>/decide/", drift.decide, name="upstream-tool-decide"),
]

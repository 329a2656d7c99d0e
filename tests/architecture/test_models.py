"""Every model has an admin, hides its rows from outsiders, and, as a definition, keeps history.

What doesn't is in one of the tables, with the reason.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model, Q
from django.test import RequestFactory
from django.utils.module_loading import import_string
from kernel import clock, ids
from simple_history.models import HistoricalChanges

from context import files
from governance import approvals, budgets, grants, rates
from observability import rollups
from observability.models import DirtyHour
from orchestration.calls import references
from orchestration.models import CachedResult, CircuitBreaker, ExampleRun, IdempotencyKey, ToolCall
from registry import bindings, catalogue, drift, proposals, reports, secrets
from registry.models import Agent, Secret, Team, Tool, UpstreamServer, User
from tests import factories
from tests.architecture.source import APPS
from tests.governance import rows as governing
from tests.observability import rows as happening
from tests.pages import scenes

DENY = {"name": "no", "message": "Not today", "deny": True}
DEFINITIONS = {
    "registry.User", "registry.Team", "registry.Agent", "registry.Permission", "registry.Tool",
    "governance.Policy", "governance.Budget", "governance.Grant",
    "context.Project", "orchestration.Workflow", "registry.ToolAlias", "registry.VersionPin",
    "registry.UpstreamServer",
    "registry.Secret", "registry.SecretGrant",
}  # fmt: skip

WITHOUT_ADMIN: dict[str, str] = {
    "registry.SecretValue": "nobody reads it; it is set on its secret's page",
}
# Whose rows everybody who is signed in may see, and why.
SEEN_BY_ALL = {
    "registry.Permission": "the names of capabilities; which agent holds one is the grant's row",
}
# Models whose rows the scene below doesn't make: where it is proven that outsiders don't see them.
PROVEN_ELSEWHERE: dict[str, str] = {}


def models() -> Iterator[type[Model]]:
    for app in ("kernel", *APPS):
        for model in apps.get_app_config(app).get_models():
            if not issubclass(model, HistoricalChanges):
                yield model


def label(model: type[Model]) -> str:
    return model._meta.label


def test_every_model_has_an_admin() -> None:
    without = {label(model) for model in models() if model not in admin.site._registry}
    assert without == set(WITHOUT_ADMIN)


def test_definitions_keep_history_and_nothing_else_does() -> None:
    kept = {label(model) for model in models() if hasattr(model, "history")}
    assert kept == DEFINITIONS, "a definition is in the table and has HistoricalRecords"


@pytest.fixture
def house(team: Team, alice: User, rita: User, agent: Agent) -> None:
    """Rows of every kind that belong to alice's team, none of them shared."""
    tool = factories.make_tool("private", team=team, is_shared=False)
    bindings.point(tool, "stable", "1.0")
    bindings.pin(agent, tool, "stable")
    factories.make_key(agent)
    secret = Secret.objects.create(name="ours", team=team)
    secrets.put(secret, "a value of ours", by=alice.actor)
    secrets.give(secret, tool, by=alice.actor, reason="t")
    grants.give(agent, factories.make_permission("code_execution").name, by=alice.actor, reason="t")
    scene = scenes.gate(team, alice)
    scene.run.workflow_version.workflow.__class__.objects.update(is_shared=False)
    approvals.vote(scene.approval.id, by=rita, decision="approve", comment="")
    scenes.parked_call(agent, tool)
    _work_done(agent, tool, scene)
    _asked_of_the_catalogue(tool, alice)
    server = UpstreamServer.objects.create(name="ours", team=team, url="https://mcp.example/")
    drift.observe(server, [{"name": "act", "inputSchema": {"type": "object"}}])
    policy = governing.make_policy("ours", [DENY], team=team)
    assert policy.versions.exists()
    governing.make_budget("ours", team, 1_000_000)
    budgets.reserve(
        team_id=team.id,
        agent_id=agent.id,
        amount_micros=1,
        subject_kind="tool_call",
        subject_id=ids.uuid7(),
        expires_at=clock.now() + timedelta(minutes=1),
        at=clock.now(),
    )


def _asked_of_the_catalogue(tool: Tool, alice: User) -> None:
    entry = catalogue.entry_of(tool) | {"version": "1.1", "description": "Better."}
    proposals.submit(entry, by=alice.actor)
    reports.report_problem(tool.name, title="It hangs", text="Always.", by=alice.actor)


def _work_done(agent: Agent, tool: Tool, scene: scenes.GateScene) -> None:
    at = clock.now()
    happening.task(agent, at, project=scene.project).save()
    call = scenes.make_call(agent, tool, finished_at=at)
    ExampleRun.objects.create(
        tool_version=tool.live_version, position=0, checksum="0" * 64, passed=True,
        agent_name=agent.name, team_id=agent.team_id,
    )  # fmt: skip
    IdempotencyKey.objects.create(agent=agent, key="k", request_digest="0" * 64, call=call)
    files.read(scene.project.id, "README.md", reader_id=agent.id)
    rollups.fold()
    DirtyHour.objects.create(hour=at)
    rates.take([rates.Rate("agent:1", 1, 1, "")], at)
    _withstood(tool, call, at)


def _withstood(tool: Tool, call: ToolCall, at: datetime) -> None:
    CircuitBreaker.objects.create(tool=tool, failures=1, since=at)
    CachedResult.objects.create(
        key="0" * 64, tool_version=tool.live_version, team_id=call.team_id, call_id=call.id,
        result=1, expires_at=at,
    )  # fmt: skip
    large = references.large("x" * references.LARGE)
    assert large is not None
    references.keep(call, large)


@pytest.mark.usefixtures("house")
def test_an_outsider_sees_no_row_of_any_model(charlie: User) -> None:
    request = RequestFactory().get("/admin/")
    request.user = charlie
    seen, unmade = {}, set()
    for model in models():
        if label(model) in WITHOUT_ADMIN:
            continue
        if not model._default_manager.exclude(pk=charlie.pk).exists():
            unmade.add(label(model))
            continue
        rows: Any = admin.site._registry[model].get_queryset(request)
        count = rows.exclude(_of_charlie(model, charlie)).count()
        if count:
            seen[label(model)] = count
    assert set(seen) == set(SEEN_BY_ALL), seen
    assert unmade == set(PROVEN_ELSEWHERE), unmade


def _of_charlie(model: type[Model], charlie: User) -> Q:
    """Rows that are charlie's own business: himself, his team, and what concerns his team."""
    if model is User:
        return Q(pk=charlie.pk)
    if model is Team:
        return Q(pk__in=charlie.actor.teams)
    names = {field.name for field in model._meta.get_fields()}
    return Q(team_id__in=charlie.actor.teams) if names & {"team", "team_id"} else Q(pk__in=[])


def test_what_is_proven_elsewhere_is_there() -> None:
    for name in PROVEN_ELSEWHERE.values():
        module, test = name.split("::")
        assert callable(import_string(f"{module}.{test}"))

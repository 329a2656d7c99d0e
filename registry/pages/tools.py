"""`/tools/`: the tools, searched and filtered; `/tools/{name}/`: one tool's documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from kernel import api, console, money
from kernel.actor import Actor, actor_of
from kernel.problems import Invalid, Problem

from registry import contracts, discovery, publishing
from registry.api import listing
from registry.discovery import searching
from registry.models import Agent, Team, Tool, ToolVersion, UpstreamTool
from registry.models.agents import Environment
from registry.models.tools import DataClass, Executor
from registry.pages import parameters, snippets
from registry.pages.parameters import Row
from registry.pages.snippets import Snippet

PER_PAGE = 25
VERSIONS = 100
CHANGES = 12
AGENTS = 200
FILTERS = (
    "tag", "team", "permission", "max_cost", "environment", "data_class", "executor", "deprecated",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One tool in the list; `state` is whether the chosen agent may call it now, `why` the rest."""

    tool: Tool
    contract: Mapping[str, Any]
    state: str = ""
    why: str = ""

    @property
    def cost_micros(self) -> int:
        return money.to_micros(self.contract["cost_per_call"])

    @property
    def title(self) -> str:
        return title_of(self.contract)


def title_of(contract: Mapping[str, Any]) -> str:
    """The title that the tool's annotations give it; empty where the description says no more."""
    found = str(contract.get("annotations", {}).get("title", ""))
    return "" if found.strip() == contract["description"].strip() else found


@dataclass(frozen=True)
class Listed:
    """A page of tools, what was asked, and what can be asked."""

    page: "Page[Any]"
    entries: list[Entry]
    asked: dict[str, str]
    corrected: str = ""
    faults: tuple[str, ...] = ()
    choices: dict[str, Any] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.asked)

    @property
    def is_cut(self) -> bool:
        """Whether a search found more than it ranks."""
        return "q" in self.asked and self.page.paginator.count >= searching.MOST

    @property
    def has_filters(self) -> bool:
        return any(name not in ("q", "semantic") for name in self.asked)

    @property
    def more(self) -> str:
        """What a link to another page carries on."""
        return f"&{urlencode(self.asked)}" if self.asked else ""


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """The tools that the reader may see, by name, or as a search ranks them."""
    actor = actor_of(request)
    asked = {name: text for name in request.GET if (text := request.GET.get(name, "").strip())}
    asked.pop("page", None)
    return render(request, "registry/tools.html", {"listed": _listed(request, actor, asked)})


def _listed(request: HttpRequest, actor: Actor, asked: dict[str, str]) -> Listed:
    faults: tuple[str, ...] = ()
    corrected = ""
    rows: Any = discovery.listed(actor)
    try:
        rows = discovery.narrowed(rows, asked)
        columns = dict(asked)
        if "agent" in asked:
            columns["callable"] = asked.get("callable", "true")
            rows = api.narrowed("tool", rows, columns, actor)
        found = _searched(rows, asked)
        corrected = found.corrected if found else ""
        subjects: Sequence[Any] = [hit.entry_id for hit in found.hits] if found else []
    except Problem as problem:
        faults = _told(problem)
        rows, found, subjects, columns = Tool.objects.none(), None, [], {}
    ordered: Any = subjects if found else rows.order_by("name")
    page = Paginator(ordered, PER_PAGE).get_page(request.GET.get("page"))
    tools = _tools(rows, page, ranked=found is not None)
    told = api.columns("tool", tools, columns, actor).get("callable", {})
    return Listed(
        page=page,
        entries=[_entry(tool, told.get(tool.pk)) for tool in tools],
        asked=asked,
        corrected=corrected,
        faults=faults,
        choices=_choices(actor),
    )


def _told(problem: Problem) -> tuple[str, ...]:
    if isinstance(problem, Invalid) and problem.errors:
        return tuple(f"{issue.pointer.lstrip('/')}: {issue.message}" for issue in problem.errors)
    return (problem.detail,)


def _searched(rows: QuerySet[Tool], asked: Mapping[str, str]) -> discovery.Found | None:
    text = asked.get("q", "")
    if not text:
        return None
    return discovery.search(rows, text, listing.mode_of(asked), enough=searching.MOST)


def _tools(rows: QuerySet[Tool], page: "Page[Any]", *, ranked: bool) -> list[Tool]:
    related = ("live_version", "team", "replacement")
    if not ranked:
        chosen: Any = page.object_list
        return list(chosen.select_related(*related))
    ids = list(page.object_list)
    by_entry = {row.entry_id: row for row in listing.of_hits(ids)}
    return [by_entry[each] for each in ids if each in by_entry]


def _entry(tool: Tool, told: Mapping[str, Any] | None) -> Entry:
    assert tool.live_version is not None  # noqa: S101 - the list holds published tools alone
    why = " ".join(told["why"]) if told else ""
    return Entry(tool, tool.live_version.contract, told["state"] if told else "", why)


def _choices(actor: Actor) -> dict[str, Any]:
    agents = Agent.objects.visible_to(actor).order_by("name").values_list("name", flat=True)
    return {
        "teams": list(Team.objects.order_by("name").values_list("name", flat=True)[:AGENTS]),
        "agents": list(agents[:AGENTS]),
        "executors": Executor.choices,
        "data_classes": DataClass.choices,
        "environments": Environment.choices,
    }


@dataclass(frozen=True)
class Change:
    """One version in the changelog, newest first."""

    version: ToolVersion
    is_shown: bool
    is_live: bool
    aliases: list[str]
    changes: Sequence[Mapping[str, Any]]
    more: int


@dataclass(frozen=True)
class Documentation:
    """What a tool's page shows, of the version that was asked for."""

    tool: Tool
    version: ToolVersion
    contract: Mapping[str, Any]
    parameters: tuple[Row, ...]
    result: tuple[Row, ...]
    result_type: str
    snippets: tuple[Snippet, ...]
    changelog: list[Change]
    may_edit: bool
    drifted: UpstreamTool | None = None

    @property
    def is_live(self) -> bool:
        return self.tool.live_version_id == self.version.id

    @property
    def title(self) -> str:
        return title_of(self.contract)

    @property
    def cost_micros(self) -> int:
        return money.to_micros(self.contract["cost_per_call"])

    @property
    def data_class(self) -> str:
        return str(DataClass(self.contract["data_class"]).label)

    @property
    def executor(self) -> str:
        return str(Executor(self.contract["executor"]).label)

    @property
    def is_sunset(self) -> bool:
        return publishing.is_sunset(self.tool)

    @property
    def sandbox(self) -> list[tuple[str, str]]:
        """The sandbox's limits in words; nothing for what doesn't run in it."""
        if self.contract["executor"] not in ("python", "command", "git"):
            return []
        config = contracts.DEFAULT_SANDBOX | dict(self.contract["sandbox_config"])
        return [(name.replace("_", " "), _said(value)) for name, value in config.items()]

    @property
    def hints(self) -> list[str]:
        """What the contract promises about being called again."""
        said = {
            "twice does no harm": self.contract["idempotent"],
            "the same arguments give the same result": self.contract.get("pure"),
            "can be undone": self.contract["compensation"],
        }
        return [words for words, holds in said.items() if holds]


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


@login_required
def page(request: HttpRequest, name: str) -> HttpResponse:
    """One tool's documentation; `?version=` shows another version than the live one."""
    actor = actor_of(request)
    asked = request.GET.get("version", "")[:64] or None
    try:
        version = publishing.resolve(name, asked, actor)
    except Problem as problem:
        raise Http404(problem.detail) from problem
    shown = documentation(version, actor)
    panels = console.panels("tool", version.tool, actor)
    return render(request, "registry/tool.html", {"shown": shown, "panels": panels})


def documentation(version: ToolVersion, actor: Actor) -> Documentation:
    """Everything that the contract says, made readable."""
    tool, contract = version.tool, version.contract
    result = contract["result_schema"]
    examples = contract["examples"]
    arguments = examples[0]["arguments"] if examples else parameters.sample(contract["parameters"])
    return Documentation(
        tool=tool,
        version=version,
        contract=contract,
        parameters=parameters.rows(contract["parameters"]),
        result=parameters.rows(result),
        result_type=parameters.type_of(result, result) if isinstance(result, Mapping) else "",
        snippets=snippets.of(
            tool.name, arguments, base_url=settings.BASE_URL, mcp=_answers("/mcp")
        ),
        changelog=_changelog(tool, version),
        may_edit=Tool.objects.visible_to(actor, "change").filter(pk=tool.pk).exists(),
        drifted=_drifted(tool, actor) if tool.quarantined_at else None,
    )


def _drifted(tool: Tool, actor: Actor) -> UpstreamTool | None:
    """The upstream tool whose change it waits for, where the reader may look at it."""
    config = tool.executor_config
    rows = UpstreamTool.objects.visible_to(actor).filter(server__name=config.get("server", ""))
    row: UpstreamTool | None = rows.filter(name=config.get("tool") or tool.name).first()
    return row


def _answers(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _changelog(tool: Tool, shown: ToolVersion) -> list[Change]:
    versions = tool.versions.order_by("-sort_key").prefetch_related("aliases")[:VERSIONS]
    return [
        Change(
            version=each,
            is_shown=each.id == shown.id,
            is_live=each.id == tool.live_version_id,
            aliases=sorted(alias.name for alias in each.aliases.all()),
            changes=[change for change in each.changes if isinstance(change, dict)][:CHANGES],
            more=max(len(each.changes) - CHANGES, 0),
        )
        for each in versions
    ]

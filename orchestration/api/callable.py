"""`GET tools/?callable=true`: the tools that an agent may call now, and why one may not be."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from kernel import api, prepared
from kernel.actor import Actor
from kernel.prepared import slot
from kernel.problems import Invalid, Issue, NotFound

from orchestration import discovery
from orchestration.discovery import Asker
from registry.models import Agent, Tool
from registry.models.agents import Environment

PARAMETER = "callable"
BESIDE = ("agent", "environment")
SAID: Mapping[str, frozenset[str]] = {
    "true": frozenset(discovery.STATES) - {discovery.NO},
    "false": frozenset({discovery.NO}),
} | {state: frozenset({state}) for state in discovery.STATES}
"""What `callable` may say: which states it lets through."""


# The list that was narrowed and the page of it that is told rest on one look at the agent.
Narrowed = tuple[tuple[Actor, str, str], Asker]
_narrowed: ContextVar[Narrowed | None] = ContextVar("narrowed", default=None)
_OWN = prepared.Select(lambda: Agent.objects.select_related("team").filter(id=slot(Agent, "id")))


def narrow(
    rows: QuerySet[Tool], value: str, actor: Actor, *, agent: str = "", environment: str = ""
) -> QuerySet[Tool]:
    """The tools whose state is asked for, of those that the agent sees too."""
    if value not in SAID:
        issue = Issue(f"/{PARAMETER}", f"write one of {', '.join(SAID)}")
        raise Invalid("Which tools are asked for?", errors=(issue,))
    asker = asker_of(actor, agent, environment)
    _narrowed.set(((actor, agent, environment), asker))
    if actor.id != asker.agent.id:
        rows = rows.filter(pk__in=Tool.objects.visible_to(asker.agent.actor).values("pk"))
    if discovery.NO not in SAID[value]:
        return rows.filter(_states(asker, SAID[value]))
    return rows.exclude(_states(asker, frozenset(discovery.STATES) - SAID[value]))


def _states(asker: Asker, states: frozenset[str]) -> Q:
    """Which tools are in one of these states, none of which is a no."""
    offered = Q(sunset_at__isnull=True) | Q(sunset_at__gt=asker.at)
    found = Q(entry__id__marked=discovery.marks(asker, states))
    return offered & found & Q(quarantined_at__isnull=True)


def tell(
    rows: Sequence[Tool], value: str, actor: Actor, *, agent: str = "", environment: str = ""
) -> dict[UUID, dict[str, Any]]:
    """The answer for each row of a page."""
    asked, narrowed = (actor, agent, environment), _narrowed.get()
    _narrowed.set(None)
    asker = narrowed[1] if narrowed and narrowed[0] == asked else asker_of(*asked)
    found = discovery.answers(asker, rows)
    return {pk: answer.as_json() for pk, answer in found.items()}


def part(tool: Tool, actor: Actor) -> dict[str, Any] | None:
    """On the tool's own page: what an agent that asks may expect. People have no such answer."""
    if actor.kind != "agent" or actor.id is None:
        return None
    agent = _OWN.first(id=actor.id)
    return discovery.answer(Asker.of(agent, actor=actor), tool).as_json() if agent else None


def asker_of(actor: Actor, name: str = "", environment: str = "") -> Asker:
    """The agent that is asked about: the caller itself, or one of the caller's teams' agents (for
    the platform team and auditors: any). Raises NotFound and Invalid."""
    if environment and environment not in Environment.values:
        message = f"write {' or '.join(Environment.values)}"
        raise Invalid("There is no such environment.", errors=(Issue("/environment", message),))
    if actor.kind == "agent" and name in ("", actor.name):
        found = _OWN.first(id=actor.id)
    elif actor.kind == "agent":
        # An agent learns nothing about others.
        found = None
    elif not name:
        issue = Issue("/agent", "name the agent that would call")
        raise Invalid("Which agent is asked about?", errors=(issue,))
    else:
        found = Agent.objects.visible_to(actor).select_related("team").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no agent {name[:64]!r} for you.")
    own = actor if actor.id == found.id else None
    return Asker.of(found, environment, actor=own)


def register() -> None:
    """Attach the filter, the member of each row, and the part of the tool's own page."""
    api.add_filter("tool", PARAMETER, narrow, beside=BESIDE)
    api.add_column("tool", PARAMETER, tell, beside=BESIDE)
    api.add_part("tool", PARAMETER, part)

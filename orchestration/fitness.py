"""Whether an agent may do a run's work at all; a "no" needs a person to change something."""

from collections.abc import Iterable

from kernel.problems import Problem

from governance import grants
from orchestration.journal import Journal
from registry.models import Agent


class AgentUnfit(Problem):
    """The agent can't be given this work."""

    status, reason, title = 409, "agent_unfit", "The agent can't take this task"


def agent_for(journal: Journal, name: str, permissions: Iterable[str] = ()) -> Agent:
    """The agent of this name, if it may work for the run: active, of the run's team or of the
    workflow's (whose owner vouches for it), with live grants. Raises AgentUnfit."""
    agent: Agent | None = Agent.objects.select_related("team").filter(name=name).first()
    if agent is None:
        raise AgentUnfit(f"There is no agent {name!r}.")
    refuse_suspended(agent)
    owner = journal.run.workflow_version.workflow.team_id
    if agent.team_id not in (journal.run.team_id, owner):
        raise AgentUnfit(
            f"Agent {name} belongs to team {agent.team.name}, which is neither the run's "
            "nor the workflow's."
        )
    missing = set(permissions) - set(grants.live(agent.id, journal.now))
    if missing:
        raise AgentUnfit(
            f"Agent {name} lacks {', '.join(sorted(missing))}; ask for a grant, "
            "then fork the run from this step."
        )
    return agent


def refuse_suspended(agent: Agent) -> None:
    if not agent.is_active:
        raise AgentUnfit(f"Agent {agent.name} is suspended. Ask its team to activate it.")

"""Many agents at once: nothing is lost, and the revs have no gap."""

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection
from kernel.problems import Problem

from context import changesets, files, projects
from context.changesets import FileChange
from context.models import Changeset, FileVersion, Project
from registry.models import Agent
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

AGENTS = 6
ROUNDS = 8


@pytest.fixture
def agents() -> list[Agent]:
    team = factories.make_team("search")
    return [factories.make_agent(f"worker_{n}", team) for n in range(AGENTS)]


@pytest.fixture
def project(agents: list[Agent]) -> Project:
    found = projects.create("counter", team=agents[0].team, by=agents[0].actor)
    first = {"counter": FileChange(b"0")}
    changesets.apply(found.id, base_rev=0, by=agents[0].actor, files=first, kind="import")
    return found


def together(act: Callable[[Agent], None], agents: list[Agent]) -> None:
    """Every agent acts in a thread of its own; the first error of any is raised here."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(agents))

    def run(agent: Agent) -> None:
        try:
            start.wait(timeout=30)
            act(agent)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(agent,)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=150)
    if errors:
        raise errors[0]


def revs_of(project: Project) -> list[int]:
    rows = Changeset.objects.filter(project=project).order_by("rev")
    return list(rows.values_list("rev", flat=True))


def count_up(project: Project, by_version: bool) -> Callable[[Agent], None]:
    def act(agent: Agent) -> None:
        done = 0
        while done < ROUNDS:
            version, content = files.read(project.id, "counter", reader_id=agent.id)
            change = FileChange(
                str(int(content) + 1).encode(),
                expected_version=version.version if by_version else None,
            )
            try:
                changesets.apply(
                    project.id, base_rev=None, by=agent.actor, files={"counter": change}
                )
            except (changesets.Stale, changesets.PreconditionFailed):
                continue
            done += 1

    return act


@pytest.mark.parametrize("by_version", [True, False])
def test_no_count_is_lost(project: Project, agents: list[Agent], by_version: bool) -> None:
    together(count_up(project, by_version), agents)
    total = AGENTS * ROUNDS
    assert files.read(project.id, "counter")[1] == str(total).encode()
    assert revs_of(project) == list(range(1, total + 2))
    versions = FileVersion.objects.filter(project=project, path="counter").order_by("version")
    assert list(versions.values_list("version", flat=True)) == list(range(1, total + 2))
    project.refresh_from_db()
    assert project.rev == total + 1


def test_disjoint_changes_all_merge(project: Project, agents: list[Agent]) -> None:
    def act(agent: Agent) -> None:
        for number in range(ROUNDS):
            path = {f"{agent.name}/{number}": FileChange(agent.name.encode())}
            changesets.apply(project.id, base_rev=1, by=agent.actor, files=path)

    together(act, agents)
    assert revs_of(project) == list(range(1, AGENTS * ROUNDS + 2))
    assert len(files.listing(project.id)) == AGENTS * ROUNDS + 1


def test_one_of_many_with_the_same_base_wins(project: Project, agents: list[Agent]) -> None:
    outcomes: list[str] = []

    def act(agent: Agent) -> None:
        mine = {"counter": FileChange(agent.name.encode())}
        try:
            changesets.apply(project.id, base_rev=1, by=agent.actor, files=mine)
        except Problem as problem:
            outcomes.append(problem.reason)
        else:
            outcomes.append("won")

    together(act, agents)
    assert sorted(outcomes) == sorted(["won", *["conflict"] * (AGENTS - 1)])
    assert revs_of(project) == [1, 2]


def test_a_call_repeated_at_once_writes_once(project: Project, agents: list[Agent]) -> None:
    call = uuid4()
    made: list[int] = []

    def act(agent: Agent) -> None:
        changeset = changesets.apply(
            project.id,
            base_rev=1,
            by=agents[0].actor,
            files={"counter": FileChange(b"once")},
            call_id=call,
        )
        made.append(changeset.rev)

    together(act, agents)
    assert made == [2] * AGENTS
    assert revs_of(project) == [1, 2]


def test_new_content_written_by_all_at_once_is_stored_once(
    project: Project, agents: list[Agent]
) -> None:
    shared = {f"shared/{n}": f"content {n}".encode() for n in range(40)}

    def act(agent: Agent) -> None:
        mine = {f"{agent.name}/{path}": FileChange(text) for path, text in shared.items()}
        changesets.apply(project.id, base_rev=1, by=agent.actor, files=mine)

    together(act, agents)
    assert len(files.listing(project.id)) == 1 + AGENTS * len(shared)


def test_first_reads_at_once_leave_one_mark(project: Project, agents: list[Agent]) -> None:
    reader = agents[0].id
    together(lambda agent: _read(project, reader), agents)
    assert changesets.apply(
        project.id,
        base_rev=None,
        by=agents[0].actor,
        files={"counter": FileChange(b"seen")},
    )


def _read(project: Project, reader: object) -> None:
    for _ in range(ROUNDS):
        files.read(project.id, "counter", reader_id=reader)  # type: ignore[arg-type]

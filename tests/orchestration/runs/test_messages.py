"""Messages may be lost, doubled and out of order: the run gets to the same end."""

import random

import pytest
from kernel import outbox
from kernel.models import Outbox

from governance import approvals
from orchestration import runs, tasks
from orchestration.models import WorkflowRun
from registry.models import Agent, User
from tests.orchestration.runs import stories
from tests.orchestration.runs.conftest import Start

pytestmark = pytest.mark.django_db


def act(run: WorkflowRun, rita: User) -> bool:
    """Whoever can do something does it, once. Returns whether anybody could."""
    for name in stories.AGENTS:
        agent = Agent.objects.get(name=name)
        claimed = tasks.claim([agent], by=agent.actor)
        if claimed is not None:
            tasks.complete(claimed.task.id, claimed.token, {"place": name})
            return True
    if stories.statuses(run)["review"] == "waiting":
        approval = stories.question(run)
        approvals.vote(approval.id, by=rita, decision="approve", comment="")
        return True
    return False


def deliver_badly(dice: random.Random) -> None:
    """Every message that is due three times, in any order, until none is left."""
    while rows := outbox.due():
        found = {row_id: Outbox.objects.get(id=row_id) for row_id, _ in rows}
        orders = [row for row in found.values() for _ in range(3)]
        dice.shuffle(orders)
        for row in orders:
            outbox.wiring.receivers[row.topic](row.subject_id)
        Outbox.objects.filter(id__in=found).delete()


@pytest.mark.parametrize("seed", range(5))
def test_messages_three_times_and_out_of_order(start: Start, rita: User, seed: int) -> None:
    dice = random.Random(seed)
    run = start()
    while stories.status(run) != "succeeded":
        assert act(run, rita)
        deliver_badly(dice)
    assert stories.events(run).count("step.succeeded") == 4
    assert runs.verify(run.id) == []


def test_every_message_lost_and_the_sweep_alone_finishes(start: Start, rita: User) -> None:
    run = start()
    for _ in range(20):
        Outbox.objects.all().delete()
        tasks.recover()
        runs.recover()
        outbox.drain()
        if stories.status(run) == "succeeded":
            break
        act(run, rita)
    assert stories.status(run) == "succeeded"
    assert runs.verify(run.id) == []


def test_a_sweep_of_what_needs_nothing_writes_nothing(start: Start) -> None:
    start()
    assert runs.recover() == 0
    assert tasks.recover() == 0
    assert not Outbox.objects.exists()


def test_advancing_an_ended_run_changes_nothing(start: Start, alice: User) -> None:
    run = start()
    runs.cancel(run.id, by=alice.actor, reason="")
    before = stories.events(run)
    for _ in range(3):
        runs.advance(run.id)
    assert stories.events(run) == before

"""A process that runs the engine and plays the agents and the reviewer, to be killed at will.

It reads commands from standard input, one JSON object a line, and answers each with one on standard
output. Each command runs in a forked child, so that a kill costs no new interpreter:

    {"do": "setup"}                         migrate, and make the cast and the workflow
    {"do": "start"}                         start a run -> {"run": id}
    {"do": "work", "run", "crash", "ahead"} bring the run to its end; die at the point `crash`;
                                            read a clock that is `ahead` seconds ahead
    {"do": "hold", "run", "stops": true}    claim the writer's task, stop, complete it when woken
    {"do": "wake"|"kill", "child", "pipe"}  of a command that stopped, or has `"background": true`
    {"do": "verify", "run"}                 what the history checker and the rows say
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT)]
sys.path.append(str(ROOT / "platform"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from kernel import clock, crash, ids, outbox  # noqa: E402
from kernel.actor import SYSTEM  # noqa: E402

from governance import approvals  # noqa: E402
from orchestration import runs, tasks  # noqa: E402
from orchestration.models import RunEvent, Step, Workflow, WorkflowRun  # noqa: E402
from orchestration.models.runs import RUN_ENDED  # noqa: E402
from registry.models import Agent, User  # noqa: E402
from tests import factories  # noqa: E402
from tests.orchestration.runs import stories  # noqa: E402

Json = dict[str, Any]
LEASE = timedelta(seconds=20)
SLOW_SECONDS = 60


def setup(order: Json) -> Json:
    call_command("migrate", verbosity=0)
    team = factories.make_team("search")
    stories.cast(team)
    factories.make_user("alice", team=team)
    factories.make_user("rita", role="reviewer")
    stories.install(stories.SOURCE, team)
    return {}


def start(order: Json) -> Json:
    alice = User.objects.get(username="alice")
    workflow = Workflow.objects.get(name="refactor")
    run = runs.start(workflow, input={"topic": "kills"}, project=None, by=alice.actor)
    return {"run": str(run.id)}


def work(order: Json) -> Json:
    """The embedded process: deliver, recover, play the agents, until the run has ended."""
    crash.arm(order.get("crash", 0))
    with clock.shifted(timedelta(seconds=order.get("ahead", 0))):
        run = WorkflowRun.objects.get(id=order["run"])
        deadline = time.monotonic() + SLOW_SECONDS
        while run.status not in RUN_ENDED and time.monotonic() < deadline:
            _turn(run)
            run.refresh_from_db()
    return {"status": run.status}


def _turn(run: WorkflowRun) -> None:
    outbox.drain()
    tasks.recover()
    runs.recover()
    _resume(run)
    for name in stories.AGENTS:
        agent = Agent.objects.get(name=name)
        claimed = tasks.claim([agent], by=agent.actor, lease=LEASE)
        if claimed is not None:
            crash.point("agent.working")
            # Every execution bears a mark of its own: the one that counts is seen in what follows.
            tasks.complete(
                claimed.task.id, claimed.token, {"place": name, "mark": str(ids.uuid7())}
            )
    _review(run)


def _resume(run: WorkflowRun) -> None:
    """A step that lost its agent too often waits for a person; here is one."""
    run.refresh_from_db()
    if run.status == "paused":
        runs.resume(run.id, by=User.objects.get(username="alice").actor)


def _review(run: WorkflowRun) -> None:
    rita = User.objects.get(username="rita")
    for approval in approvals.waiting_for(rita.actor):
        approvals.vote(approval.id, by=rita, decision="approve", comment="fine")
        crash.point("vote.cast")


def hold(order: Json) -> Json:
    """An agent that sleeps past its lease and then reports as if nothing had happened."""
    agent = Agent.objects.get(name="writer")
    outbox.drain()
    claimed = tasks.claim([agent], by=agent.actor, lease=timedelta(seconds=1))
    if claimed is None:
        return {"claimed": False}
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        tasks.complete(claimed.task.id, claimed.token, {"mark": "late"})
    except tasks.StaleToken as refusal:
        return {"claimed": True, "refused": refusal.reason}
    return {"claimed": True, "refused": None}


def verify(order: Json) -> Json:
    run = WorkflowRun.objects.get(id=order["run"])
    steps = list(Step.objects.filter(run=run))
    names = list(RunEvent.objects.filter(run=run).values_list("name", flat=True))
    check = next(step for step in steps if step.name == "check")
    write = next(step for step in steps if step.name == "write")
    return {
        "status": run.status,
        "faults": runs.verify(run.id),
        "rows": len(steps),
        "succeeded": names.count("step.succeeded"),
        "finished": names.count("run.finished"),
        "stale": names.count("stale_result"),
        "handed_on": (check.input or {}).get("text") == write.output,
        "by": SYSTEM.name,
    }


ACTS: dict[str, Callable[[Json], Json]] = {
    "setup": setup,
    "start": start,
    "work": work,
    "hold": hold,
    "verify": verify,
}


def forked(order: Json) -> Json:
    """Run the command in a child; a child that was killed answers with the signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            answer = ACTS[order["do"]](order)
            os.write(writer, json.dumps(answer).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    if order.get("stops"):
        return {"stopped": _wait_until_stopped(child), "child": child, "pipe": reader}
    if order.get("background"):
        return {"child": child, "pipe": reader}
    return _answer(child, reader)


def _wait_until_stopped(child: int) -> bool:
    _, status = os.waitpid(child, os.WUNTRACED)
    return os.WIFSTOPPED(status)


def _answer(child: int, reader: int) -> Json:
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"killed": os.WTERMSIG(status)}
    if os.WEXITSTATUS(status):
        return {"failed": os.WEXITSTATUS(status)}
    answer: Json = json.loads(data)
    return answer


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "wake":
            os.kill(order["child"], signal.SIGCONT)
            answer = _answer(order["child"], order["pipe"])
        elif order["do"] == "kill":
            os.kill(order["child"], signal.SIGKILL)
            answer = _answer(order["child"], order["pipe"])
        else:
            answer = forked(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""The table of runtimes: how an agent of each kind gets its tasks.

A runtime with a topic is told of each task through the outbox; `pull` needs nothing, because its
agents ask by themselves.
"""

from registry.models.agents import Runtime

TOPICS: dict[str, str | None] = {
    Runtime.PULL.value: None,
    Runtime.STARTER.value: "task.launch",
}


def topic_of(runtime: str) -> str | None:
    """The outbox topic that tells the runtime of a queued task."""
    return TOPICS[runtime]

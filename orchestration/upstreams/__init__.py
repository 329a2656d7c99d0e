"""Upstream MCP servers: sessions that are kept, calls through them, and watching for drift.

`call` is the executor's way in; `list_tools`, `test` and `sync` ask a saved server what it offers;
`queue_due` is the timer's duty and `deliver` the receiver of `upstream.sync`; `close` ends every
session of this process.
"""

from orchestration.upstreams.calling import call
from orchestration.upstreams.faults import Late, Malformed, Refused, Unreachable, UpstreamFault
from orchestration.upstreams.pool import close, opened
from orchestration.upstreams.synchronising import (
    TOPIC,
    Report,
    deliver,
    list_tools,
    queue_due,
    sync,
    test,
)

__all__ = [
    "TOPIC",
    "Late",
    "Malformed",
    "Refused",
    "Report",
    "Unreachable",
    "UpstreamFault",
    "call",
    "close",
    "deliver",
    "list_tools",
    "opened",
    "queue_due",
    "sync",
    "test",
]

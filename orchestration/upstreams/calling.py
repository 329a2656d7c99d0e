"""Calling a tool of a saved server."""

from collections.abc import Mapping
from typing import Any

from kernel.actor import SYSTEM, acting

from orchestration.executors.invocation import Result, failed, timed_out
from orchestration.executors.secrets import Secrets
from orchestration.upstreams import answers, endpoints, pool
from orchestration.upstreams.faults import Late, Unreachable, UpstreamFault
from registry import drift, upstreams
from registry.models import Tool, UpstreamServer, UpstreamTool


def call(
    server: str,
    name: str,
    arguments: Mapping[str, Any],
    *,
    seconds: float,
    most: int,
    tool: str,
) -> Result:
    """The result of tool `name` of `server`, called on behalf of our `tool`.

    1. the server as it is defined, if it is for this tool, with the secrets that it or the tool is
       granted;
    2. the tool as it was approved: a definition that the server's list shows otherwise is on record
       at once, the tool is quarantined, and nothing is called;
    3. the answer within `seconds` and `most` bytes, without the server's secrets.

    Raises Unreachable when nothing was asked of the server.
    """
    row, ours = _server(server, tool)
    endpoint = endpoints.of(row, ours)
    approved = _approved(row, name)

    def is_approved(definition: Mapping[str, Any]) -> bool:
        return not approved or drift.fingerprint(definition) == approved

    try:
        found = pool.call(endpoint, name, arguments, seconds=seconds, is_approved=is_approved)
    except pool.Unlike as error:
        return _quarantined(row, name, error)
    except Late as error:
        return _scrubbed(timed_out(str(error)), endpoint.secrets)
    except Unreachable as error:
        raise type(error)(endpoint.secrets.scrub(str(error)), reason=error.reason) from None
    except UpstreamFault as error:
        return _scrubbed(failed(error.reason, str(error)), endpoint.secrets)
    if not approved:
        _first_seen(row, found.definition)
    return _scrubbed(answers.read(found.result, found.definition, most=most), endpoint.secrets)


def _server(name: str, tool: str) -> tuple[UpstreamServer, Tool]:
    row = UpstreamServer.objects.select_related("team").filter(name=name).first()
    if row is None:
        raise Unreachable(f"There is no server {name!r}. Ask the owner of tool {tool}.")
    ours = Tool.objects.filter(name=tool).first()
    if ours is None or not upstreams.may_use(row, ours):
        raise Unreachable(
            f"Server {name} isn't for tool {tool}: it belongs to team {row.team} and isn't shared."
        )
    return row, ours


def _approved(server: UpstreamServer, name: str) -> str:
    rows = UpstreamTool.objects.filter(server=server, name=name)
    found: str | None = rows.values_list("approved_fingerprint", flat=True).first()
    return found or ""


def _first_seen(server: UpstreamServer, definition: Mapping[str, Any]) -> None:
    """A tool that was published without a look at the server: what it was called as is approved."""
    with acting(SYSTEM):
        drift.approve_first(server, definition)


def _quarantined(server: UpstreamServer, name: str, error: pool.Unlike) -> Result:
    with acting(SYSTEM):
        drift.observe(server, error.listing)
    row = UpstreamTool.objects.select_related("server").get(server=server, name=name)
    return failed(
        "quarantined",
        f"{error} It was quarantined; ask the owner to look at what changed.",
        diff=drift.differences(row),
    )


def _scrubbed(result: Result, secrets: Secrets) -> Result:
    if not secrets:
        return result
    return Result(
        result.status,
        secrets.scrub(result.value),
        secrets.scrub(result.error),
        secrets.scrub(result.enforcement),
    )

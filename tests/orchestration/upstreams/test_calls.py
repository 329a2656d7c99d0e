"""Calls of a real server's tools, over streamable HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kernel.actor import SYSTEM

from governance.models import AuditEvent
from orchestration import upstreams
from orchestration.calls.outcomes import Refused
from registry import secrets
from registry.models import Agent, Secret, Team, UpstreamServer, User
from tests.orchestration.executors.calling import call, fault, value
from tests.orchestration.upstreams.conftest import MakeServer, offer
from tests.orchestration.upstreams.threads import closing

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_structured_result_is_the_calls_result(agent: Agent, remote: UpstreamServer) -> None:
    offer(remote, "add")
    assert value(call(agent, "add", a=2, b=3)) == {"total": 5}


def test_content_comes_as_blocks(agent: Agent, remote: UpstreamServer) -> None:
    offer(remote, "echo")
    found = value(call(agent, "echo", text="é \u2028 '"))
    assert found["content"][0]["text"] == "é \u2028 '"


def test_a_picture_comes_as_base64_and_a_large_one_is_told_of(
    agent: Agent, remote: UpstreamServer
) -> None:
    offer(remote, "picture", sandbox_config={"timeout": 5, "output_limit": "8MB"})
    small = value(call(agent, "picture"))["content"][0]
    assert small["mimeType"] == "image/png"
    assert small["data"].startswith("iVBOR") or small["data"].startswith("iVB")
    large = value(call(agent, "picture", size=2 << 20))["content"][0]
    assert "data" not in large
    assert large["omitted"]["base64_bytes"] > 2 << 20


def test_an_error_of_the_tool_is_a_failed_call(agent: Agent, remote: UpstreamServer) -> None:
    offer(remote, "fail")
    found = call(agent, "fail", why="no such customer")
    assert fault(found) == "tool_error"
    assert "no such customer" in found.payload.error["message"]


def test_a_slow_tool_ends_with_the_calls_own_time(agent: Agent, remote: UpstreamServer) -> None:
    offer(remote, "slow", sandbox_config={"timeout": 1})
    offer(remote, "echo")
    started = time.monotonic()
    found = call(agent, "slow", seconds=20)
    assert time.monotonic() - started < 3
    assert found.status == "timed_out"
    assert "still at it" in found.payload.error["message"]
    assert value(call(agent, "echo", text="on"))["content"][0]["text"] == "on"


def test_one_session_serves_all_calls_of_a_process(agent: Agent, remote: UpstreamServer) -> None:
    offer(remote, "echo")
    value(call(agent, "echo", text="1"))
    assert upstreams.opened() == ("sample",)
    started = time.monotonic()
    for number in range(10):
        value(call(agent, "echo", text=str(number)))
    assert time.monotonic() - started < 3
    assert upstreams.opened() == ("sample",)


def test_a_tool_that_the_server_does_not_have_is_named(
    agent: Agent, remote: UpstreamServer
) -> None:
    offer(remote, "nothing_of_the_kind")
    assert fault(call(agent, "nothing_of_the_kind")) == "unknown_upstream_tool"


def test_a_dead_server_delays_no_other(
    agent: Agent, remote: UpstreamServer, serve: MakeServer, hostile: MakeServer
) -> None:
    offer(remote, "echo")
    offer(hostile("mute"), "act", "mute")
    offer(hostile("never"), "act", "never")
    value(call(agent, "echo", text="warm"))
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(closing, call, agent, name) for name in ("mute", "never")]
        time.sleep(0.5)
        started = time.monotonic()
        value(call(agent, "echo", text="on"))
        taken = time.monotonic() - started
        assert not any(each.done() for each in waiting)
        ended = [each.result() for each in waiting]
    assert taken < 1
    assert {each.status for each in ended} == {"timed_out"}


def test_a_secret_that_nobody_granted_keeps_the_server_from_being_asked(
    agent: Agent, remote: UpstreamServer, team: Team, alice: User
) -> None:
    token = Secret.objects.create(name="token", team=team)
    secrets.put(token, "canary-90aa17c2", by=alice.actor)
    remote.headers = {"X-Token": "${secret:token}"}
    remote.save()
    tool = offer(remote, "echo")
    with pytest.raises(Refused, match="'token' isn't granted"):
        call(agent, "echo", text="on")
    assert "'token' isn't granted" in upstreams.sync(remote, by=SYSTEM).error
    secrets.give(token, tool, by=alice.actor, reason="It alone.")
    assert value(call(agent, "echo", text="on"))["content"][0]["text"] == "on"
    assert "'token' isn't granted" in upstreams.sync(remote, by=SYSTEM).error
    secrets.give(token, remote, by=alice.actor, reason="All of them.")
    assert upstreams.sync(remote, by=SYSTEM).error == ""
    used = AuditEvent.objects.filter(event="secret.used", target_name="token")
    assert used.get().data["server"] == "sample"

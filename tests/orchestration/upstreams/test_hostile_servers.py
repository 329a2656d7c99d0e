"""Whatever a server does, the call ends in a bounded, recorded failure."""

import time
from typing import Any

import pytest
from kernel.actor import SYSTEM

from orchestration import upstreams
from orchestration.calls.outcomes import Refused
from orchestration.upstreams import limits
from registry.models import Agent, UpstreamTool
from tests.orchestration.executors.calling import call, fault, value
from tests.orchestration.upstreams.conftest import MakeServer, offer

pytestmark = pytest.mark.django_db(transaction=True)

SHORT = {"timeout": 2, "output_limit": "1MB"}


def test_a_program_in_the_sandbox_answers(agent: Agent, hostile: MakeServer) -> None:
    offer(hostile("well"), "act")
    assert value(call(agent, "act")) == {"content": [{"type": "text", "text": "fine"}]}


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("huge", "upstream_died"),
        ("large", "output_exceeded"),
        ("garbage", "upstream_died"),
        ("flood", "upstream_died"),
        ("shapeless", "upstream_malformed"),
        ("chatty", "upstream_died"),
    ],
)
def test_a_bad_answer_is_a_failure(
    agent: Agent, hostile: MakeServer, how: str, reason: str
) -> None:
    offer(hostile(how), "act", sandbox_config={"timeout": 10, "output_limit": "1MB"})
    found = call(agent, "act")
    assert fault(found) == reason
    if how == "chatty":
        assert "the reason" in found.payload.error["message"]


@pytest.mark.parametrize("how", ["mute", "wrong_id", "deep"])
def test_no_answer_ends_with_the_calls_time(agent: Agent, hostile: MakeServer, how: str) -> None:
    offer(hostile(how), "act", sandbox_config=SHORT)
    started = time.monotonic()
    assert call(agent, "act").status == "timed_out"
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("endless", "doesn't end"),
        ("circle", "doesn't end"),
        ("twins", "two tools"),
        ("fat", "too large"),
        ("many", "more than"),
    ],
)
def test_a_bad_list_is_an_error_on_record(hostile: MakeServer, how: str, told: str) -> None:
    server = hostile(how)
    report = upstreams.sync(server, by=SYSTEM)
    assert told in report.error
    server.refresh_from_db()
    assert told in server.sync_error
    assert not UpstreamTool.objects.exists()


def test_a_list_with_traps_is_kept_without_them(hostile: MakeServer) -> None:
    assert upstreams.sync(hostile("traps"), by=SYSTEM).error == ""
    seen = UpstreamTool.objects.get().seen
    assert seen["description"] == "NUL \ufffd here"
    assert list(seen["inputSchema"]["properties"]) == ["a\ufffdb"]


@pytest.mark.parametrize("how", ["dead", "never"])
def test_a_server_that_does_not_come_up_is_unavailable(
    agent: Agent, hostile: MakeServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_SECONDS", 2.0)
    offer(hostile(how), "act", sandbox_config={"timeout": 10})
    with pytest.raises(Refused) as caught:
        call(agent, "act")
    assert caught.value.reason == "unavailable"
    if how == "dead":
        assert "no such configuration" in caught.value.detail


def test_a_session_that_ended_is_opened_again(agent: Agent, hostile: MakeServer) -> None:
    offer(hostile("chatty"), "act")
    for _ in range(2):
        assert fault(call(agent, "act")) == "upstream_died"


def test_idle_sessions_are_closed(
    agent: Agent, hostile: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.2)
    offer(hostile("well"), "act")
    value(call(agent, "act"))
    deadline = time.monotonic() + 15
    while upstreams.opened() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert upstreams.opened() == ()
    assert value(call(agent, "act"))["content"][0]["text"] == "fine"


def test_a_full_house_makes_room_for_the_next(
    agent: Agent, hostile: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS", 1)
    offer(hostile("well"), "act", "one")
    offer(hostile("fine"), "act", "two")
    for name in ("one", "two", "one"):
        value(call(agent, name))
    assert len(upstreams.opened()) == 1


def test_what_a_program_cannot_do(agent: Agent, serve: MakeServer, home: Any) -> None:
    """It runs in the sandbox: no network, no files of the host."""
    code = (
        "import sys, socket, os\n"
        "try:\n    socket.create_connection(('127.0.0.1', 80), 1)\n"
        "except OSError as error:\n    sys.stderr.write(f'net {error.errno}\\n')\n"
        f"sys.stderr.write('home ' + str(os.path.exists({str(home)!r})) + '\\n')\n"
        "sys.stderr.write(f'uid {os.getuid()}\\n')"
    )
    server = serve(transport="stdio", argv=["python3", "-c", code])
    report = upstreams.test(server, by=SYSTEM)
    assert "net " in report.error
    assert "home False" in report.error
    assert "uid 0" not in report.error

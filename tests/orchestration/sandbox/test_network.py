"""A job has a network of its own, with nobody in it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from orchestration.sandbox import Ending
from tests.orchestration.sandbox.conftest import Sandbox


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_job_cannot_reach_a_server_on_the_hosts_loopback(
    sandbox: Sandbox, listening: int
) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {listening}), timeout=3)"
    outcome = sandbox.python(code)
    assert outcome.ending is Ending.failed
    assert b"ConnectionRefusedError" in outcome.stderr


def test_a_job_cannot_reach_another_host(sandbox: Sandbox) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)"
    outcome = sandbox.python(code)
    assert outcome.ending is Ending.failed
    assert b"Network is unreachable" in outcome.stderr


def test_a_job_cannot_resolve_names(sandbox: Sandbox) -> None:
    outcome = sandbox.python("import socket; socket.getaddrinfo('example.org', 80)")
    assert b"socket.gaierror" in outcome.stderr


def test_a_job_cannot_reach_an_abstract_socket_of_the_host(sandbox: Sandbox) -> None:
    name = "\0gatehouse-test"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        outcome = sandbox.python(
            "import socket; socket.socket(socket.AF_UNIX).connect('\\0gatehouse-test')"
        )
    assert b"ConnectionRefusedError" in outcome.stderr


def test_a_job_sees_only_an_empty_loopback_device(sandbox: Sandbox) -> None:
    lines = sandbox.run("cat", "/proc/net/dev").stdout.decode().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in lines] == ["lo"]


# Unlike these, the first three are confined by the network namespace: vsock isn't in one at all.
@pytest.mark.parametrize(
    ("family", "name"), [(16, "netlink"), (17, "packet"), (38, "alg"), (40, "vsock"), (44, "xdp")]
)
def test_other_kinds_of_sockets_are_refused(sandbox: Sandbox, family: int, name: str) -> None:
    outcome = sandbox.python(f"import socket; socket.socket({family}, socket.SOCK_DGRAM)")
    assert b"Address family not supported" in outcome.stderr, name


def test_a_job_may_talk_to_itself(sandbox: Sandbox) -> None:
    code = """
import asyncio
async def main():
    server = await asyncio.start_server(lambda r, w: (w.write(b"hello"), w.close()), "127.0.0.1", 0)
    reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
    print((await reader.read()).decode())
asyncio.run(main())
"""
    assert sandbox.python(code).stdout == b"hello\n"

"""Connections to an upstream's endpoint: checked when they are made, bounded in what they bring.

`executors.addresses` for asyncio: a name is looked up once, and the address that was checked is the
one that is connected to. What goes wrong on the way becomes the answer of the one request that it
concerns, because an exception would end the session and all that others have under way in it.
"""

import asyncio
import json
import logging
import re
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import cache
from typing import Any

import httpcore2
import httpx2

from orchestration.executors.addresses import AddressRefused, is_public
from orchestration.upstreams import limits

TIMEOUT = httpx2.Timeout(30.0, connect=10.0, read=None)
# A notification is answered with a status alone; a server that doesn't would hold up what follows.
NOTIFIED = 5.0
SMALL = 4_096
FAULT = -32_099
SESSION_GONE = "session_gone"
MARK = "gatehouse:" + secrets.token_hex(8)
"""Tells our own answers from those that a server makes up; a new one in each process."""
# A line for each request, with its address; the call's row tells of it already.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def is_listed(host: str, port: int, patterns: Iterable[str]) -> bool:
    """Whether `host:port` is named by a pattern: `name`, `*.name`, either with `:port`."""
    return any(_matches(host.lower().strip("[]"), port, str(each).lower()) for each in patterns)


def _matches(host: str, port: int, pattern: str) -> bool:
    name, _, wanted = pattern.rpartition(":") if re.search(r":\d+$", pattern) else (pattern, "", "")
    if wanted and int(wanted) != port:
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name.strip("[]")


class _Backend(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses that it checked, and to no other."""

    def __init__(self, private_hosts: Sequence[str]) -> None:
        self._private = tuple(private_hosts)
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        found = await _resolved(host, port, timeout)
        if not is_listed(host, port, self._private):
            hidden = [address for address in found if not is_public(address)]
            if hidden:
                raise AddressRefused(
                    f"{host} is {hidden[0]}, which is no public address. Name the host under "
                    "`private_hosts` of the server if it is meant."
                )
        last: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in found:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        raise AddressRefused("no socket of this machine is reached")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _resolved(host: str, port: int, timeout: float | None) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(f"{host} wasn't resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"{host} can't be resolved: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class TooLarge(httpx2.StreamError):
    """A response brought more than is taken. The SDK makes an error of the one request of it."""


class Broken(httpx2.StreamError):
    """The connection broke within a response."""


class _Bounded(httpx2.AsyncByteStream):
    """A response's bytes, up to the bound."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        try:
            async for chunk in self._inner:
                taken += len(chunk)
                if taken > limits.RESPONSE_BYTES:
                    raise TooLarge(f"the response has more than {limits.RESPONSE_BYTES} bytes")
                yield chunk
        except httpx2.TransportError as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


class Transport(httpx2.AsyncHTTPTransport):
    """httpx2's own transport, over connections that check where they go."""

    def __init__(self, private_hosts: Sequence[str]) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_tls(),
            max_connections=limits.AT_ONCE * 2,
            max_keepalive_connections=8,
            keepalive_expiry=60.0,
            network_backend=_Backend(private_hosts),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _is_notification(request):
            request.extensions["timeout"] = request.extensions.get("timeout", {}) | {
                "read": NOTIFIED
            }
        try:
            response = await super().handle_async_request(request)
        except AddressRefused as error:
            return _fault("address_refused", str(error))
        except httpx2.TransportError as error:
            told = f"{request.url.host}: {type(error).__name__}: {error}"
            return _fault("upstream_unreachable", told)
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            # Unpacked, a few bytes are gigabytes; nobody asked for it.
            await response.aclose()
            return _fault("upstream_malformed", f"The response is encoded as {encoding[:40]!r}.")
        if response.status_code == 404 and "mcp-session-id" in request.headers:
            await response.aclose()
            return _fault(SESSION_GONE, f"{request.url.host} has forgotten the session.")
        if _is_bare_refusal(response):
            await response.aclose()
            told = f"{request.url.host} answered {response.status_code}."
            return _fault("upstream_error", told, status=response.status_code)
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101
        response.stream = _Bounded(response.stream)
        return response


def _is_notification(request: httpx2.Request) -> bool:
    if request.method != "POST" or int(request.headers.get("content-length", SMALL)) >= SMALL:
        return False
    return b'"id"' not in request.content


def _is_bare_refusal(response: httpx2.Response) -> bool:
    """A "no" of HTTP's own. 400 and 404 stay: by them an older server tells its version."""
    if "json" in response.headers.get("content-type", ""):
        return False
    return response.status_code in (401, 403, 429) or response.status_code >= 500


def _fault(reason: str, message: str, *, status: int = 502) -> httpx2.Response:
    error = {"code": FAULT, "message": message[:1_000], "data": {MARK: reason}}
    document = {"jsonrpc": "2.0", "id": None, "error": error}
    headers = {"content-type": "application/json"}
    return httpx2.Response(status, headers=headers, content=json.dumps(document).encode())


def reason_of(data: Any) -> str | None:
    """The reason in an error's data, if this process wrote it."""
    return data.get(MARK) if isinstance(data, dict) else None


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def client(headers: dict[str, str], private_hosts: Sequence[str]) -> httpx2.AsyncClient:
    """A client for one upstream: it reads no environment and keeps no cookies between hosts."""
    own = {"User-Agent": "Gatehouse", "Accept-Encoding": "identity"}
    return httpx2.AsyncClient(
        transport=Transport(private_hosts),
        headers=own | headers,
        timeout=TIMEOUT,
        follow_redirects=False,
        trust_env=False,
    )

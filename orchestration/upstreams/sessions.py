"""One session with an upstream: opened, listed, called, and closed by a task of its own.

What an SDK client enters has to be left by the task that entered it, so each session lives in one
task and others reach it through futures. Everything here runs on the loop of `loops`.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import mcp_types as types
import structlog
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from orchestration.upstreams import definitions, endpoints, limits, network, stdio
from orchestration.upstreams.endpoints import Endpoint
from orchestration.upstreams.faults import Late, Malformed, Refused, Unreachable, UpstreamFault

log = structlog.get_logger(__name__)

PLATFORM = types.Implementation(name="gatehouse", version="1")
STEP_SECONDS = 12.0
_ANYTHING: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Over(Exception):
    """The session had ended before the request was taken: it can be asked again in another."""


class Session:
    """A conversation with one upstream. `listing` is its last whole list of tools, by name."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.listing: dict[str, dict[str, Any]] = {}
        self.listed_at = float("-inf")
        self.opened_at = self.used_at = time.monotonic()
        self.in_use = 0
        self.retired = False
        self.info: dict[str, Any] = {}
        self.programs: list[stdio.Program] = []
        self._client: Client | None = None
        self._leave = asyncio.Event()
        self._one_list = asyncio.Lock()
        self._places = asyncio.Semaphore(limits.AT_ONCE)
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        # Whoever waits may have given up by the time it fails; nobody is to be told then.
        self.ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.task = loop.create_task(self._live(), name=f"upstream {endpoint.server}")

    @property
    def is_dead(self) -> bool:
        return self.retired or self.task.done() or any(each.over for each in self.programs)

    def retire(self) -> None:
        """No call begins any more; it closes when the last one is over."""
        self.retired = True
        if not self.in_use:
            self._leave.set()

    async def close(self) -> None:
        self.retired = True
        self._leave.set()
        if not self.ready.done():
            self.task.cancel()
        with suppress(Exception):
            await asyncio.wait({self.task}, timeout=limits.CLOSE_SECONDS)

    async def _live(self) -> None:
        try:
            async with (
                asyncio.timeout(limits.OPEN_SECONDS) as bound,
                self._transport() as transport,
                Client(
                    transport,
                    cache=None,
                    client_info=PLATFORM,
                    read_timeout_seconds=STEP_SECONDS,
                    message_handler=self._told,
                ) as client,
            ):
                bound.reschedule(None)
                self._client = client
                self.info = _info(client)
                self.ready.set_result(None)
                await self._leave.wait()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(self._unreachable(error))
            elif isinstance(error, Exception):
                log.info("upstream.session_ended", server=self.endpoint.server, error=repr(error))
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self.retired = True

    def _transport(self) -> Any:
        if self.endpoint.is_program:
            return _Program(self)
        return _Http(self.endpoint)

    def _unreachable(self, error: BaseException) -> UpstreamFault:
        name = self.endpoint.server
        first = _first(error)
        if isinstance(first, UpstreamFault):
            return first
        if isinstance(first, TimeoutError):
            why = f"it gave no answer within {limits.OPEN_SECONDS:g} s"
        elif isinstance(first, MCPError):
            reason = network.reason_of(first.error.data)
            if reason == "address_refused":
                return Unreachable(f"Server {name}: {first.error.message}", reason=reason)
            why = first.error.message[: limits.TEXT_OF_ERROR]
        else:
            why = f"{type(first).__name__}: {first}"[: limits.TEXT_OF_ERROR]
        return Unreachable(f"Server {name} can't be reached: {why}. {self._last_words()}".strip())

    def _last_words(self) -> str:
        said = [words for each in self.programs if (words := each.said())]
        return f"Its program wrote: {said[-1]}" if said else ""

    async def _told(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.listed_at = float("-inf")

    async def listed(self, *, within: float) -> dict[str, dict[str, Any]]:
        """The list of tools, no older than `within` seconds. Raises UpstreamFault and Over."""
        async with self._one_list:
            if time.monotonic() - self.listed_at > within:
                started = time.monotonic()
                found = definitions.of(await self._pages())
                self.listing = {each["name"]: each for each in found}
                self.listed_at = started
        return self.listing

    async def _pages(self) -> list[types.Tool]:
        tools: list[types.Tool] = []
        cursor, seen = None, set()
        for _ in range(limits.PAGES):
            params = types.PaginatedRequestParams(cursor=cursor)
            page = await self._asked(self._session.list_tools(params=params))
            tools += page.tools
            cursor = page.next_cursor
            if len(tools) > limits.TOOLS:
                raise Malformed(f"It lists more than {limits.TOOLS} tools.")
            if cursor is None:
                return tools
            if cursor in seen:
                break
            seen.add(cursor)
        raise Malformed("Its list of tools doesn't end.")

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, seconds: float, progress: list[str]
    ) -> dict[str, Any]:
        """The raw result of `tools/call`. Raises UpstreamFault and Over."""

        async def note(done: float, total: float | None, message: str | None) -> None:
            progress[:] = [f"{done:g}{f' of {total:g}' if total else ''} {message or ''}".strip()]

        request = types.CallToolRequest(
            params=types.CallToolRequestParams(name=name, arguments=dict(arguments))
        )
        async with self._places:
            # Not the client's own `call_tool`: that validates against the schema of a server on
            # the thread that serves all others, and a pattern can take for ever.
            sent = self._session.send_request(
                request, _ANYTHING, request_read_timeout_seconds=seconds, progress_callback=note
            )
            found: dict[str, Any] = await self._asked(sent)
        return found

    @property
    def _session(self) -> Any:
        if self._client is None or self.is_dead:
            raise Over
        return self._client.session

    async def _asked(self, request: Any) -> Any:
        """The answer, with whatever goes wrong as a fault."""
        try:
            return await request
        except MCPError as error:
            raise self._fault(error) from error
        except ValidationError as error:
            raise Malformed(f"Its answer isn't as the protocol says: {_brief(error)}") from error
        except RuntimeError as error:
            # The SDK's word for a session that isn't running any more.
            self.retire()
            raise Over from error

    def _fault(self, error: MCPError) -> Exception:
        code, message = error.error.code, error.error.message[: limits.TEXT_OF_ERROR]
        reason = network.reason_of(error.error.data)
        if reason == network.SESSION_GONE:
            self.retire()
            return Over()
        if code == types.REQUEST_TIMEOUT:
            return Late("It gave no answer in time.")
        if code == types.CONNECTION_CLOSED:
            self.retire()
            ended = "; ".join(each.ended_because for each in self.programs) or message
            told = f"The connection ended before it answered: {ended}. {self._last_words()}"
            return UpstreamFault(told.strip(), reason="upstream_died")
        if code == types.PARSE_ERROR:
            return Malformed(message)
        if reason is not None:
            return UpstreamFault(message, reason=reason)
        return Refused(f"It answered with error {code}: {message}")


class _Program:
    """The transport of a program: its packages first, then its streams."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._context: Any = None

    async def __aenter__(self) -> Any:
        endpoint = self._session.endpoint
        if endpoint.packages:
            job = await anyio.to_thread.run_sync(endpoints.job, endpoint, abandon_on_cancel=True)
        else:
            job = endpoints.job(endpoint)
        context = stdio.connected(job, config=endpoints.config(), told=self._session.programs)
        self._context = context
        return _Given(await context.__aenter__())

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._context.__aexit__(*raised)


class _Http:
    """The transport of a service, with a client of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: httpx2.AsyncClient | None = None
        self._context: Any = None

    async def __aenter__(self) -> Any:
        endpoint = self._endpoint
        self._client = network.client(dict(endpoint.headers), endpoint.private_hosts)
        self._context = streamable_http_client(
            endpoint.url, http_client=self._client, max_sse_event_size=limits.MESSAGE_BYTES
        )
        return _Given(await self._context.__aenter__())

    async def __aexit__(self, *raised: Any) -> Any:
        try:
            return await self._context.__aexit__(*raised)
        finally:
            if self._client is not None:
                with anyio.CancelScope(shield=True):
                    await self._client.aclose()


class _Given:
    """Streams that are open already, in the shape that the SDK's client enters."""

    def __init__(self, streams: Any) -> None:
        self._streams = streams

    async def __aenter__(self) -> Any:
        return self._streams

    async def __aexit__(self, *raised: Any) -> None:
        return None


def _info(client: Client) -> dict[str, Any]:
    told = client.server_info
    return {
        "name": definitions.clean(told.name)[:200] if told else "",
        "version": definitions.clean(told.version)[:100] if told else "",
        "protocol": client.protocol_version,
    }


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _brief(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = "/".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}"[: limits.TEXT_OF_ERROR]

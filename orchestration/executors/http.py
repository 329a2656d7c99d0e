"""Makes an HTTP request to a host that the tool's configuration allows."""

import json
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from orchestration.executors import addresses, described
from orchestration.executors.addresses import AddressRefused, Transport
from orchestration.executors.described import Described, Unfit
from orchestration.executors.invocation import (
    Invocation,
    Result,
    failed,
    succeeded,
    timed_out,
)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
MAX_HEADERS = 64
CHUNK = 64 * 1024
USUAL = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "Gatehouse"}
# The connection is ours to steer, and so is how much comes back.
FORBIDDEN = frozenset(
    "host connection content-length transfer-encoding upgrade te trailer expect "
    "accept-encoding proxy-authorization proxy-connection keep-alive".split()
)
SECRET = frozenset({"authorization", "cookie", "x-api-key"})


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent. Headers in `private` stay with the host they are for."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    private: frozenset[str] = SECRET


def execute(invocation: Invocation) -> Result:
    """Send the request; the result is `{status, headers, url, body}`, a JSON body as JSON.

    With `config.url` the tool has one address, and its arguments travel as `described.request`
    says: by the table `config.parameters` and `config.body`, or else `{name}` is filled and the
    rest goes into the query (GET, HEAD, DELETE) or a JSON body. Without it the arguments are
    `{url, method?, headers?, body?}`. `config.hosts` bounds both, redirects included; a host under
    `config.private_hosts` may have an address that isn't public. An answer of 400 and above failed.
    """
    seconds = float(invocation.limits["timeout"])
    addresses.deadline.at = time.monotonic() + seconds
    try:
        return _answer(invocation, _sent(invocation, _request(invocation)))
    except Unfit as error:
        return failed(error.reason, str(error))
    except AddressRefused as error:
        return failed("address_refused", str(error))
    except httpx.TimeoutException:
        return timed_out(f"There was no answer within {seconds:g} s.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return failed("request_failed", f"{type(error).__name__}: {error}")
    finally:
        addresses.deadline.at = float("inf")


def _request(invocation: Invocation) -> Request:
    config, arguments = invocation.config, dict(invocation.arguments)
    fill = invocation.secrets.fill
    if "url" in config:
        return _described(described.request(config, arguments, fill))
    method = str(arguments.get("method", "GET")).upper()
    if method not in METHODS:
        raise Unfit(
            "invalid_request", f"{method!r} is no method; use {', '.join(sorted(METHODS))}."
        )
    headers = _headers(arguments.get("headers") or {})
    body = arguments.get("body")
    if body is not None and not isinstance(body, str):
        headers.setdefault("content-type", "application/json")
        body = json.dumps(body)
    url = _url(str(arguments.get("url", "")))
    fixed = _headers(fill(config.get("headers") or {}))
    raw = body.encode("utf-8", errors="replace") if body is not None else None
    return Request(method, url, headers | fixed, raw, SECRET | set(fixed))


def _described(found: Described) -> Request:
    if found.method not in METHODS:
        raise Unfit("invalid_request", f"The tool's method {found.method!r} is none.")
    headers = _headers(found.headers) | _headers(found.fixed)
    private = SECRET | (set(found.fixed) - {"content-type", "accept", "user-agent"})
    return Request(found.method, _url(found.url), headers, found.body, private)


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError) as error:
        raise Unfit("invalid_request", f"{text[:200]!r} is no address: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise Unfit("invalid_request", f"{text[:200]!r} is no http or https address.")
    if url.userinfo:
        raise Unfit("invalid_request", "An address carries no user or password.")
    return url


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    headers = {str(name).lower(): str(value) for name, value in given.items()}
    for name, value in headers.items():
        if name in FORBIDDEN or not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name):
            raise Unfit("invalid_request", f"Header {name[:80]!r} can't be set by a call.")
        if re.search(r"[\r\n\0]", value) or not value.isascii():
            raise Unfit("invalid_request", f"Header {name} holds characters that none may.")
    return headers


def _sent(invocation: Invocation, request: Request) -> tuple[httpx.Response, bytes]:
    """The last answer after at most five redirects, each checked like the first address."""
    for _ in range(MAX_REDIRECTS + 1):
        with closing(_exchanged(invocation, request)) as response:
            place = response.headers.get("location")
            if response.status_code not in REDIRECTS or not place:
                return response, _body(response, int(invocation.limits["output"]))
        request = _redirected(request, response.status_code, place)
    raise Unfit("too_many_redirects", f"More than {MAX_REDIRECTS} redirects.")


def _exchanged(invocation: Invocation, request: Request) -> httpx.Response:
    """The request, sent; its answer, of which only the head is read."""
    transport = _transport_for(invocation.config, request.url)
    timeout = httpx.Timeout(float(invocation.limits["timeout"])).as_dict()
    sent = httpx.Request(
        request.method,
        request.url,
        headers={**USUAL, **request.headers},
        content=request.body,
        extensions={"timeout": timeout},
    )
    response = transport.handle_request(sent)
    response.request = sent
    return response


def _transport_for(config: Mapping[str, Any], url: httpx.URL) -> Transport:
    """What may reach this host: connections are never shared between the two kinds."""
    hosts, private = config.get("hosts") or [], config.get("private_hosts") or []
    if not _listed(url, [*hosts, *private]):
        listed = ", ".join([*hosts, *private]) or "none"
        raise Unfit("host_refused", f"Host {url.host} isn't on the tool's list ({listed}).")
    return _transport(public_only=not _listed(url, private))


def _listed(url: httpx.URL, hosts: list[str]) -> bool:
    port = url.port or (443 if url.scheme == "https" else 80)
    return any(_matches(url.host.lower(), port, str(pattern).lower()) for pattern in hosts)


def _matches(host: str, port: int, pattern: str) -> bool:
    name, _, wanted = pattern.rpartition(":") if re.search(r":\d+$", pattern) else (pattern, "", "")
    if wanted and int(wanted) != port:
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name.strip("[]")


@cache
def _transport(*, public_only: bool) -> Transport:
    # One TLS context for all: making one takes longer than most requests.
    return Transport(_tls(), public_only=public_only)


@cache
def _tls() -> Any:
    return httpx.create_ssl_context(trust_env=False)


def _redirected(request: Request, status: int, place: str) -> Request:
    target = _url(str(request.url.join(place)))
    if request.url.scheme == "https" and target.scheme == "http":
        raise Unfit("redirect_refused", f"{request.url.host} redirects from https to http.")
    headers = dict(request.headers)
    if (target.host, target.port, target.scheme) != (
        request.url.host,
        request.url.port,
        request.url.scheme,
    ):
        headers = {k: v for k, v in headers.items() if k not in request.private}
    if status == 303 or (status in (301, 302) and request.method == "POST"):
        headers.pop("content-type", None)
        return Request("GET", target, headers, private=request.private)
    return Request(request.method, target, headers, request.body, request.private)


def _body(response: httpx.Response, limit: int) -> bytes:
    found = bytearray()
    for chunk in _decoded(response, limit):
        found += chunk
        if len(found) > limit:
            raise Unfit("output_exceeded", f"The answer has more than {limit} bytes.")
    return bytes(found)


def _decoded(response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The answer's bytes; compressed ones are let out only as far as the limit."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        yield from response.iter_raw(CHUNK)
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unfit("unknown_encoding", f"The answer is encoded as {encoding[:40]!r}.")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    for chunk in response.iter_raw(CHUNK):
        try:
            yield inflate.decompress(chunk, limit + 1)
        except zlib.error as error:
            raise Unfit("unknown_encoding", f"The answer can't be unpacked: {error}.") from error
        if inflate.unconsumed_tail:
            raise Unfit("output_exceeded", f"The answer has more than {limit} bytes.")


def _answer(invocation: Invocation, received: tuple[httpx.Response, bytes]) -> Result:
    response, raw = received
    headers = dict(list(response.headers.items())[:MAX_HEADERS])
    headers.pop("set-cookie", None)
    value = {
        "status": response.status_code,
        "url": str(response.url),
        "headers": headers,
        "body": _content(response, raw),
    }
    if response.status_code < 400:
        return succeeded(value)
    message = f"{response.url.host} answered {response.status_code} {response.reason_phrase}."
    return Result("failed", value, {"reason": "http_status", "message": message})


def _content(response: httpx.Response, raw: bytes) -> Any:
    if "json" in response.headers.get("content-type", ""):
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            pass
    return raw.decode(response.charset_encoding or "utf-8", errors="replace")

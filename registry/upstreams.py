"""Upstream servers as definitions: what is wrong with one, its catalogue kind, and its secrets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from kernel.catalogue import (
    CatalogueError,
    CatalogueKind,
    Change,
    refuse_unknown,
    register,
    write,
)
from kernel.problems import Issue
from packaging.requirements import InvalidRequirement, Requirement

from registry import contracts, secrets, sizes
from registry.models import Team, Tool, UpstreamServer
from registry.models.upstreams import Transport

FIELDS = (
    "description",
    "transport",
    "argv",
    "env",
    "packages",
    "sandbox_config",
    "url",
    "headers",
    "private_hosts",
    "sync_seconds",
    "is_active",
)
_STDIO, _HTTP = ("argv", "env", "packages", "sandbox_config"), ("url", "headers", "private_hosts")
_SANDBOX = frozenset(
    {"cpu_limit", "memory_limit", "processes", "disk_limit", "timeout", "output_limit"}
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9.:\[\]_-]{1,255}\Z")
# What the transport itself says, and what would steer the connection.
_OWN = frozenset(
    "host connection content-length transfer-encoding upgrade te trailer expect accept "
    "accept-encoding content-type proxy-authorization proxy-connection keep-alive".split()
)
_SECRET = frozenset({"authorization", "cookie", "x-api-key", "api-key"})
_LINKER = ("LD_", "PYTHONHOME", "PYTHONSTARTUP")


def faults(server: UpstreamServer) -> tuple[Issue, ...]:
    """Everything that keeps a server from being used; each fault with its place."""
    own, other = (_STDIO, _HTTP) if server.transport == Transport.STDIO else (_HTTP, _STDIO)
    foreign = [
        Issue(f"/{name}", f"means nothing for transport {server.transport}; leave it empty")
        for name in other
        if getattr(server, name)
    ]
    found = _of_stdio(server) if own is _STDIO else _of_http(server)
    return (*foreign, *found)


def _of_stdio(server: UpstreamServer) -> Iterator[Issue]:
    if not (isinstance(server.argv, list) and server.argv):
        yield Issue("/argv", "write the program and its arguments as a list of texts")
    elif not all(isinstance(each, str) and "\0" not in each for each in server.argv):
        yield Issue("/argv", "every part is a text")
    elif secrets.names(server.argv):
        yield Issue("/argv", "other processes can read it; give secrets in env")
    yield from _texts("env", server.env)
    for name in server.env if isinstance(server.env, dict) else ():
        if not _VARIABLE.match(name) or name.startswith(_LINKER):
            yield Issue(f"/env/{name}", "can't be set as a variable")
    if not isinstance(server.packages, list):
        yield Issue("/packages", "write a list of requirements")
        return
    for index, each in enumerate(server.packages):
        if fault := _fault_of_requirement(each):
            yield Issue(f"/packages/{index}", fault)
    yield from _of_sandbox(server.sandbox_config)


def _fault_of_requirement(text: Any) -> str:
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, TypeError):
        return "isn't a requirement such as my-server==1.2"
    return "names an address; packages come from the index only" if requirement.url else ""


def _of_sandbox(config: Any) -> Iterator[Issue]:
    if not isinstance(config, dict):
        yield Issue("/sandbox_config", "write {cpu_limit: 1, memory_limit: 512MB}")
        return
    for name in sorted(set(config) - _SANDBOX):
        known = ", ".join(sorted(_SANDBOX))
        yield Issue(f"/sandbox_config/{name}", f"unknown for a server; known: {known}")
    try:
        contracts.limits_of({name: config[name] for name in _SANDBOX & set(config)})
    except sizes.SizeError as error:
        yield Issue("/sandbox_config", str(error))
    for name in ("cpu_limit", "processes", "timeout"):
        value = config.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            yield Issue(f"/sandbox_config/{name}", "write a number above 0")


def _of_http(server: UpstreamServer) -> Iterator[Issue]:
    yield from _hosts(server.private_hosts)
    yield from _texts("headers", server.headers)
    for name, value in server.headers.items() if isinstance(server.headers, dict) else ():
        low = str(name).lower()
        if not _HEADER.match(str(name)) or low in _OWN or low.startswith("mcp-"):
            yield Issue(f"/headers/{name}", "can't be set for a server")
        elif low in _SECRET and not secrets.names(value):
            yield Issue(f"/headers/{name}", "name a secret: ${secret:NAME}")
        elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
            yield Issue(f"/headers/{name}", "holds characters that no header may")
    yield from _of_url(server)


def _of_url(server: UpstreamServer) -> Iterator[Issue]:
    try:
        parts = urlsplit(server.url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        yield Issue("/url", f"is no address: {error}")
        return
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", server.url):
        yield Issue("/url", "write an http or https address")
    elif parts.username or parts.password or secrets.names(server.url):
        yield Issue("/url", "carries no user, password or secret; use headers")
    elif parts.scheme == "http" and not any(_is_of(host, each) for each in server.private_hosts):
        yield Issue("/url", "use https, or name the host under private_hosts")


def _is_of(host: str, pattern: Any) -> bool:
    name = re.sub(r":\d+$", "", str(pattern)).strip("[]").lower()
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _hosts(value: Any) -> Iterator[Issue]:
    if not isinstance(value, list) or not all(
        isinstance(each, str) and _HOST.match(each) for each in value
    ):
        yield Issue("/private_hosts", "write a list of hosts, such as [mcp.internal]")


def _texts(name: str, value: Any) -> Iterator[Issue]:
    if not isinstance(value, dict):
        yield Issue(f"/{name}", "write {name: value}")
        return
    for key, item in value.items():
        if not isinstance(item, str) or "\0" in item:
            yield Issue(f"/{name}/{key}", "the value is a text")


def may_use(server: UpstreamServer, tool: Tool) -> bool:
    """Whether a tool may be made on this server: a shared one, or one of the tool's own team."""
    return server.is_shared or bool(server.team_id == tool.team_id)


def secret_values(server: UpstreamServer, caller: Tool | None = None) -> dict[str, str]:
    """The values of the secrets that the definition names, each granted to the server, or to the
    tool that is called on it. Raises secrets.NotGranted.
    """
    wanted = secrets.names([server.env, server.headers])
    return secrets.load(server, wanted, caller=caller) if wanted else {}


def ungranted(server: UpstreamServer) -> tuple[str, ...]:
    """The secrets that the definition names and the server can't be given as things stand."""
    return secrets.ungranted(server, [server.env, server.headers])


def apply(entry: Mapping[str, Any]) -> Change:
    """Write a catalogue entry of kind `upstream`. Raises CatalogueError."""
    refuse_unknown("upstream", entry, {"kind", "name", "owner", "shared", *FIELDS})
    name = entry["name"]
    team = Team.objects.filter(name=entry.get("owner")).first()
    if team is None:
        fault = Issue("/owner", f"there is no team {entry.get('owner')!r}")
        raise CatalogueError("upstream", name, [fault])
    row = UpstreamServer.objects.filter(name=name).first() or UpstreamServer(name=name)
    values = {key: entry[key] for key in FIELDS if key in entry} | {"team": team}
    if "shared" in entry:
        values["is_shared"] = entry["shared"]
    draft = UpstreamServer(name=name, **({key: getattr(row, key) for key in FIELDS} | values))
    if found := faults(draft):
        raise CatalogueError("upstream", name, found)
    return write("upstream", row, values)


def export() -> list[dict[str, Any]]:
    """Every server as a catalogue entry; what says nothing is left out."""
    rows = UpstreamServer.objects.select_related("team")
    return [
        {"kind": "upstream", "name": row.name, "owner": row.team.name, "shared": row.is_shared}
        | {key: value for key in FIELDS if (value := getattr(row, key)) not in ("", [], {})}
        for row in rows
    ]


def register_kind() -> None:
    register(CatalogueKind("upstream", 25, apply, export))

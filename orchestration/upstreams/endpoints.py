"""Where and how a server is reached, as values: what a session is opened from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from kernel import canonical
from packaging.requirements import Requirement

from orchestration import disclosure
from orchestration.executors.secrets import Secrets
from orchestration.sandbox import Bind, Job, Limits, SandboxConfig, layers
from orchestration.upstreams import limits
from orchestration.upstreams.faults import Unreachable
from registry import contracts, upstreams
from registry.models import Tool, UpstreamServer
from registry.models.upstreams import Transport
from registry.secrets import NotGranted

LAYER = "/packages"
SPARE_SECONDS = 60.0


@dataclass(frozen=True)
class Endpoint:
    """A server with its secrets filled in. `key` differs whenever anything of it does."""

    server: str
    key: str
    transport: str
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    packages: tuple[str, ...] = ()
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    private_hosts: tuple[str, ...] = ()
    secrets: Secrets = field(default_factory=Secrets, repr=False)

    @property
    def is_program(self) -> bool:
        return self.transport == Transport.STDIO


def of(server: UpstreamServer, caller: Tool | None = None) -> Endpoint:
    """The endpoint of a saved server, for a call of a tool or for its list of tools. Raises
    Unreachable where it can't be used as it is."""
    if not server.is_active:
        raise Unreachable(f"Server {server} is switched off. Ask the platform team.")
    found = upstreams.faults(server)
    if found:
        first = found[0]
        raise Unreachable(f"Server {server} is wrongly set up at {first.pointer}: {first.message}.")
    try:
        values = upstreams.secret_values(server, caller)
    except NotGranted as error:
        raise Unreachable(str(error)) from error
    disclosure.record(values, server)
    secrets = Secrets(values)
    told = {
        "transport": str(server.transport),
        "argv": server.argv,
        "env": secrets.fill(server.env),
        "packages": server.packages,
        "sandbox": server.sandbox_config,
        "url": server.url,
        "headers": secrets.fill(server.headers),
        "private_hosts": server.private_hosts,
    }
    _check_headers(server, told["headers"])
    lists = {name: tuple(told[name]) for name in ("argv", "packages", "private_hosts")}
    return Endpoint(
        server=server.name, key=canonical.digest(told), secrets=secrets, **(told | lists)
    )


def _check_headers(server: UpstreamServer, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            # The value is a secret's, so it isn't shown.
            raise Unreachable(f"Header {name} of server {server} holds characters that none may.")


def config() -> SandboxConfig:
    """The sandbox in which programs run."""
    return SandboxConfig(
        home=Path(settings.VAR) / "sandbox", weak_limits=settings.SANDBOX_WEAK_LIMITS
    )


def job(endpoint: Endpoint) -> Job:
    """The program as a job; its packages are installed first, which may take minutes.

    Raises Unreachable.
    """
    binds: tuple[Bind, ...] = ()
    env = dict(endpoint.env)
    if endpoint.packages:
        binds = (Bind(_layer(endpoint), LAYER),)
        env = {"PYTHONPATH": LAYER} | env
    held = contracts.limits_of(dict(endpoint.sandbox))
    return Job(
        argv=endpoint.argv,
        env=env,
        binds=binds,
        limits=Limits(
            wall_seconds=limits.LIFE_SECONDS + SPARE_SECONDS,
            cpus=float(held["cpu"]),
            memory_bytes=int(held["memory"]),
            processes=int(held["processes"]),
            disk_bytes=int(held["disk"]),
        ),
    )


def _layer(endpoint: Endpoint) -> Path:
    allow = [str(Requirement(each).name) for each in endpoint.packages]
    try:
        return layers.layer(endpoint.packages, config=config(), allow=allow)
    except (layers.PackageRefused, layers.PackageUnavailable) as error:
        raise Unreachable(f"The packages of server {endpoint.server}: {error}") from error

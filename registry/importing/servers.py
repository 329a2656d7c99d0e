"""Where an OpenAPI operation is served: the first server with an address that can be called."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from registry.importing.drafts import Notes, Refused, Unfit, pointer

_PLACE = re.compile(r"\{([^{}]*)\}")
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
_ADDRESS = re.compile(r"[0-9a-f:.]{2,45}")


@dataclass(frozen=True)
class Base:
    """The address that paths are appended to, and the host list of the executor. Without an
    address, `unready` tells the next step."""

    url: str
    hosts: tuple[str, ...] = ()
    unready: str = ""


def base(servers: Any, place: str, url: str, notes: Notes) -> Base:
    """The first usable of the document's servers, or `url` instead of them."""
    if url:
        return given(url)
    entries = servers if isinstance(servers, list) else []
    relative = ""
    for index, entry in enumerate(entries):
        where = place + pointer(index)
        try:
            found = _filled(entry, where)
            if found.startswith("/") or "://" not in found:
                relative = relative or found
                continue
            return absolute(found, f"{where}/url")
        except Unfit as unfit:
            notes.add(unfit.place, "", unfit.reason)
    told = f"its address {relative[:100]!r} is relative" if relative else "it names no server"
    return Base("", unready=f"{told}: give the base address of the API (url)")


def absolute(text: str, place: str) -> Base:
    """Raises Unfit for what is no plain http address."""
    try:
        parts = urlsplit(text.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise Unfit(place, f"{text[:200]!r} is no address: {error}") from error
    if parts.scheme.lower() not in ("http", "https"):
        raise Unfit(place, f"{text[:200]!r} is no http or https address")
    if parts.username is not None or parts.password is not None:
        raise Unfit(place, "an address carries no user or password")
    if not (_HOST.fullmatch(host) or (":" in host and _ADDRESS.fullmatch(host))):
        raise Unfit(place, f"{host[:200]!r} is no host")
    shown = f"[{host}]" if ":" in host else host
    netloc = f"{shown}:{port}" if port else shown
    url = urlunsplit((parts.scheme.lower(), netloc, parts.path.rstrip("/"), "", ""))
    return Base(url, (netloc,))


def given(text: str) -> Base:
    """The address that the importer gives. Raises Refused."""
    try:
        return absolute(text, "/url")
    except Unfit as unfit:
        raise Refused(unfit.place, unfit.reason) from unfit


def _filled(entry: Any, place: str) -> str:
    """The server's address with each variable's default in its place (OpenAPI 3.1, 4.8.6)."""
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
        raise Unfit(place, "a server is an object with a url")
    variables = entry.get("variables")
    known = variables if isinstance(variables, dict) else {}

    def fill(found: re.Match[str]) -> str:
        variable = known.get(found[1])
        variable = variable if isinstance(variable, dict) else {}
        choices = variable.get("enum")
        first = choices[0] if isinstance(choices, list) and choices else None
        value = variable.get("default", first)
        if value is None or isinstance(value, dict | list) or str(value) == "":
            raise Unfit(place + "/url", f"the variable {found[1][:80]!r} has no default")
        return str(value)

    return _PLACE.sub(fill, entry["url"])

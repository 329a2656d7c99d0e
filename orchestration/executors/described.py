"""The request of a tool that has one address: where each argument travels. Pure.

An argument fills its own place and no other: it can't reach the host, add a segment to the path,
or say again what the configuration says (a key in the query, a header).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.executors import bodies, styles
from orchestration.executors.styles import Pair

_PLACE = re.compile(r"\{(\w+)\}")
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
BODILESS = ("GET", "HEAD", "DELETE")

Fill = Callable[[Any], Any]


class Unfit(Exception):
    """The request can't be made as it was asked for."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Described:
    """A request as texts. `headers` come from arguments; `fixed` from the configuration, which
    wins, and they stay with the host that they were meant for."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass
class _Travelling:
    """Arguments on their way into a request."""

    places: dict[str, str] = field(default_factory=dict)
    query: list[Pair] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[Pair] = field(default_factory=list)


def request(config: Mapping[str, Any], arguments: Mapping[str, Any], fill: Fill) -> Described:
    """The request that `config` describes, made of these arguments.

    With `parameters` or `body` each argument travels as it is said there; without them `{name}` in
    the address is filled, and the rest goes into the query or a JSON body. `fill` puts secrets into
    texts of the configuration, never of an argument. Raises Unfit.
    """
    left = {name: value for name, value in arguments.items() if value is not None}
    method = str(config.get("method", "GET")).upper()
    going = _Travelling()
    if "parameters" in config or "body" in config:
        body, kind = _told(config, left, going)
    else:
        body, kind = _plain(config, left, going, method)
    if kind and not any(name.lower() == "content-type" for name in config.get("headers") or {}):
        going.headers["content-type"] = kind
    fixed = {
        str(name).lower(): str(text) for name, text in fill(config.get("headers") or {}).items()
    }
    if cookie := _cookie(going, fill(config.get("cookies") or {})):
        fixed.setdefault("cookie", cookie)
    url = _url(str(config["url"]), going, fill(config.get("query") or {}), fill)
    return Described(method, url, going.headers, fixed, body)


def _told(
    config: Mapping[str, Any], arguments: dict[str, Any], going: _Travelling
) -> tuple[bytes | None, str]:
    table: Mapping[str, Any] = config.get("parameters") or {}
    body: Mapping[str, Any] = config.get("body") or {}
    for argument, travels in table.items():
        if argument in arguments:
            _send(travels, argument, arguments[argument], going)
    unknown = sorted(set(arguments) - set(table) - {body.get("argument")})
    if unknown:
        raise Unfit("invalid_request", f"Nothing says how {', '.join(unknown)[:200]} travels.")
    if not body or body.get("argument") not in arguments:
        return None, ""
    kind = str(body.get("content_type") or "application/json")
    try:
        return bodies.written(arguments[body["argument"]], kind)
    except bodies.Unwritable as error:
        raise Unfit("invalid_request", str(error)) from error


def _send(travels: Mapping[str, Any], argument: str, value: Any, going: _Travelling) -> None:
    where, name = travels.get("in"), str(travels.get("name") or argument)
    style = str(travels.get("style") or ("simple" if where in ("path", "header") else "form"))
    explode = bool(travels.get("explode", style == "form"))
    if travels.get("content_type"):
        # One text in the media type that it has (OpenAPI 3.1, 4.8.12.4).
        value = bodies.written(value, str(travels["content_type"]))[0].decode(errors="replace")
    if where == "path":
        going.places[name] = _segment(styles.path(name, value, style=style, explode=explode), value)
    elif where == "query":
        going.query += styles.query(name, value, style=style, explode=explode)
    elif where == "header":
        going.headers[name.lower()] = styles.header(value, explode=explode)
    elif where == "cookie":
        going.cookies += styles.query(name, value, style="form", explode=explode)
    else:
        raise Unfit("invalid_request", f"Argument {argument} travels in {where!r}, which is none.")


def _segment(text: str, value: Any) -> str:
    """The filled place. One that is empty, or that climbs, would make another path of it."""
    if not text:
        raise Unfit("invalid_request", "An argument that is part of the path is empty.")
    for each in _texts(value):
        if any(part in (".", "..") for part in re.split(r"[/\\]", each)):
            raise Unfit("invalid_request", f"{each[:80]!r} would lead out of the path.")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in each):
            raise Unfit("invalid_request", "A part of the path holds control characters.")
    return text


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    else:
        yield styles.plain(value)


def _plain(
    config: Mapping[str, Any], arguments: dict[str, Any], going: _Travelling, method: str
) -> tuple[bytes | None, str]:
    for name in _PLACE.findall(str(config["url"])):
        if name in arguments:
            value = styles.plain(arguments.pop(name))
            going.places[name] = _segment(styles.escaped(value), value)
    if method in BODILESS:
        going.query += [(styles.escaped(name), styles.escaped(v)) for name, v in arguments.items()]
        return None, ""
    return bodies.written(arguments, "application/json")


def _url(template: str, going: _Travelling, fixed: Mapping[str, Any], fill: Fill) -> str:
    origin, slash, rest = _split(template)
    if _PLACE.search(origin):
        raise Unfit("invalid_request", "The tool's address has a place in its host.")
    # Piece by piece: a secret is put in where the configuration says, never into an argument.
    pieces = _PLACE.split(rest)
    filled = [
        fill(text) if index % 2 == 0 else _place(text, going) for index, text in enumerate(pieces)
    ]
    path, _, query = "".join(filled).partition("?")
    if any(_DOTS.fullmatch(part) for part in path.split("/")):
        raise Unfit("invalid_request", "The address would lead out of its path.")
    own = {styles.escaped(name) for name in fixed} | {
        pair.partition("=")[0] for pair in query.split("&") if pair
    }
    repeated = sorted({name for name, _ in going.query} & own)
    if repeated:
        raise Unfit("invalid_request", f"The query's {repeated[0][:80]} is set by the tool itself.")
    pairs = [*going.query, *((styles.escaped(k), styles.escaped(v)) for k, v in fixed.items())]
    parts = [query] if query else []
    whole = "&".join([*parts, *(f"{name}={text}" for name, text in pairs)])
    return f"{fill(origin)}{slash}{path}{'?' if whole else ''}{whole}"


def _split(template: str) -> tuple[str, str, str]:
    """Scheme and host, the slash or question mark that ends them, and the rest."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)([/?]?)(.*)", template, re.DOTALL)
    if found is None:
        raise Unfit("invalid_request", f"{template[:200]!r} is no address.")
    origin, mark, rest = found.groups()
    return (origin, "/", rest) if mark == "/" else (origin, "/", mark + rest)


def _place(name: str, going: _Travelling) -> str:
    if name not in going.places:
        raise Unfit("invalid_request", f"The address needs an argument {name}.")
    return going.places[name]


def _cookie(going: _Travelling, fixed: Mapping[str, Any]) -> str:
    own = {styles.escaped(name) for name in fixed}
    repeated = sorted({name for name, _ in going.cookies} & own)
    if repeated:
        raise Unfit("invalid_request", f"The cookie {repeated[0][:80]} is set by the tool itself.")
    said = [*going.cookies, *((styles.escaped(name), str(text)) for name, text in fixed.items())]
    if any(re.search(r"[;\r\n\0]", text) for _, text in said):
        raise Unfit("invalid_request", "A cookie holds characters that none may.")
    return "; ".join(f"{name}={text}" for name, text in said)

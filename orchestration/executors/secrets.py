"""The secrets of one execution: filled into the configuration at the last moment, and kept out of
whatever comes back.

An upstream that was told a secret may say it again, plain or in another form: in a header, a page
about an error, a traceback. `scrub` knows the forms that are in use (base64 alone and inside a
longer text, URL-quoted, JSON- and HTML-escaped, hexadecimal) and masks them. It can't know what a
program computes: one that means to give a secret away, reversed or in pieces, can. So a secret is
granted only to a tool whose program is trusted with it, and `python`, whose program is the
caller's, is given none.
"""

import base64
import html
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "[secret]"
PLACEHOLDER = re.compile(r"\$\{secret:([^{}]*)\}")
LEAST = 6
LINE = 16
MAX_REMEMBERED = 256


class SecretUnavailable(Exception):
    """A placeholder names a secret that the tool can't be given; the message holds the name."""


class Secrets:
    """What one execution may know. Its text and its pickle hold names only."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        longest_first = sorted(self._values.values(), key=len, reverse=True)
        self._erasers = tuple(_eraser(value) for value in longest_first)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("secrets are never pickled")

    def __bool__(self) -> bool:
        return bool(self._values)

    def fill(self, value: Any) -> Any:
        """A copy of a part of the configuration with its placeholders filled.

        Never give it anything that came from a call. Raises SecretUnavailable.
        """
        if isinstance(value, str):
            return PLACEHOLDER.sub(self._value, value) if "${secret:" in value else value
        if isinstance(value, Mapping):
            return {name: self.fill(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.fill(item) for item in value]
        return value

    def _value(self, found: re.Match[str]) -> str:
        if found[1] not in self._values:
            raise SecretUnavailable(
                f"Secret {found[1][:80]!r} isn't granted to this tool, so nothing was done. "
                "Ask the secret's owner to grant it."
            )
        return self._values[found[1]]

    def scrub(self, value: Any) -> Any:
        """The value with every form of every secret masked, in texts, bytes, names and numbers."""
        written = _written_as_json(value) if self._erasers else ""
        for eraser in self._erasers:
            if not written or eraser.is_in(written):
                value = eraser.erased(value)
        return value


class Eraser:
    """Finds the forms of one secret in texts of any size."""

    def __init__(self, secret: str) -> None:
        forms = {form.lower() for form in _forms(secret)}
        # Longest first, so that a form within another doesn't leave the other's rest.
        self._forms = sorted((form for form in forms if len(form) >= LEAST), key=len, reverse=True)
        self._escaped = [json.dumps(form, ensure_ascii=False)[1:-1] for form in self._forms]
        self._pattern = re.compile("|".join(map(re.escape, self._forms)), re.IGNORECASE)

    def is_in(self, written: str) -> bool:
        """Whether a value that `_written_as_json` wrote may hold the secret in some form."""
        return any(form in written for form in self._escaped)

    def text(self, text: str) -> str:
        """The text without the secrets; a text that holds none is returned as it is."""
        lowered = text.lower()
        if not any(form in lowered for form in self._forms):
            return text
        return self._pattern.sub(MASK, text)

    def erased(self, value: Any) -> Any:
        """The same of a JSON value, of bytes, and of the names in objects."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.erased(name): self.erased(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.erased(item) for item in value]
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode("latin-1")).encode("latin-1", "replace")
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
            return MASK if self.text(text) != text else value
        return value


def _written_as_json(value: Any) -> str:
    """The whole value as one lower-case text, in which to look before its parts are looked at one
    by one; empty where it can't be written."""
    if not isinstance(value, dict | list):
        return ""
    try:
        return json.dumps(value, ensure_ascii=False).lower()
    except (TypeError, ValueError, RecursionError):
        return ""


def _forms(secret: str) -> Iterator[str]:
    for part in {secret, secret.strip(), *_parts(secret)}:
        yield from _written(part)
        # A whole request that is said again in base64 holds them as the request wrote them.
        for text in {part, quote(part, safe=""), quote_plus(part), json.dumps(part)[1:-1]}:
            yield from _encoded(text.encode())


def _parts(secret: str) -> Iterator[str]:
    """What of a secret tells it by itself: lines of a key, an address's password, JSON's texts."""
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= LINE and not line.startswith("-----"))
    try:
        password = urlsplit(secret).password or ""
        document = json.loads(secret) if secret.lstrip()[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return
    if len(password) >= LEAST:
        yield from (password, unquote(password))
    yield from (text for text in _texts(document) if len(text) >= LINE)


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield from (document, *(line for line in document.splitlines() if "-----" not in line))
    elif isinstance(document, dict | list):
        for item in document.values() if isinstance(document, dict) else document:
            yield from _texts(item)


def _written(text: str) -> Iterator[str]:
    """The text as the common notations write it."""
    yield text
    yield from (quote(text, safe=""), quote(text), quote_plus(text))
    yield from (html.escape(text), html.escape(text, quote=False))
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (json.dumps(json.dumps(text))[3:-3], repr(text)[1:-1])


def _encoded(raw: bytes) -> Iterator[str]:
    yield raw.hex()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        # Inside a longer text (`user:password`) the letters depend on where it begins, modulo 3;
        # those at both ends depend on the neighbours too, and are left out.
        for before in range(3):
            letters = encode(b"\0" * before + raw).decode().rstrip("=")
            start = (before * 8 + 5) // 6
            end = (before + len(raw)) * 8 // 6
            if end - start >= LINE // 2:
                yield letters[start:end]


_remembered: "OrderedDict[str, Eraser]" = OrderedDict()
_lock = Lock()


def _eraser(secret: str) -> Eraser:
    """The eraser of one secret. This process remembers those that it revealed last: the libraries
    that hold a connection log from threads of their own, and later."""
    with _lock:
        found = _remembered.pop(secret, None) or Eraser(secret)
        _remembered[secret] = found
        while len(_remembered) > MAX_REMEMBERED:
            _remembered.popitem(last=False)
    return found


def scrub_log(logger: Any, method: str, event: Any) -> Any:
    """A structlog processor: no line that this process logs holds a secret that it revealed."""
    with _lock:
        erasers = tuple(_remembered.values())
    for eraser in erasers:
        event = eraser.erased(event)
    return event


NONE = Secrets()

"""Security schemes become placeholders of secrets, which the executor fills at the last moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.importing.drafts import Notes, Unfit, pointer
from registry.importing.names import slug
from registry.importing.references import References

_BEARERS = frozenset({"bearer", "oauth"})
LONGEST = 64


@dataclass(frozen=True)
class Credentials:
    """What goes with each request: placeholders by where they stand. `unready` says what can't
    be met by a secret."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    unready: str = ""

    def config(self) -> dict[str, Any]:
        parts = {"headers": self.headers, "query": self.query, "cookies": self.cookies}
        return {name: dict(part) for name, part in parts.items() if part}


class Schemes:
    """The security schemes of one document; its secrets are named after it and the scheme."""

    def __init__(self, document: Mapping[str, Any], references: References, source: str) -> None:
        components = document.get("components")
        found = components.get("securitySchemes") if isinstance(components, dict) else None
        self.schemes: Mapping[str, Any] = found if isinstance(found, dict) else {}
        self.references, self.source = references, slug(source)

    def credentials(self, requirements: Any, place: str, notes: Notes) -> Credentials:
        """The first alternative that secrets can meet; where none can, the first and why not."""
        entries = requirements if isinstance(requirements, list) else []
        alternatives = [each for each in entries if isinstance(each, dict)]
        if not alternatives or all(not each for each in alternatives):
            return Credentials()
        told = ""
        for index, each in enumerate(alternatives):
            if not each:
                continue
            try:
                return self._met(each)
            except Unfit as unfit:
                told = told or unfit.reason
                notes.add(place + pointer(index), "", unfit.reason)
        if {} in alternatives:
            return Credentials()
        return Credentials(unready=f"{told}: write its credentials into executor_config by hand")

    def _met(self, requirement: Mapping[str, Any]) -> Credentials:
        parts: dict[str, dict[str, str]] = {"headers": {}, "query": {}, "cookies": {}}
        secrets = []
        for name in list(requirement)[:10]:
            where, key, value = self._placed(name)
            secrets.append(self._secret(name))
            parts[where][key] = value
        headers, query, cookies = parts["headers"], parts["query"], parts["cookies"]
        return Credentials(headers, query, cookies, tuple(secrets))

    def _placed(self, name: str) -> tuple[str, str, str]:
        """Where the scheme's secret goes, under which name, in which form. Raises Unfit."""
        if name not in self.schemes:
            raise Unfit("", f"the security scheme {name[:80]!r} isn't declared")
        place = pointer("components", "securitySchemes", name)
        scheme, _ = self.references.resolved(self.schemes[name], place)
        scheme = scheme if isinstance(scheme, dict) else {}
        kind, placeholder = scheme.get("type"), f"${{secret:{self._secret(name)}}}"
        if kind == "apiKey":
            return _key(scheme, name, placeholder)
        if kind in ("oauth2", "openIdConnect"):
            return "headers", "Authorization", f"Bearer {placeholder}"
        if kind == "http":
            word = str(scheme.get("scheme", "")).lower()
            if word == "basic":
                # The secret is `user:password` in base64, as RFC 7617 sends it.
                return "headers", "Authorization", f"Basic {placeholder}"
            if word in _BEARERS:
                return "headers", "Authorization", f"Bearer {placeholder}"
            raise Unfit("", f"HTTP authentication {word[:40]!r} isn't one secret in a header")
        raise Unfit("", f"the security scheme type {str(kind)[:40]!r} can't be met by a secret")

    def _secret(self, name: str) -> str:
        return f"{self.source}_{slug(name)}"[:LONGEST].rstrip("_")


def _key(scheme: Mapping[str, Any], name: str, placeholder: str) -> tuple[str, str, str]:
    wheres = {"header": "headers", "query": "query", "cookie": "cookies"}
    where, key = wheres.get(str(scheme.get("in"))), scheme.get("name")
    if where is None or not isinstance(key, str) or not key:
        raise Unfit("", f"the security scheme {name[:80]!r} doesn't say where its key goes")
    return where, key, placeholder

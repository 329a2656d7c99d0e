"""Browser sessions, and the signed cookies that carry their ids."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from auth.errors import SessionError

COOKIE_NAME = "authsession"
COOKIE_SEPARATOR = "."


@dataclass(frozen=True)
class Session:
    id: str
    user: str
    created_at: float
    expires_at: float


@dataclass
class Sessions:
    """Open sessions by id; the clock returns seconds."""

    clock: Callable[[], float]
    lifetime: int = 8 * 3600
    _open: dict[str, Session] = field(default_factory=dict)

    def start(self, user: str) -> Session:
        now = self.clock()
        session = Session(secrets.token_urlsafe(24), user, now, now + self.lifetime)
        self._open[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        session = self._open.get(session_id)
        if session is None:
            raise SessionError("there is no such session")
        if session.expires_at <= self.clock():
            del self._open[session_id]
            raise SessionError("the session has expired")
        return session

    def end(self, session_id: str) -> None:
        self._open.pop(session_id, None)

    def end_all(self, user: str) -> int:
        """Close every session of one user and return how many there were."""
        ids = [session.id for session in self._open.values() if session.user == user]
        for session_id in ids:
            self.end(session_id)
        return len(ids)


def session_from_cookie(sessions: Sessions, header: str, secret: str) -> Session:
    """Find the open session that a request's Cookie header names."""
    return sessions.get(read_cookie(header, secret))


def sign_cookie_value(session_id: str, secret: str) -> str:
    """Return ``id.signature``, the signature being HMAC-SHA256 in hex."""
    return f"{session_id}{COOKIE_SEPARATOR}{_cookie_signature(session_id, secret)}"


def unsign_cookie_value(value: str, secret: str) -> str:
    session_id, separator, signature = value.rpartition(COOKIE_SEPARATOR)
    if not separator:
        raise SessionError("the cookie carries no signature")
    if not hmac.compare_digest(signature, _cookie_signature(session_id, secret)):
        raise SessionError("the cookie's signature does not match")
    return session_id


def cookie_header(session_id: str, secret: str, max_age: int, *, secure: bool = True) -> str:
    """The value of a Set-Cookie header, without the header's name."""
    cookie = SimpleCookie()
    cookie[COOKIE_NAME] = sign_cookie_value(session_id, secret)
    morsel = cookie[COOKIE_NAME]
    morsel["httponly"] = True
    morsel["max-age"] = max_age
    morsel["path"] = "/"
    morsel["samesite"] = "Lax"
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()


def read_cookie(header: str, secret: str) -> str:
    """Return the session id in a request's Cookie header."""
    try:
        cookie = SimpleCookie(header)
    except CookieError:
        raise SessionError("the cookie header can't be read") from None
    if COOKIE_NAME not in cookie:
        raise SessionError("there is no session cookie")
    return unsign_cookie_value(cookie[COOKIE_NAME].value, secret)


def _cookie_signature(session_id: str, secret: str) -> str:
    return hmac.new(secret.encode(), session_id.encode(), hashlib.sha256).hexdigest()

"""Signing in and out, and the tokens handed out for it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import jwt

from auth.config import Settings
from auth.errors import (
    InvalidCredentials,
    TokenError,
    TokenExpired,
    TokenRevoked,
    UnknownUser,
)
from auth.passwords import check_strength, hash_password, needs_rehash, verify_password
from auth.roles import expand, require
from auth.sessions import Session, Sessions
from auth.throttle import Throttle
from auth.users import InMemoryUsers, User

ALGORITHM = "HS256"
ACCESS = "access"
REFRESH = "refresh"
# Clocks of two machines are never quite the same.
LEEWAY_SECONDS = 5

# Verified when the user doesn't exist, so that both answers take the same time.
DUMMY_RECORD = hash_password("no such user", b"0123456789abcdef")


@dataclass(frozen=True)
class Tokens:
    """What a client gets when it signs in."""

    access: str
    refresh: str
    expires_in: int


class RevokedTokens:
    """Ids of tokens that must no longer be accepted, until they expire anyway."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}

    def add(self, claims: dict[str, Any]) -> None:
        self._until[claims["jti"]] = claims["exp"]

    def __contains__(self, claims: dict[str, Any]) -> bool:
        return claims["jti"] in self._until

    def forget_expired(self, now: float) -> int:
        expired = [jti for jti, until in self._until.items() if until <= now]
        for jti in expired:
            del self._until[jti]
        return len(expired)


def build_claims(user: User, kind: str, settings: Settings, now: float) -> dict[str, Any]:
    """The claims of a token for this user (RFC 7519), times in whole seconds."""
    lifetimes = {ACCESS: settings.access_lifetime, REFRESH: settings.refresh_lifetime}
    return {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": user.name,
        "iat": int(now),
        "exp": int(now) + lifetimes[kind],
        "jti": secrets.token_hex(16),
        "kind": kind,
        "roles": sorted(expand(user.roles)),
        "generation": user.token_generation,
    }


def encode_token(claims: dict[str, Any], settings: Settings) -> str:
    return jwt.encode(claims, settings.secret, algorithm=ALGORITHM)


def decode_token(token: str, settings: Settings, *, kind: str = ACCESS) -> dict[str, Any]:
    """Check signature, issuer, audience, times and kind, and return the claims."""
    try:
        claims = jwt.decode(
            token,
            settings.secret,
            algorithms=[ALGORITHM],
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "jti"]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired("the token has expired") from None
    except jwt.InvalidTokenError as error:
        raise TokenError(f"the token is not valid: {error}") from None
    if claims.get("kind") != kind:
        raise TokenError(f"this is no {kind} token")
    return claims


def unverified_subject(token: str) -> str | None:
    """Who a token says it is for, for log lines only: nothing is checked."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return None
    return claims.get("sub")


def bearer_token(header: str) -> str:
    """The token in an Authorization header (RFC 6750)."""
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("expected 'Authorization: Bearer <token>'")
    return token.strip()


@dataclass
class AuthService:
    """Signs users in and out. The clock returns seconds since the epoch."""

    users: InMemoryUsers
    settings: Settings
    clock: Callable[[], float] = time.time
    revoked: RevokedTokens = field(default_factory=RevokedTokens)
    throttle: Throttle = field(init=False)
    sessions: Sessions = field(init=False)

    def __post_init__(self) -> None:
        self.throttle = Throttle(
            self.clock, self.settings.max_failures, self.settings.lock_seconds
        )
        self.sessions = Sessions(self.clock, self.settings.session_lifetime)

    def register(self, name: str, password: str, roles: Iterable[str] = ()) -> User:
        check_strength(password, name)
        return self.users.add(User(name, hash_password(password), tuple(roles)))

    def login(self, name: str, password: str) -> Tokens:
        """Exchange a password for an access and a refresh token."""
        return self._issue(self._verified(name, password))

    def login_browser(self, name: str, password: str) -> Session:
        return self.sessions.start(self._verified(name, password).name)

    def refresh(self, token: str) -> Tokens:
        """Exchange a refresh token for new tokens. Each can be used once."""
        claims = decode_token(token, self.settings, kind=REFRESH)
        user = self._user_of(claims)
        self.revoked.add(claims)
        return self._issue(user)

    def authenticate(self, token: str) -> User:
        """The user an access token was issued to."""
        return self._user_of(decode_token(token, self.settings))

    def authorize(self, header: str, permission: str) -> User:
        """Who sent this Authorization header, if they hold the permission."""
        user = self.authenticate(bearer_token(header))
        require(user, permission)
        return user

    def logout(self, token: str) -> None:
        self.revoked.add(decode_token(token, self.settings))

    def logout_everywhere(self, name: str) -> None:
        """Make every token and session of the user worthless."""
        user = self.users.get(name)
        self.users.update(name, token_generation=user.token_generation + 1)
        self.sessions.end_all(user.name)

    def change_password(self, name: str, old: str, new: str) -> None:
        self._verified(name, old)
        check_strength(new, name)
        self.users.update(name, password=hash_password(new))
        self.logout_everywhere(name)

    def _issue(self, user: User) -> Tokens:
        now = self.clock()
        access = encode_token(build_claims(user, ACCESS, self.settings, now), self.settings)
        refresh = encode_token(build_claims(user, REFRESH, self.settings, now), self.settings)
        return Tokens(access, refresh, self.settings.access_lifetime)

    def _verified(self, name: str, password: str) -> User:
        self.throttle.check(name)
        user = self.users.find(name)
        matches = verify_password(password, user.password if user else DUMMY_RECORD)
        if user is None or not matches or not user.active:
            self.throttle.record_failure(name)
            raise InvalidCredentials("name or password is wrong")
        self.throttle.forget(name)
        if needs_rehash(user.password):
            user = self.users.update(name, password=hash_password(password))
        return user

    def _user_of(self, claims: dict[str, Any]) -> User:
        if claims in self.revoked:
            raise TokenRevoked("the token was revoked")
        try:
            user = self.users.get(claims["sub"])
        except UnknownUser:
            raise TokenError("the token's user is gone") from None
        if not user.active or claims["generation"] != user.token_generation:
            raise TokenRevoked("the token was revoked")
        return user

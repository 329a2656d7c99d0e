"""Everything that can go wrong. The code is what callers may rely on."""

from __future__ import annotations


class AuthError(Exception):
    """Base of all errors of this package."""

    code = "auth_error"


class ConfigurationError(AuthError):
    code = "configuration"


class InvalidCredentials(AuthError):
    code = "invalid_credentials"


class AccountLocked(AuthError):
    code = "account_locked"

    def __init__(self, name: str, seconds: int) -> None:
        super().__init__(f"{name} is locked for another {seconds} seconds")
        self.seconds = seconds


class WeakPassword(AuthError):
    code = "weak_password"


class UserExists(AuthError):
    code = "user_exists"


class UnknownUser(AuthError):
    code = "unknown_user"


class TokenError(AuthError):
    code = "token_invalid"


class TokenExpired(TokenError):
    code = "token_expired"


class TokenRevoked(TokenError):
    code = "token_revoked"


class SessionError(AuthError):
    code = "session_invalid"


class PermissionDenied(AuthError):
    code = "permission_denied"

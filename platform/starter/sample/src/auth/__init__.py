"""Sign-in, tokens, sessions and roles for internal services."""

from auth.config import Settings
from auth.login import AuthService, Tokens
from auth.users import InMemoryUsers, User

__all__ = ["AuthService", "InMemoryUsers", "Settings", "Tokens", "User"]

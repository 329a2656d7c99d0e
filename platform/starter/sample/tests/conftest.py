from __future__ import annotations

import pytest

from auth import AuthService, InMemoryUsers, Settings

SECRET = "a secret of at least thirty-two bytes"
PASSWORD = "correct horse battery staple"


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def settings() -> Settings:
    return Settings(secret=SECRET)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def service(settings: Settings) -> AuthService:
    service = AuthService(InMemoryUsers(), settings)
    service.register("alice", PASSWORD, roles=["editor"])
    return service

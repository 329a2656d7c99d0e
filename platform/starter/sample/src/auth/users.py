"""The user record, and a store that keeps users in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from auth.errors import UnknownUser, UserExists


@dataclass(frozen=True)
class User:
    name: str
    password: str
    roles: tuple[str, ...] = ()
    active: bool = True
    # Raised on "sign out everywhere": tokens issued under a lower number no longer count.
    token_generation: int = 0


@dataclass
class InMemoryUsers:
    """Good for tests and for one process. Names are compared without case."""

    _users: dict[str, User] = field(default_factory=dict)

    def add(self, user: User) -> User:
        key = normalise_name(user.name)
        if key in self._users:
            raise UserExists(f"there is a user {user.name} already")
        self._users[key] = user
        return user

    def get(self, name: str) -> User:
        try:
            return self._users[normalise_name(name)]
        except KeyError:
            raise UnknownUser(f"there is no user {name}") from None

    def find(self, name: str) -> User | None:
        return self._users.get(normalise_name(name))

    def update(self, name: str, **changes: object) -> User:
        user = replace(self.get(name), **changes)  # type: ignore[arg-type]
        self._users[normalise_name(name)] = user
        return user

    def __len__(self) -> int:
        return len(self._users)


def normalise_name(name: str) -> str:
    return name.strip().casefold()

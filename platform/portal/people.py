"""People as an operator adds them: with a random password that is shown once."""

import secrets
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction

from registry.models import Team, User


@dataclass(frozen=True)
class SignIn:
    """A person and the password that is shown this once."""

    name: str
    role: str
    password: str = field(repr=False)

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "role": self.role, "password": self.password}


def add(name: str, role: str, *, teams: tuple[str, ...] = (), email: str = "") -> SignIn:
    """A new person. Raises ValidationError for a taken or unfit name and for an unknown team."""
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        user = User(username=name, role=role, email=email)
        user.set_password(password)
        user.full_clean()
        user.save()
        for team in teams:
            _team(team).add(user)
    return SignIn(name, role, password)


def new_password(name: str) -> SignIn:
    """A new random password; the sessions of the old one end. Raises ValidationError."""
    user: User | None = User.objects.filter(username=name).first()
    if user is None:
        known = ", ".join(User.objects.order_by("username").values_list("username", flat=True)[:20])
        raise ValidationError(f"There is nobody called {name!r}. There are: {known}.")
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(update_fields=["password"])
    return SignIn(user.username, user.role, password)


def _team(name: str) -> Team:
    team: Team | None = Team.objects.filter(name=name).first()
    if team is None:
        known = ", ".join(Team.objects.values_list("name", flat=True)[:20])
        raise ValidationError(f"There is no team {name!r}. There are: {known or 'none yet'}.")
    return team

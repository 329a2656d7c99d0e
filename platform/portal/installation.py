"""A home made ready: migrated, with the starter catalogue, and with the first people."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from registry.models import Team, User

from portal import catalogue

STARTER = Path(settings.ROOT) / "platform" / "starter" / "catalogue"
# The first people, and the team that the starter catalogue's agents belong to.
FIRST_PEOPLE = (("admin", "platform"), ("reviewer", "reviewer"), ("member", "member"))
FIRST_TEAM = "platform-team"


@dataclass(frozen=True)
class SignIn:
    """A person who was just made, and the password that is shown once."""

    name: str
    role: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did."""

    migrated: int
    changes: int
    people: tuple[SignIn, ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> bool:
        """Whether this was the first start of this home."""
        return bool(self.people)


NOTHING_NEW = Prepared(migrated=0, changes=0, people=())


def prepare() -> Prepared:
    """Make the home ready; what is ready stays as it is.

    1. migrate the database;
    2. load the starter catalogue into an empty installation, and only there: what somebody has
       edited or removed since is theirs;
    3. make the first people, with random passwords.
    """
    migrated = migrate()
    if User.objects.exists():
        return Prepared(migrated, 0, (), ())
    with transaction.atomic():
        changes = catalogue.load(STARTER) if STARTER.is_dir() else []
        people = first_people()
    return Prepared(migrated, len(changes), people)


def migrate() -> int:
    """Apply the migrations that are missing. Returns how many there were."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def first_people() -> tuple[SignIn, ...]:
    """A platform admin, a reviewer and a team member."""
    team, _ = Team.objects.get_or_create(name=FIRST_TEAM)
    made = tuple(add_person(name, role) for name, role in FIRST_PEOPLE)
    team.add(User.objects.get(username="member"))
    return made


def add_person(name: str, role: str) -> SignIn:
    """A new person with a random password."""
    password = secrets.token_urlsafe(12)
    User.objects.create_user(username=name, password=password, role=role)
    return SignIn(name, role, password)

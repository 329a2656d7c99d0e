"""A home made ready: migrated, with the starter catalogue, and with the first people."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from portal import catalogue, confinement, people
from portal.people import SignIn
from registry.models import Team, User

STARTER = Path(settings.ROOT) / "platform" / "starter" / "catalogue"
# The first people, and the team that the member joins.
ADMIN, REVIEWER, MEMBER = "admin", "reviewer", "member"
FIRST_TEAM = "search"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did: migrations and definitions by number, and the people it made."""

    migrated: int
    changes: int
    people: tuple[SignIn, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The same for people to read."""
        if not self.people:
            done = f"Ready; {self.migrated} migrations applied, everything else is as it was."
            return [done, *self.notes]
        return [
            f"Ready; {self.migrated} migrations applied, {self.changes} definitions loaded.",
            "Sign in (these passwords are shown this once):",
            *(f"  {who.name}  {who.password}  ({who.role})" for who in self.people),
            *self.notes,
        ]


NOTHING_NEW = Prepared(migrated=0, changes=0, people=())


def prepare() -> Prepared:
    """Make the home ready; what is ready stays as it is.

    1. migrate the database;
    2. load the starter catalogue into an empty installation, and only there: what somebody has
       edited or removed since is theirs;
    3. make the first people, with random passwords;
    4. settle what the sandbox may do without on this machine.
    """
    migrated = migrate()
    notes = confinement.settle()
    if User.objects.exists():
        return Prepared(migrated, 0, (), notes)
    with transaction.atomic():
        changes = catalogue.load(STARTER)
        made = _first_people()
    return Prepared(migrated, len(changes), made, notes)


def migrate() -> int:
    """Apply the migrations that are missing. Returns how many there were."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def _first_people() -> tuple[SignIn, ...]:
    Team.objects.get_or_create(name=FIRST_TEAM)
    return (
        people.add(ADMIN, "platform"),
        people.add(REVIEWER, "reviewer"),
        people.add(MEMBER, "member", teams=(FIRST_TEAM,)),
    )

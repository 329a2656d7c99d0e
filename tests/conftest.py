"""The cast: alice owns, bob is a member, charlie is an outsider, rita reviews, root administers,
audra audits. An agent `worker` of alice's team, and one of charlie's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test.utils import override_settings
from kernel import append_only
from rest_framework.test import APIClient

from orchestration.runtimes import starter
from registry.models import Agent, Team, User
from tests import factories


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """The real hash is slow on purpose; here it would be most of what the suite does."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def cold_sandboxes() -> Iterator[None]:
    """Homes last for one test: what were booted in them would serve nobody. Who tests warm ones
    says so."""
    with override_settings(SANDBOX_WARM=0):
        yield


@pytest.fixture(scope="session", autouse=True)
def flush_of_protected_tables() -> Iterator[None]:
    """A transactional test ends by emptying every table, also those that only grow: for that one
    statement, and for nothing else, their triggers are lifted."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def lifted(operations: BaseDatabaseOperations, statements: Any) -> None:
        with append_only.lifted(operations.connection.alias):
            flush(operations, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", lifted)
        yield


@pytest.fixture(autouse=True)
def no_program_outlives_its_test() -> Iterator[None]:
    """The threads that supervise agents' programs have ended before the database is emptied."""
    yield
    assert not starter.close(), "a starter agent's program can't be stopped"


@pytest.fixture
def team(db: None) -> Team:
    return factories.make_team("search")


@pytest.fixture
def other_team(db: None) -> Team:
    return factories.make_team("billing")


@pytest.fixture
def platform_team(db: None) -> Team:
    return factories.make_team("platform-team")


@pytest.fixture
def alice(team: Team) -> User:
    return factories.make_user("alice", team=team)


@pytest.fixture
def bob(team: Team) -> User:
    return factories.make_user("bob", team=team)


@pytest.fixture
def charlie(other_team: Team) -> User:
    return factories.make_user("charlie", team=other_team)


@pytest.fixture
def rita(db: None) -> User:
    return factories.make_user("rita", role="reviewer")


@pytest.fixture
def root(db: None) -> User:
    return factories.make_user("root", role="platform")


@pytest.fixture
def audra(db: None) -> User:
    return factories.make_user("audra", role="auditor")


@pytest.fixture
def agent(team: Team) -> Agent:
    return factories.make_agent("worker", team)


@pytest.fixture
def other_agent(other_team: Team) -> Agent:
    return factories.make_agent("other_worker", other_team)


@pytest.fixture
def key(agent: Agent) -> str:
    return factories.make_key(agent)


@pytest.fixture
def other_key(other_agent: Agent) -> str:
    return factories.make_key(other_agent)


@pytest.fixture
def api() -> Callable[[str | User | None], APIClient]:
    """`api(key)` calls as an agent, `api(user)` as a signed-in person, `api(None)` as nobody."""

    def client(who: str | User | None) -> APIClient:
        found = APIClient()
        if isinstance(who, str):
            found.credentials(HTTP_AUTHORIZATION=f"Bearer {who}")
        elif who is not None:
            found.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
        return found

    return client

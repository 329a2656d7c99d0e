import pytest

from auth.errors import UnknownUser, UserExists
from auth.users import InMemoryUsers, User


def test_names_are_compared_without_case():
    users = InMemoryUsers()
    users.add(User("Alice", "-"))
    assert users.get(" alice ").name == "Alice"
    with pytest.raises(UserExists):
        users.add(User("ALICE", "-"))


def test_an_unknown_user_is_named():
    with pytest.raises(UnknownUser, match="bob"):
        InMemoryUsers().get("bob")


def test_an_update_keeps_the_rest():
    users = InMemoryUsers()
    users.add(User("alice", "-", roles=("reader",)))
    assert users.update("alice", active=False).roles == ("reader",)
    assert len(users) == 1

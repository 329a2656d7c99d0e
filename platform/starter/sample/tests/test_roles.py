import pytest

from auth.errors import PermissionDenied
from auth.roles import expand, permissions_of, require
from auth.users import User


def test_a_role_includes_the_roles_below_it():
    assert expand(["admin"]) == {"admin", "editor", "reader"}


def test_permissions_add_up():
    assert "article.read" in permissions_of(["editor"])
    assert "user.write" not in permissions_of(["editor"])


def test_a_missing_permission_is_denied():
    with pytest.raises(PermissionDenied, match="user.write"):
        require(User("bob", "-", roles=("reader",)), "user.write")


def test_an_inactive_user_may_do_nothing():
    with pytest.raises(PermissionDenied):
        require(User("bob", "-", roles=("admin",), active=False), "user.read")

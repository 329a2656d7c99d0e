import pytest

from auth.errors import WeakPassword
from auth.passwords import check_strength, hash_password, needs_rehash, verify_password


def test_a_password_matches_its_hash():
    assert verify_password("open sesame 42", hash_password("open sesame 42"))


def test_another_password_does_not_match():
    assert not verify_password("open sesame 43", hash_password("open sesame 42"))


def test_two_hashes_of_one_password_differ():
    assert hash_password("open sesame 42") != hash_password("open sesame 42")


@pytest.mark.parametrize("stored", ["", "plain", "md5$1$YQ==$YQ==", "scrypt$x$YQ==$YQ=="])
def test_an_unreadable_record_never_matches(stored):
    assert not verify_password("open sesame 42", stored)


def test_a_cheaper_record_needs_a_new_hash():
    assert needs_rehash("scrypt$1024$YQ==$YQ==")
    assert not needs_rehash(hash_password("open sesame 42"))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 10"),
        ("Password123", "most common"),
        ("alice-in-chains", "user's name"),
        ("abababababab", "different characters"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password, reason):
    with pytest.raises(WeakPassword, match=reason):
        check_strength(password, "alice")

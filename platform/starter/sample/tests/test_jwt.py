import time
from unittest import mock

import jwt
import pytest

from auth.errors import TokenError, TokenExpired
from auth.login import (
    ACCESS,
    REFRESH,
    RevokedTokens,
    bearer_token,
    build_claims,
    decode_token,
    encode_token,
    unverified_subject,
)
from auth.users import User

ALICE = User("alice", "-", roles=("editor",), token_generation=3)


def test_a_token_returns_its_claims(settings):
    claims = build_claims(ALICE, ACCESS, settings, time.time())
    assert decode_token(encode_token(claims, settings), settings) == claims


def test_claims_name_the_user_and_all_roles(settings):
    claims = build_claims(ALICE, ACCESS, settings, 1000.9)
    assert claims["sub"] == "alice"
    assert claims["roles"] == ["editor", "reader"]
    assert claims["generation"] == 3
    assert (claims["iat"], claims["exp"]) == (1000, 1900)


def test_a_refresh_token_lives_longer(settings):
    claims = build_claims(ALICE, REFRESH, settings, 0)
    assert claims["exp"] == settings.refresh_lifetime


def test_an_old_token_has_expired(settings):
    token = encode_token(build_claims(ALICE, ACCESS, settings, 1000), settings)
    with pytest.raises(TokenExpired):
        decode_token(token, settings)


def test_a_token_of_another_secret_is_refused(settings):
    claims = build_claims(ALICE, ACCESS, settings, time.time())
    forged = jwt.encode(claims, "y" * 32, algorithm="HS256")
    with pytest.raises(TokenError, match="not valid"):
        decode_token(forged, settings)


def test_the_library_is_told_to_require_an_expiry(settings):
    with mock.patch("auth.login.jwt.decode", return_value={"kind": ACCESS}) as decode:
        decode_token("token", settings)
    assert "exp" in decode.call_args.kwargs["options"]["require"]


def test_the_subject_can_be_logged_without_a_check(settings):
    token = encode_token(build_claims(ALICE, ACCESS, settings, 1000), settings)
    assert unverified_subject(token) == "alice"
    assert unverified_subject("garbage") is None


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer  "])
def test_another_authorization_header_is_refused(header):
    with pytest.raises(TokenError):
        bearer_token(header)


def test_the_bearer_scheme_ignores_case():
    assert bearer_token("bearer  abc ") == "abc"


def test_revoked_tokens_are_forgotten_once_expired():
    revoked = RevokedTokens()
    revoked.add({"jti": "a", "exp": 10})
    revoked.add({"jti": "b", "exp": 20})
    assert {"jti": "a", "exp": 10} in revoked
    assert revoked.forget_expired(10) == 1
    assert {"jti": "a", "exp": 10} not in revoked

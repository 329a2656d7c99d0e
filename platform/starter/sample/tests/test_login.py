import pytest

from auth import login
from auth.errors import AccountLocked, InvalidCredentials, TokenError, TokenRevoked, WeakPassword

PASSWORD = "correct horse battery staple"


def test_a_login_gives_tokens_that_authenticate(service):
    tokens = service.login("alice", PASSWORD)
    assert service.authenticate(tokens.access).name == "alice"
    assert tokens.expires_in == 900


def test_a_wrong_password_is_refused(service):
    with pytest.raises(InvalidCredentials):
        service.login("alice", "wrong password")


def test_an_unknown_user_gets_the_same_answer(service):
    with pytest.raises(InvalidCredentials, match="name or password is wrong"):
        service.login("charlie", PASSWORD)


def test_repeated_failures_lock_the_account(service):
    for _ in range(service.settings.max_failures):
        with pytest.raises(InvalidCredentials):
            service.login("alice", "wrong password")
    with pytest.raises(AccountLocked):
        service.login("alice", PASSWORD)


def test_a_refresh_token_works_once(service):
    tokens = service.login("alice", PASSWORD)
    renewed = service.refresh(tokens.refresh)
    assert service.authenticate(renewed.access).name == "alice"
    with pytest.raises(TokenRevoked):
        service.refresh(tokens.refresh)


def test_a_refresh_token_does_not_authenticate(service):
    tokens = service.login("alice", PASSWORD)
    with pytest.raises(TokenError, match="no access token"):
        service.authenticate(tokens.refresh)


def test_logout_revokes_the_token(service):
    tokens = service.login("alice", PASSWORD)
    service.logout(tokens.access)
    with pytest.raises(TokenRevoked):
        service.authenticate(tokens.access)


def test_a_new_password_ends_everything(service):
    tokens = service.login("alice", PASSWORD)
    session = service.login_browser("alice", PASSWORD)
    service.change_password("alice", PASSWORD, "a much better passphrase")
    with pytest.raises(TokenRevoked):
        service.authenticate(tokens.access)
    assert service.sessions.end_all("alice") == 0
    assert session.user == "alice"


def test_a_weak_password_is_no_registration(service):
    with pytest.raises(WeakPassword):
        service.register("bob", "bob")


def test_an_authorization_header_needs_the_permission(service):
    tokens = service.login("alice", PASSWORD)
    user = service.authorize(f"Bearer {tokens.access}", "article.publish")
    assert user.roles == ("editor",)


def test_a_broken_decoder_refuses_everybody(service, monkeypatch):
    def refuse(token, settings, *, kind="access"):
        raise TokenError("refused")

    tokens = service.login("alice", PASSWORD)
    monkeypatch.setattr(login, "decode_token", refuse)
    with pytest.raises(TokenError, match="refused"):
        service.authenticate(tokens.access)

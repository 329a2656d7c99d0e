import pytest

from auth import sessions
from auth.errors import SessionError
from auth.sessions import Sessions, cookie_header, read_cookie, session_from_cookie

SECRET = "k" * 32


def test_a_session_ends_by_itself(clock):
    open_sessions = Sessions(clock, lifetime=10)
    session = open_sessions.start("alice")
    assert open_sessions.get(session.id).user == "alice"
    clock.advance(10)
    with pytest.raises(SessionError, match="expired"):
        open_sessions.get(session.id)


def test_all_sessions_of_a_user_end_together(clock):
    open_sessions = Sessions(clock)
    open_sessions.start("alice")
    open_sessions.start("alice")
    other = open_sessions.start("bob")
    assert open_sessions.end_all("alice") == 2
    assert open_sessions.get(other.id) == other


def test_a_cookie_leads_back_to_its_session(clock):
    open_sessions = Sessions(clock)
    session = open_sessions.start("alice")
    header = cookie_header(session.id, SECRET, 60).split(";")[0]
    assert session_from_cookie(open_sessions, header, SECRET) == session


def test_a_cookie_is_for_https_unless_told_otherwise():
    assert "Secure" in cookie_header("abc", SECRET, 60)
    assert "Secure" not in cookie_header("abc", SECRET, 60, secure=False)


def test_a_cookie_of_another_secret_is_refused():
    header = cookie_header("abc", SECRET, 60).split(";")[0]
    with pytest.raises(SessionError, match="signature"):
        read_cookie(header, "another secret")


@pytest.mark.parametrize("header", ["", "theme=dark", "authsession=abc"])
def test_a_request_without_a_signed_cookie_is_refused(header):
    with pytest.raises(SessionError):
        read_cookie(header, SECRET)


def test_signed_values_are_stable():
    value = sessions.sign_cookie_value("abc", SECRET)
    assert value.startswith("abc.")
    assert sessions.unsign_cookie_value(value, SECRET) == "abc"

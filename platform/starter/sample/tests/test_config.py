import pytest

from auth.config import Settings, settings_from_environment
from auth.errors import ConfigurationError

SECRET = "x" * 32


def test_a_short_secret_is_refused():
    with pytest.raises(ConfigurationError, match="at least 32 bytes"):
        Settings(secret="short")


def test_access_tokens_must_expire_first():
    with pytest.raises(ConfigurationError, match="expire before"):
        Settings(secret=SECRET, access_lifetime=10, refresh_lifetime=10)


def test_settings_come_from_the_environment():
    settings = settings_from_environment({"AUTH_SECRET": SECRET, "AUTH_ACCESS_LIFETIME": "60"})
    assert settings.access_lifetime == 60
    assert settings.issuer == "authservice"


def test_a_missing_secret_is_named():
    with pytest.raises(ConfigurationError, match="AUTH_SECRET is not set"):
        settings_from_environment({})


@pytest.mark.parametrize("value", ["soon", "0", "-5"])
def test_a_lifetime_must_be_a_positive_number(value):
    with pytest.raises(ConfigurationError, match="AUTH_ACCESS_LIFETIME"):
        settings_from_environment({"AUTH_SECRET": SECRET, "AUTH_ACCESS_LIFETIME": value})

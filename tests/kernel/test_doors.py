"""What every door does with bad input."""

import pytest

pytestmark = pytest.mark.django_db


def test_a_body_of_fifty_megabytes_is_refused_before_it_is_read(client):
    answer = client.generic("POST", "/api/v1/tools/x/call/", b"", CONTENT_LENGTH=50 * 1024 * 1024)
    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["reason"] == "too_large"
    assert "Send less" in answer.json()["detail"]


def test_health_is_open_to_all(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200


def test_the_admins_policy_is_the_only_relaxed_one(client):
    strict = client.get("/login/")["Content-Security-Policy"]
    assert "script-src 'self';" in strict + ";"
    assert "unsafe" not in strict
    relaxed = client.get("/admin/login/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in relaxed
    assert "script-src 'self' 'unsafe-inline'" not in relaxed


def test_a_signed_in_member_of_another_team_gets_no_more_than_404(api, charlie):
    assert api(charlie).get("/api/v1/agents/worker/").status_code == 404


def test_api_documents_are_served_from_here(client):
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page

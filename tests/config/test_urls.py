import pytest
from django.db import DatabaseError, connection


def test_the_root_leads_to_the_admin(client):
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


@pytest.mark.django_db
def test_health_is_ok_while_the_database_answers(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-cache" in answer["Cache-Control"]


def test_health_is_503_without_a_database(client, monkeypatch):
    def refuse() -> None:
        raise DatabaseError("secret detail")

    monkeypatch.setattr(connection, "cursor", refuse)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert "secret" not in answer.content.decode()


def test_health_is_only_to_be_read(client):
    assert client.post("/healthz").status_code == 405


def test_the_description_of_the_api_works_without_the_internet(client):
    assert client.get("/api/v1/schema/").status_code == 200
    page = client.get("/api/v1/docs/").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "//cdn" not in page


@pytest.mark.django_db
def test_the_admin_of_a_superuser_opens(admin_client):
    assert admin_client.get("/admin/").status_code == 200


@pytest.mark.django_db
def test_a_language_can_be_chosen(client):
    answer = client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/login/"})
    assert answer.status_code == 302
    assert client.get("/admin/login/")["Content-Language"] == "zh-hans"

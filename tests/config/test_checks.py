import os

import pytest
from django.core.checks import run_checks
from django.db import OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper

from config import checks, tables


def ids(found) -> list[str]:
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_the_project_as_it_is_has_no_fault():
    assert [message for message in run_checks() if message.id.startswith("config.")] == []


def test_w001_every_host_allowed(settings):
    settings.ALLOWED_HOSTS = ["a.example", "*"]
    assert ids(checks.check_hosts(None)) == ["config.W001"]
    settings.ALLOWED_HOSTS = ["a.example"]
    assert ids(checks.check_hosts(None)) == []


def test_w002_embedded_database_in_a_deployment(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "config.embedded")
    assert ids(checks.check_database(None)) == ["config.W002"]
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    assert ids(checks.check_database(None)) == []


def test_e003_var_dir_not_writable(settings, tmp_path, monkeypatch):
    settings.VAR_DIR = tmp_path / "not" / "yet" / "there"
    assert ids(checks.check_var_dir(None)) == []
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write anywhere
    assert ids(checks.check_var_dir(None)) == ["config.E003"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"retry": 1200}, []),
        ({"retry": 1199}, ["config.E004"]),
        ({"timeout": None}, ["config.E004"]),
        ({"ack_failures": False}, ["config.E005"]),
        ({"max_attempts": 0}, ["config.E005"]),
    ],
)
def test_e004_and_e005_queue_that_repeats_work(settings, change, expected):
    settings.Q_CLUSTER = settings.Q_CLUSTER | change
    assert ids(checks.check_queue(None)) == expected


def test_w006_tls_demanded_without_a_proxy_that_says_so(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert ids(checks.check_origins(None)) == ["config.W006"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert ids(checks.check_origins(None)) == []


def test_a_server_of_one_s_own_that_takes_no_connection_is_a_sentence(settings):
    wrapper = DatabaseWrapper({**connection.settings_dict, "HOST": "127.0.0.1", "PORT": 1, "OPTIONS": {}})
    with pytest.raises(OperationalError) as caught, wrapper.wrap_database_errors:
        wrapper.connect()
    settings.DATABASE_URL = "postgresql://127.0.0.1:1/x"
    assert "correct DATABASE_URL" in tables.unreachable(caught.value)
    settings.DATABASE_URL = ""
    assert tables.unreachable(caught.value) == ""

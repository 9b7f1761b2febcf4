"""Faults below the API: the database is away, a value does not fit, a bug."""

import logging

import psycopg
import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from rest_framework.exceptions import Throttled

from scoring.models import ActivityType
from segmentation.errors import ConflictError, NotFoundError, ProblemError
from tests.segmentation.api.support import check_problem

pytestmark = pytest.mark.django_db


def caused_by(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("secret"), 503, "unavailable"),
        (InterfaceError("secret"), 503, "unavailable"),
        (caused_by(OperationalError("secret"), psycopg.errors.DeadlockDetected("secret")), 503, "unavailable"),
        (caused_by(OperationalError("secret"), psycopg.errors.QueryCanceled("secret")), 400, "too_slow"),
        (DataError("secret"), 400, "out_of_range"),
        (IntegrityError("secret"), 409, "conflict"),
        (ZeroDivisionError("secret"), 500, "server_error"),
        (ProblemError("It is wrong.", remedy="Do it right.", field="x", value=7), 400, "problem"),
        (NotFoundError("It is not there."), 404, "not_found"),
        (ConflictError("It contradicts."), 409, "conflict"),
        (ProtectedError("secret", [ActivityType(name="a"), ActivityType(name="b")]), 409, "protected"),
    ],
)
def test_a_fault_becomes_a_problem_that_tells_no_secret(api, monkeypatch, settings, error, status, code, debug):
    def fail(self, *args, **kwargs):
        raise error

    monkeypatch.setattr("segmentation.api.views.AccountViewSet.get_queryset", fail)
    settings.DEBUG = debug
    problem = check_problem(api.get("accounts/1/"))
    assert (problem["status"], problem["code"]) == (status, code)
    assert "secret" not in str(problem)


def test_an_outage_says_when_to_come_back(api, monkeypatch):
    def fail(self):
        raise OperationalError

    monkeypatch.setattr("segmentation.api.views.AccountViewSet.get_queryset", fail)
    assert api.get("accounts/")["Retry-After"] == "5"


def test_too_many_requests_are_told_when_to_come_back(api, monkeypatch):
    def fail(self, request):
        raise Throttled(wait=7)

    monkeypatch.setattr("segmentation.api.views.AccountViewSet.check_throttles", fail)
    answer = api.get("accounts/")
    assert (check_problem(answer)["status"], answer["Retry-After"]) == (429, "7")


def test_a_body_in_chunks_is_refused_and_not_taken_for_an_empty_one(api):
    answer = api.post("accounts/", None, Transfer_Encoding="chunked", Content_Length="")
    assert check_problem(answer)["code"] == "length_required"


def test_a_bug_is_logged(api, monkeypatch, caplog):
    def fail(self):
        raise ZeroDivisionError("the bug")

    monkeypatch.setattr(logging.getLogger("django"), "propagate", True)
    monkeypatch.setattr("segmentation.api.views.AccountViewSet.get_queryset", fail)
    api.get("accounts/")
    assert "the bug" in caplog.text


def test_what_is_still_needed_is_counted(api, monkeypatch):
    def fail(self):
        raise ProtectedError("", [ActivityType(name="a"), ActivityType(name="b")])

    monkeypatch.setattr("segmentation.api.views.AccountViewSet.get_queryset", fail)
    assert "2 activity types" in check_problem(api.get("accounts/1/"))["detail"]

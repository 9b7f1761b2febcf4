"""Who gets in, and who may do what."""

import base64
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from tests.segmentation.api.support import Api, check_problem, make_user

pytestmark = pytest.mark.django_db

READ = "segmentation.view_account"


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def anyone():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def reader(db):
    return make_user("reader", READ)


def log_in(client, name="reader"):
    return client.post("/api/v1/auth/login/", headers={"Authorization": basic(name, "pass")})


# Tokens -------------------------------------------------------------------------------------------------------------


def test_a_token_is_got_by_password_and_lets_in(anyone, reader):
    answer = log_in(anyone)
    assert answer.status_code == 200
    token = answer.json()["token"]
    assert anyone.get("/api/v1/accounts/", headers={"Authorization": f"Token {token}"}).status_code == 200
    assert not AuthToken.objects.filter(digest=token).exists()


def test_a_user_may_have_several_tokens_and_end_one_or_all(anyone, reader):
    one, two, three = (f"Token {log_in(anyone).json()['token']}" for _ in range(3))
    assert anyone.post("/api/v1/auth/logout/", headers={"Authorization": one}).status_code == 204
    assert anyone.get("/api/v1/accounts/", headers={"Authorization": one}).status_code == 401
    assert anyone.get("/api/v1/accounts/", headers={"Authorization": two}).status_code == 200
    assert anyone.post("/api/v1/auth/logoutall/", headers={"Authorization": two}).status_code == 204
    assert anyone.get("/api/v1/accounts/", headers={"Authorization": three}).status_code == 401


def test_an_expired_token_lets_nobody_in(anyone, reader):
    _instance, token = AuthToken.objects.create(user=reader, expiry=timedelta(seconds=-1))
    assert anyone.get("/api/v1/accounts/", headers={"Authorization": f"Token {token}"}).status_code == 401


def test_a_token_expires(anyone, reader):
    log_in(anyone)
    assert timedelta(days=89) < AuthToken.objects.get().expiry - timezone.now() < timedelta(days=91)


def test_a_user_has_at_most_twenty_tokens(anyone, reader):
    for _ in range(20):
        assert log_in(anyone).status_code == 200
    assert check_problem(log_in(anyone))["code"] == "too_many_tokens"


def test_a_user_who_was_switched_off_is_refused(anyone, reader):
    token = log_in(anyone).json()["token"]
    get_user_model().objects.update(is_active=False)
    assert anyone.get("/api/v1/accounts/", headers={"Authorization": f"Token {token}"}).status_code == 401
    assert log_in(anyone).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Token",
        "Token ",
        "Token a b",
        "Token nonsense",
        "Token " + "a" * 64,
        "Token \xff\xfe",
        "Token " + "x" * 5000,
        "Bearer abc",
        basic("reader", "pass"),  # a password opens nothing but auth/login/
    ],
)
def test_without_a_good_token_it_is_401(anyone, reader, header):
    answer = anyone.get("/api/v1/accounts/", headers={"Authorization": header})
    assert check_problem(answer)["status"] == 401
    assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(
    "header",
    [basic("reader", "wrong"), basic("nobody", "x"), basic("a\x00b", "x"), basic("", ""), "Basic !!!", "Basic", ""],
)
def test_a_wrong_password_gets_no_token(anyone, reader, header):
    assert check_problem(anyone.post("/api/v1/auth/login/", headers={"Authorization": header}))["status"] == 401


def test_the_browser_gets_in_by_session_and_needs_its_csrf_token_to_write(reader):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(make_user("writer", READ, "segmentation.add_account", "segmentation.change_account"))
    assert browser.get("/api/v1/accounts/").status_code == 200
    answer = browser.post("/api/v1/accounts/", {"external_id": "A-1", "name": "One"}, format="json")
    assert check_problem(answer)["status"] == 403


# Rights -------------------------------------------------------------------------------------------------------------

PATHS = [
    "accounts/",
    "contacts/",
    "activities/",
    "opportunities/",
    "opportunity-changes/",
    "activity-types/",
    "crm-stages/",
    "journeys/",
    "journeys/extended/stages/",
]


@pytest.mark.parametrize("path", PATHS)
def test_reading_needs_the_right_to_view(nobody, api, path):
    assert nobody.get(path).status_code == 403
    assert api.get(path).status_code in (200, 409)


def test_a_refusal_names_the_right(nobody):
    assert "segmentation.view_account" in check_problem(nobody.get("accounts/"))["detail"]


@pytest.mark.parametrize(
    ("rights", "status"),
    [
        ([READ], 403),
        (["segmentation.add_account"], 403),
        (["segmentation.change_account"], 403),
        (["segmentation.add_account", "segmentation.change_account"], 201),
    ],
)
def test_storing_needs_the_rights_to_add_and_to_change(db, rights, status):
    user = Api(make_user("someone", *rights))
    assert user.post("accounts/", {"external_id": "A-1", "name": "One"}).status_code == status
    assert user.post("accounts/upsert/", {"records": [{"external_id": "A-2", "name": "Two"}]}).status_code == (
        403 if status == 403 else 200
    )


def test_an_explanation_needs_the_right_to_view_accounts(db):
    user = Api(make_user("someone", "journey.view_journey"))
    assert user.get("journeys/extended/explain/?account=A-1").status_code == 403


# Everything that goes wrong is a problem ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing/", 404),
        ("GET", "acounts/", 404),
        ("GET", "accounts/0/", 404),
        ("GET", "accounts/999999999999999999/", 404),
        ("GET", "accounts/99999999999999999999999/", 404),
        ("GET", "accounts/x/", 404),
        ("GET", "accounts/%00/", 404),
        ("GET", "journeys/nothing/", 404),
        ("GET", "journeys/extended/versions/99/", 404),
        ("POST", "accounts", 404),
        ("GET", "accounts/upsert/", 405),
        ("DELETE", "accounts/", 405),
        ("POST", "journeys/", 405),
        ("PUT", "activity-types/webinar/", 405),
        ("TRACE", "accounts/", 405),
    ],
)
def test_an_address_or_method_that_does_not_exist_is_a_problem(api, method, path, status):
    assert check_problem(api(method, path))["status"] == status


@pytest.mark.parametrize("path", PATHS[:-1])
def test_head_and_options_are_answered(api, path):
    assert api("OPTIONS", path).status_code == 200
    assert api("HEAD", path).content == b""


def test_an_address_that_is_nearly_right_says_so(api):
    assert "/api/v1/accounts/" in check_problem(api.get("acounts/"))["detail"]


@pytest.mark.parametrize(("wrong", "meant"), [("segmnts", "segments"), ("list-review", "list-reviews")])
def test_an_address_that_does_not_exist_names_the_one_that_was_probably_meant(api, wrong, meant):
    assert api.get(f"{wrong}/").json()["detail"].endswith(f"Did you mean /api/v1/{meant}/?")


def test_a_missing_slash_is_mended_for_reading(api):
    answer = api.get("accounts?page_size=1")
    assert (answer.status_code, answer["Location"]) == (302, "/api/v1/accounts/?page_size=1")


def test_other_formats_are_refused(api):
    assert check_problem(api.get("accounts/", Accept="text/csv"))["status"] == 406
    answer = api.client.post("/api/v1/accounts/", "a=1", content_type="application/x-www-form-urlencoded")
    assert check_problem(answer)["status"] == 415


def test_the_kinds_of_problems_explain_themselves(anyone):
    kinds = anyone.get("/api/v1/problems/").json()
    assert {kind["status"] for kind in kinds} >= {400, 401, 403, 404, 409, 412, 413, 422, 500, 503}
    one = anyone.get("/api/v1/problems/invalid/").json()
    assert one in kinds
    assert anyone.get("/api/v1/problems/nothing/").status_code == 404

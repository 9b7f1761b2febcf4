"""A client that checks that everything that goes wrong is a problem as in RFC 9457, and a small cast."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from segmentation.api.problems import PROBLEM_JSON
from segmentation.services.records import upsert_records

PARTS = {"type", "title", "status", "code", "detail", "instance", "errors"}


class Api:
    """Speaks JSON with the API as one user."""

    def __init__(self, user: Any):
        self.user = user
        self.client = APIClient(raise_request_exception=False)
        self.client.force_authenticate(user)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        address = path if path.startswith("http") else f"/api/v1/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.generic(method, address, content, content_type="application/json", headers=named)
        if answer.status_code >= 400:
            check_problem(answer)
        return answer

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self("DELETE", path, **headers)


def check_problem(answer: Any) -> dict[str, Any]:
    """Return the problem of an answer, which must be one in all its parts."""
    assert answer["Content-Type"] == PROBLEM_JSON, answer.content[:300]
    problem: dict[str, Any] = json.loads(answer.content)
    assert set(problem) == PARTS
    assert problem["status"] == answer.status_code
    assert problem["type"].startswith("http")
    assert problem["title"]
    assert problem["detail"]
    for error in problem["errors"]:
        assert {"field", "code", "value", "detail"} <= set(error)
    return problem


def make_user(name: str, *rights: str) -> Any:
    """Return a user with rights such as `segmentation.view_account`."""
    user = get_user_model().objects.create_user(name, password="pass")
    for right in rights:
        app, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


@pytest.fixture
def api(db: None) -> Api:
    return Api(get_user_model().objects.create_superuser("boss", password="pass"))


@pytest.fixture
def nobody(db: None) -> Api:
    """A user without any rights."""
    return Api(make_user("nobody"))


def store(target: str, *records: dict[str, Any], source_system: str = "crm") -> None:
    """Store records of which none is bad."""
    report = upsert_records(target, records, source_system=source_system, strict=True)
    assert not report.errors, report.errors

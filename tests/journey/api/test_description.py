"""The description of the API is valid, complete and usable without the internet."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

OURS = ("accounts", "contacts", "activities", "opportunities", "opportunity-changes")


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_description_is_valid_and_raises_no_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


def test_it_is_served_and_valid(client):
    answer = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    validate_schema(answer.json())


def test_the_page_needs_nothing_from_elsewhere(client):
    page = client.get("/api/v1/docs/").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "https://" not in page


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_every_operation_has_a_summary_and_a_tag(description):
    assert [name for name, found in operations(description) if not found.get("summary") or not found.get("tags")] == []


def test_every_parameter_is_explained(description):
    missing = [
        f"{name} {parameter['name']}"
        for name, found in operations(description)
        for parameter in found.get("parameters", [])
        if not parameter.get("description") and parameter["in"] != "path"
    ]
    assert missing == []


def test_every_field_is_explained(description):
    missing = [
        f"{component}.{name}"
        for component, schema in description["components"]["schemas"].items()
        for name, found in schema.get("properties", {}).items()
        if not found.get("description")
    ]
    assert missing == []


def test_every_operation_says_how_it_may_fail(description):
    for name, found in operations(description):
        assert "500" in found["responses"], name
        for status, response in found["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


@pytest.mark.parametrize("target", OURS)
def test_what_is_taken_has_an_example(description, target):
    for path in (f"/api/v1/{target}/", f"/api/v1/{target}/upsert/"):
        content = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert content["examples"], path


@pytest.mark.django_db
def test_the_examples_are_taken_as_they_are(description, api):
    for target in OURS:
        for path in (f"{target}/", f"{target}/upsert/"):
            examples = description["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"]["application/json"][
                "examples"
            ]
            for example in examples.values():
                answer = api.post(path, example["value"])
                assert answer.status_code in (200, 201), (path, answer.content)
                assert "bad" not in answer.json() or answer.json()["unchanged"] == 1

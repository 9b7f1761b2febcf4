"""Whatever comes in, what goes out is an answer: good records are stored, others refused; never a 500."""

import json
import random
from datetime import date
from typing import Any

import pytest
from django.urls import resolve

from segmentation.imports.targets import get_target, targets
from segmentation.models import Account, CustomField
from tests.segmentation.api.support import check_problem, store

pytestmark = pytest.mark.django_db

TARGETS = ("accounts", "contacts", "activities", "opportunities", "opportunity-changes")
GOOD: dict[str, dict[str, Any]] = {
    "accounts": {"external_id": "X-1", "name": "One"},
    "contacts": {"external_id": "X-1", "name": "Ada"},
    "activities": {"external_id": "X-1", "type": "webinar", "occurred_at": "2026-01-01"},
    "opportunities": {"external_id": "X-1", "name": "Deal"},
    "opportunity-changes": {"external_id": "X-1", "opportunity": "O-1", "amount": 1},
}
HOSTILE: dict[str, Any] = {
    "NUL": "a\x00b",
    "NUL in a list": ["a\x00b"],
    "NUL in the text of a list": '["a\\u0000b"]',
    "half a character": "\ud800",
    "half a character in a list": ["\ud800"],
    "a huge number": 10**400,
    "a huge negative number": -(10**30),
    "a number just over": 2**63,
    "a tiny number": 1e-300,
    "a big float": 1.7e308,
    "text of a huge number": "1e999999",
    "NaN as text": "NaN",
    "infinity as text": "-Infinity",
    "1989": "1989-12-31",
    "year 1": "0001-01-01T00:00:00+14:00",
    "year 9999": "9999-12-31T23:59:59-14:00",
    "no such day": "2026-02-30",
    "no such zone": "2026-01-01T00:00:00 Mars/Olympus",
    "long text": "x" * 300_000,
    "a cell over 1 MB": "x" * 1_100_000,
    "true": True,
    "an object": {"a": {"b": []}},
    "an object that looks like a link": {"external_id": {"a": 1}},
    "a list": [1, 2],
    "a list of lists": [["a"], None, {}],
    "an open bracket": "[",
    "a thousand open brackets": "[" * 100_000,
    "quotes and backslashes": "\\\"'$$;--\\N\\.",
    "a backslash in a list": ['\\"{},', "\\"],
    "a formula": "=cmd|'/c calc'!A0",
    "line ends": "a\r\n\u2028b",
    "right to left": "\u202egnp.exe",
    "only spaces": " \t ",
    "a replacement character": "\ufffd",
    "an arabic digit": "٣",
    "a percent sign": "%s %(value)s %",
    "braces": "{0} {rows} {}",
    "zero": 0,
    "minus one": -1,
    "half": 0.5,
    "nothing": None,
    "empty": "",
}


@pytest.fixture
def there(db):
    store("accounts", {"external_id": "A-1", "name": "One"})
    store("opportunities", {"external_id": "O-1", "account": "A-1", "name": "Deal"})
    for of in CustomField.Of:
        for type_ in CustomField.Type:
            CustomField.objects.create(of=of, key=f"c_{type_}", label=type_, type=type_)


def each_field(target, value):
    """Return records with the value in one field each; of huge values only a few, or the body would be refused."""
    found = get_target(target)
    records = [{**GOOD[target], "external_id": f"X-{field.name}", field.name: value} for field in found.fields]
    if found.custom_of:
        records += [
            {**GOOD[target], "external_id": f"Y-{type_}", "custom": {f"c_{type_}": value}} for type_ in CustomField.Type
        ]
    return records[:3] if len(str(value)) > 10_000 else records


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_any_field_is_stored_or_refused_by_field(api, there, name):
    for target in TARGETS:
        records = [GOOD[target] | {"external_id": "good"}, *each_field(target, HOSTILE[name])]
        answer = api.post(f"{target}/upsert/", {"records": records})
        assert answer.status_code in (200, 207), answer.content
        report = answer.json()
        done = report["inserted"] + report["unchanged"] + report["updated"] + report["duplicates"]
        assert done + report["bad"] == len(records)
        assert report["inserted"] >= 1, "the good one is stored"
        assert len(report["problems"]) == report["bad"]
        assert 0 not in [problem["index"] for problem in report["problems"]]
        assert all(error["code"] and error["detail"] for problem in report["problems"] for error in problem["errors"])


@pytest.mark.parametrize(
    "name", ["NUL", "half a character", "an object", "a list of lists", "a huge number", "nothing"]
)
def test_a_hostile_value_in_one_record_is_no_500(api, there, name):
    for target in TARGETS:
        for field in get_target(target).fields:
            answer = api.post(f"{target}/", GOOD[target] | {field.name: HOSTILE[name]})
            assert answer.status_code in (200, 201, 400, 422), (target, field.name, answer.content)


@pytest.mark.parametrize("name", ["NUL", "half a character", "long text", "an object", "a percent sign", "braces"])
def test_a_hostile_name_of_a_field_is_refused(api, name):
    key = name if isinstance(HOSTILE[name], dict) else HOSTILE[name]
    problem = check_problem(api.post("accounts/", {"external_id": "X-1", "name": "One", key: 1, "custom": {}}))
    assert problem["status"] == 422
    assert (
        check_problem(api.post("accounts/", {"external_id": "X-1", "name": "One", "custom": {key: 1}}))["status"] == 422
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}{}",
        b"\xff\xfe{\x00}\x00",
        b"\x00",
        b'{"external_id": "\xe9"}',
        b'{"external_id": "X-1", "name": "One", "revenue": NaN}',
        b'{"external_id": "X-1", "name": "One", "revenue": -Infinity}',
        b'{"external_id": "X-1", "name": "One", "revenue": 1e999}',
        b'{"external_id": "X-1", "name": "One", "name": "Two"}',
        b'{"external_id": "X-1", "name": "One", "employees": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_a_body_that_is_no_json_is_400(api, body):
    problem = check_problem(api.post("accounts/", body))
    assert (problem["status"], problem["type"].split("/")[-2]) == (400, "malformed")
    assert not Account.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"17", b"null", b"true", b""])
def test_a_body_that_is_no_object_is_400(api, body):
    for path in ("accounts/", "accounts/upsert/"):
        assert check_problem(api.post(path, body))["status"] == 400


@pytest.mark.parametrize("megabytes", [6, 10])
def test_a_body_that_is_too_large_is_413_and_names_the_limit(api, megabytes):
    body = json.dumps({"records": [{"external_id": "X-1", "name": "x" * megabytes * 1024 * 1024}]}).encode()
    problem = check_problem(api.post("accounts/upsert/", body))
    assert (problem["status"], problem["code"]) == (413, "body_too_large")
    assert "5 MB" in problem["detail"]


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match", "Idempotency-Key", "Accept-Language", "Accept"])
def test_a_hostile_header_is_no_500(api, there, header):
    path = f"accounts/{Account.objects.get().pk}/"
    for value in ("", "\x7f", "ÿ", '"' * 1000, "a" * 8000, '"a", W/"b",', "*, *", "zh;q=nan", "*/*;q=x"):
        for method, body in (("GET", None), ("PATCH", {"city": "Ulm"})):
            answer = api(method, path, body, **{header: value})
            assert answer.status_code < 500, (value, answer.content)


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_parameters_are_no_500(api, there, target):
    for name in known_parameters(target):
        for value in ("%00", "1" * 400, "-1", "%F0%9F%98%80"):
            answer = api.get(f"{target}/?{name}={value}")
            assert answer.status_code in (200, 400), (name, value, answer.content)


def known_parameters(target):
    view = resolve(f"/api/v1/{target}/").func.cls
    return [*view.filterset_class.base_filters, "cursor", "page_size"]


def test_random_records_are_never_a_500(api, there):
    """Values of every kind in every field, thirty batches of twenty."""
    rng = random.Random(7)
    pool = [value for value in HOSTILE.values() if not isinstance(value, str) or len(value) < 1000]
    pool += ["A-1", "O-1", "webinar", "2026-01-01", 5, "new", "won", date(2026, 1, 1).isoformat()]
    for turn in range(30):
        target = rng.choice([key for key in targets() if key != "list-members"])  # lists come in files
        names = [field.name for field in get_target(target).all_fields()] + ["custom", "nonsense"]
        records = [
            {
                "external_id": f"R-{rng.randrange(12)}",
                **{rng.choice(names): rng.choice(pool) for _ in range(rng.randrange(6))},
            }
            for _ in range(20)
        ]
        answer = api.post(f"{target}/upsert/", {"records": records, "strict": rng.random() < 0.2})
        assert answer.status_code in (200, 207, 422), (turn, answer.content)
        report = answer.json()
        if answer.status_code == 207:
            done = report["inserted"] + report["updated"] + report["unchanged"] + report["duplicates"] + report["bad"]
            assert done == report["rows"] == 20
            assert len(report["problems"]) == report["bad"]

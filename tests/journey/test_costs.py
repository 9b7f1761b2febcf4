"""Costs from files: recognised, completed, refused."""

import datetime as dt
from decimal import Decimal

import pytest

from journey.models import Cost
from segmentation.services.imports import import_file

pytestmark = pytest.mark.django_db


def load(path, text):
    path.write_text(text, encoding="utf-8")
    return import_file("costs", path)


def stored():
    return list(Cost.objects.order_by("first_day").values_list("kind", "first_day", "last_day", "amount", "currency"))


def test_a_file_is_stored_once_and_a_corrected_one_writes_over(tmp_path):
    file = tmp_path / "costs.csv"
    header = "id,kind,start,end,cost,currency,campaign\n"
    text = header + "C1,media,2026-03-01,2026-03-31,100.50,eur,Spring\n,Labour,2026-03-05,,7,,\n"
    report = load(file, text)
    assert (report.inserted, report.bad) == (2, 0)
    march = dt.date(2026, 3, 5)
    assert stored() == [
        ("media", dt.date(2026, 3, 1), dt.date(2026, 3, 31), Decimal("100.50"), "EUR"),
        ("labour", march, march, Decimal(7), ""),
    ]
    report = load(file, text)
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 2)
    report = load(file, text.replace("100.50", "90").replace(",7,", ",8,"))
    assert (report.inserted, report.updated) == (0, 2)
    assert [row[3] for row in stored()] == [Decimal(90), Decimal(8)]


def test_what_cannot_be_is_refused_by_line_and_the_rest_stored(tmp_path):
    report = load(
        tmp_path / "costs.csv",
        "kind,first day,last day,amount,currency\n"
        "media,2026-03-31,2026-03-01,1,EUR\n"
        "media,2026-03-01,2026-03-31,-1,EUR\n"
        "media,2026-03-01,2026-03-31,1,E1\n"
        "bribes,2026-03-01,2026-03-31,1,EUR\n"
        "technology,2026-03-01,2026-03-31,1,EUR\n",
    )
    assert (report.inserted, report.bad) == (1, 4)
    assert {error.line: error.field for error in report.errors} == {
        2: "last_day",
        3: "amount",
        4: "currency",
        5: "kind",
    }

"""Duplicates and matching on real lists: Fortune 500 (UTF-16, trailing spaces), Chinese firms listed several times."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from segmentation.imports.matching import match_file
from segmentation.models import Account, DuplicateCandidate
from segmentation.services.duplicates import find_duplicates
from segmentation.services.imports import import_file
from segmentation.services.merging import merge_accounts, undo_merge

DATA = Path(os.environ.get("DATA_DIR", settings.BASE_DIR.parent / "shared" / "data")) / "companies"
FORTUNE, CHINESE = DATA / "fortune500_2019.csv", DATA / "zh_companies_standup_coder.csv"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here; name its folder by DATA_DIR"),
]


def load(file, **columns):
    return import_file("accounts", file, spec={"columns": columns})


def test_fortune_500_has_one_pair_that_shares_a_domain_and_every_row_finds_its_company():
    report = load(FORTUNE, external_id="rank", name="company_name", domain="website", industry="industry")
    assert (report.rows, report.bad) == (500, 0)
    assert not Account.objects.filter(name__endswith=" ").exists()
    find_duplicates()
    pairs = DuplicateCandidate.objects.select_related("first", "second")
    assert {(row.first.name, row.second.name): [code for code, _value in row.reasons] for row in pairs} == {
        ("Walt Disney", "Twenty-First Century Fox"): ["same_domain"]
    }
    found = match_file(FORTUNE)
    assert found["counts"] == {"match": 500, "ambiguous": 0, "none": 0}
    with FORTUNE.open(encoding="utf-16", newline="") as file:
        ranks = [row["rank"] for row in csv.DictReader(file)]
    assert [row["account"]["external_id"] for row in found["rows"]] == ranks


def test_chinese_firms_that_are_listed_several_times_are_found_and_merged_into_one():
    report = load(CHINESE, external_id="id", name="name", other_names="alias", city="city", region="city")
    with CHINESE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert report.bad == 0
    find_duplicates()
    pairs = {frozenset((row.first_id, row.second_id)) for row in DuplicateCandidate.objects.all()}
    names = dict(Account.objects.values_list("external_id", "name"))
    # Firms of one name and city in several files of the list: each is a pair with at least one other.
    listed = Counter((row["name"].strip(), row["city"].strip()) for row in rows if row["id"].strip() in names)
    several = {name for (name, _city), number in listed.items() if number > 1 and len(name) > 3}
    paired = {pk for pair in pairs for pk in pair}
    stored = Counter(Account.objects.values_list("name", flat=True))
    found = set(Account.objects.filter(pk__in=paired).values_list("name", flat=True))
    missed = [name for name in several if stored[name] > 1 and name not in found]
    assert missed == []
    assert len(several) > 50
    firm = "北京字节跳动科技有限公司"
    first, *others = Account.objects.filter(name=firm).order_by("pk")
    assert others
    before = Account.objects.count()
    merges = [merge_accounts(survivor=first, absorbed=other) for other in others]
    gone = {other.external_id for other in others}
    again = load(CHINESE, external_id="id", name="name", other_names="alias", city="city", region="city")
    assert (again.inserted, again.flagged["merged_account"]) == (0, sum(row["id"].strip() in gone for row in rows))
    assert Account.objects.get(name=firm) == first
    for merge in reversed(merges):
        undo_merge(merge=merge)
    assert Account.objects.count() == before

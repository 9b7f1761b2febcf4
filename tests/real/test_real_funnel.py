"""Figures of the funnel on real deals, against those worked out from the files alone."""

import os
from pathlib import Path

import pytest
from django.conf import settings

from journey.selectors.funnel import funnel, funnel_query
from journey.services.replay import replay
from journey.services.versions import create_journey, publish_version
from tests.real.test_real_histories import load, maven, olist, rows, utc  # noqa: F401 - fixtures

DATA = Path(os.environ.get("DATA_DIR", settings.BASE_DIR.parent / "shared" / "data"))

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here; name its folder by DATA_DIR"),
]


def deals(*stages, lost=False):
    """A journey of deals: the CRM stages in order, won, and lost as a parking stage."""

    def stage(key, number, position, kind, **params):
        rule = {"criteria": [{"kind": kind, "params": params}]}
        return {"key": key, "name": key, "precedence": number, "position": position, "enter": [rule]}

    made = [{"key": "new", "name": "New", "precedence": 0}]
    for number, name in enumerate(stages, start=1):
        made.append(stage(name.lower(), number, number, "opportunity_open", crm_stages=[name]))
    made.append(stage("won", 90, 90, "opportunity_won"))
    if lost:
        made.append(stage("lost", 80, None, "opportunity_lost"))
    journey = create_journey(key="deals", name="Deals", document={"unit": "opportunity", "stages": made})
    version = publish_version(version=journey)
    replay(journey=version.journey)
    return version.journey


def stage_of(report, key):
    return next(stage for stage in report.stages if stage.key == key)


def per_cent(shares):
    return [round(100 * share, 2) for share in shares.values()]


def test_maven_deals_won_after_so_many_days_with_lost_as_a_competing_end(maven):  # noqa: F811
    journey = deals("Prospecting", "Engaging", lost=True)
    question = {
        "journey": journey,
        "start": utc("2016-01-01"),
        "end": utc("2018-01-01"),
        "as_of": utc("2017-12-31"),
        "reached_days": (30, 60, 90, 120),
    }
    report = funnel(funnel_query(**question))
    engaging = stage_of(report, "engaging")
    assert engaging.conversion.n == 8300
    assert engaging.conversion.converted == 4238
    assert per_cent(engaging.velocity.reached) == [21.90, 26.47, 39.70, 50.00]
    assert engaging.velocity.median_days == 57
    assert round(engaging.velocity.mean_days, 2) == 51.78
    assert (stage_of(report, "won").now, stage_of(report, "lost").now, engaging.now) == (4238, 2473, 1589)
    assert stage_of(report, "won").value.revenue == 10_005_534
    assert (engaging.value.pipeline, engaging.value.without_amount) == (None, 1589)  # no open deal has an amount
    # Asked for by name it is the same, and lost is an end there too.
    by_name = stage_of(funnel(funnel_query(**question, to="won")), "engaging")
    assert per_cent(by_name.velocity.reached) == [21.90, 26.47, 39.70, 50.00]


def test_maven_deals_by_product_and_by_industry_add_up_to_what_the_file_says(maven):  # noqa: F811
    journey = deals("Prospecting", "Engaging", lost=True)
    question = {"journey": journey, "start": utc("2016-01-01"), "end": utc("2018-01-01"), "as_of": utc("2017-12-31")}
    for field, truth in (
        ("product", lambda row: row["product"].replace("GTXPro", "GTX Pro")),
        ("owner", lambda row: row["sales_agent"]),
    ):
        found = {
            group.labels[0]: (
                stage_of(group, "engaging").conversion.n,
                stage_of(group, "engaging").conversion.converted,
                stage_of(group, "won").value.revenue,
            )
            for group in funnel(funnel_query(**question, by=[field])).groups
        }
        expected: dict = {}
        for row in maven:
            if row["engage_date"]:
                n, won, revenue = expected.get(truth(row), (0, 0, 0.0))
                is_won = row["deal_stage"] == "Won"
                expected[truth(row)] = (n + 1, won + is_won, revenue + (float(row["close_value"]) if is_won else 0))
        assert found == expected


def test_olist_leads_won_after_so_many_days_and_by_origin(olist):  # noqa: F811
    journey = deals("Lead")
    question = {"journey": journey, "start": utc("2017-01-01"), "end": utc("2018-12-01"), "as_of": utc("2018-11-14")}
    report = funnel(funnel_query(**question))
    lead = stage_of(report, "lead")
    assert lead.conversion.n == 8000
    assert per_cent(lead.velocity.reached) == [6.84, 8.64, 9.68]
    # A day later the last win is known too.
    question["as_of"] = utc("2018-11-15")
    report = funnel(funnel_query(**question, by=["custom.origin"]))
    found = {group.labels[0]: stage_of(group, "lead").conversion for group in report.groups}
    assert (found["organic_search"].converted, found["organic_search"].n) == (271, 2296)
    assert (found["paid_search"].converted, found["paid_search"].n) == (195, 1586)
    assert (found["social"].converted, found["social"].n) == (75, 1350)
    assert (found["(none)"].converted, found["(none)"].n) == (14, 60)
    assert sum(group.n for group in found.values()) == 8000
    assert sum(group.converted for group in found.values()) == 842

"""Real CRM data through the product's own import and replay, against counts made from the files alone.

The files are not part of the project; these tests run where they are and say so where they are not.
"""

import csv
import datetime as dt
import os
import statistics
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from journey.models import CrmStage, Opportunity, StageInterval
from journey.selectors.histories import current_history
from journey.selectors.stages import stage_counts
from journey.selectors.versions import published_version
from journey.services.replay import replay
from journey.services.versions import create_journey, publish_version
from segmentation.models import Account, Contact
from tests.journey import worlds

DATA = Path(os.environ.get("DATA_DIR", settings.BASE_DIR.parent / "shared" / "data"))
EXAMPLES = settings.BASE_DIR / "docs" / "examples"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here; name its folder by DATA_DIR"),
]

DAY = dt.timedelta(days=1)


def rows(name: str) -> list[dict[str, str]]:
    with open(DATA / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load(what: str, file: str, mapping: str) -> None:
    call_command("import_csv", what, str(DATA / file), mapping=str(EXAMPLES / mapping), verbosity=0)


def utc(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)


def deal_journey(*stages: tuple[str, str]) -> dict:
    """A journey of opportunities, a stage for each (key, CRM stage), later ones winning."""
    return {
        "unit": "opportunity",
        "stages": [
            {"key": "new", "name": "New", "precedence": 0},
            *(
                {
                    "key": key,
                    "name": key,
                    "precedence": number,
                    "position": number,
                    "enter": [{"criteria": [_criterion(crm_stage)]}],
                }
                for number, (key, crm_stage) in enumerate(stages, start=1)
            ),
        ],
    }


def _criterion(crm_stage: str) -> dict:
    if crm_stage == "Won":
        return {"kind": "opportunity_won"}
    if crm_stage == "Lost":
        return {"kind": "opportunity_lost"}
    return {"kind": "opportunity_open", "params": {"crm_stages": [crm_stage]}}


def entries(version, key: str) -> dict[int, dt.datetime]:
    """When each entity first entered a stage."""
    history = current_history(version)
    found: dict[int, dt.datetime] = {}
    stays = StageInterval.objects.filter(history_id=history.pk, stage__key=key).order_by("start_at")
    for entity, start in stays.values_list("entity_id", "start_at"):
        found.setdefault(entity, start)
    return found


@pytest.fixture
def maven():
    worlds.install_journeys_only()
    load("accounts", "maven_crm/accounts.csv", "maven/accounts.json")
    load("opportunities", "maven_crm/sales_pipeline.csv", "maven/opportunities.json")
    load("opportunity-changes", "maven_crm/sales_pipeline.csv", "maven/opportunity-changes.json")
    return rows("maven_crm/sales_pipeline.csv")


def test_every_maven_account_becomes_a_customer_when_its_first_deal_was_won(maven):
    replay()
    names = dict(Account.objects.values_list("pk", "name"))
    customers = {names[pk]: at for pk, at in entries(published_version("standard"), "customer").items()}
    engaged = {names[pk]: at for pk, at in entries(published_version("standard"), "opportunity").items()}
    first_win: dict[str, dt.datetime] = {}
    first_engaged: dict[str, dt.datetime] = {}
    for row in maven:
        if row["account"] and row["engage_date"]:
            first_engaged[row["account"]] = min(
                first_engaged.get(row["account"], utc("2099-01-01")), utc(row["engage_date"])
            )
        if row["account"] and row["deal_stage"] == "Won":
            first_win[row["account"]] = min(first_win.get(row["account"], utc("2099-01-01")), utc(row["close_date"]))
    assert customers == first_win
    assert engaged == first_engaged
    assert len(customers) == 85
    assert max(customers.values()) == utc("2017-05-06")
    assert statistics.median((customers[name] - engaged[name]) / DAY for name in customers) == 104


def test_nobody_is_a_maven_customer_before_the_first_win_and_all_are_at_the_end(maven):
    replay()
    version = published_version("standard")
    first = min(utc(row["close_date"]) for row in maven if row["deal_stage"] == "Won")
    before = {row["key"]: row["accounts"] for row in stage_counts(version, first - dt.timedelta(microseconds=1))}
    assert before["customer"] == 0
    after = {row["key"]: row["accounts"] for row in stage_counts(version, utc("2017-05-06"))}
    assert after["customer"] == 85


def test_maven_deals_as_a_journey_of_opportunities_give_the_known_cycle(maven):
    version = publish_version(
        version=create_journey(
            key="deals",
            name="Deals",
            document=deal_journey(
                ("prospecting", "Prospecting"), ("engaging", "Engaging"), ("won", "Won"), ("lost", "Lost")
            ),
        )
    )
    replay()
    now = {row["key"]: row["accounts"] for row in stage_counts(version, timezone.now())}
    assert now == {"prospecting": 500, "engaging": 1589, "won": 4238, "lost": 2473, "new": 0}
    assert now == {"new": 0} | {stage.lower(): n for stage, n in Counter(row["deal_stage"] for row in maven).items()}
    engaging, won = entries(version, "engaging"), entries(version, "won")
    ids = dict(Opportunity.objects.values_list("external_id", "pk"))
    truth = {
        ids[row["opportunity_id"]]: (utc(row["close_date"]) - utc(row["engage_date"])) / DAY
        for row in maven
        if row["deal_stage"] == "Won"
    }
    cycle = {pk: (at - engaging[pk]) / DAY for pk, at in won.items()}
    assert cycle == truth
    assert statistics.median(cycle.values()) == 57
    assert round(statistics.mean(cycle.values()), 2) == 51.78
    # Prospecting is known from the import only: nothing of it lies in the past, and it says so.
    prospects = StageInterval.objects.filter(history_id=current_history(version).pk, stage__key="prospecting")
    assert prospects.filter(start_at__lt=timezone.now() - dt.timedelta(hours=1)).count() == 0
    assert set(prospects.values_list("grade", flat=True)) == {3}


def test_the_same_maven_files_again_change_nothing(maven):
    replay()
    history = current_history(published_version("standard"))
    before = (history.snapshot, history.intervals, Opportunity.objects.count())
    for what, file in (
        ("accounts", "accounts.csv"),
        ("opportunities", "sales_pipeline.csv"),
        ("opportunity-changes", "sales_pipeline.csv"),
    ):
        load(what, f"maven_crm/{file}", f"maven/{what}.json")
    assert {result.mode for result in replay()} == {"refresh"}
    history.refresh_from_db()
    assert (before[1], before[2]) == (history.intervals, Opportunity.objects.count())


@pytest.fixture
def olist():
    worlds.install_journeys_only()
    leads = "olist/olist_marketing_qualified_leads_dataset.csv"
    load("contacts", leads, "olist/contacts.json")
    load("opportunities", leads, "olist/opportunities.json")
    load("opportunity-changes", "olist/olist_closed_deals_dataset.csv", "olist/opportunity-changes.json")
    return rows(leads), rows("olist/olist_closed_deals_dataset.csv")


def test_olist_leads_end_where_the_files_say(olist):
    leads, deals = olist
    version = publish_version(
        version=create_journey(key="leads", name="Leads", document=deal_journey(("lead", "Lead"), ("won", "Won")))
    )
    replay()
    now = {row["key"]: row["accounts"] for row in stage_counts(version, timezone.now())}
    assert now == {"new": 0, "lead": 7158, "won": 842}
    assert (len(leads), len(deals), Contact.objects.count()) == (8000, 842, 8000)
    first = {row["mql_id"]: row["first_contact_date"] for row in leads}
    early = [row["mql_id"] for row in deals if row["won_date"][:10] < first[row["mql_id"]]]
    assert len(early) == 1
    # The one won two days before its first contact is kept as it is: won from the day of the win on.
    deal = Opportunity.objects.get(external_id=early[0])
    stays = StageInterval.objects.filter(history_id=current_history(version).pk, entity_id=deal.pk).order_by("start_at")
    assert "won" in stays.values_list("stage__key", flat=True)
    assert CrmStage.objects.filter(meaning="").count() == 0

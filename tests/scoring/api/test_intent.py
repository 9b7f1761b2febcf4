"""Topics, signals and surges over the API."""

import datetime as dt

import pytest
from django.utils import timezone

from scoring.models import IntentSignal, IntentTopic
from segmentation.models import Account

pytestmark = pytest.mark.django_db

TOPIC = {"key": "security", "name": "Security", "kind": "category", "keywords": ["zero trust"]}


@pytest.fixture
def security(api):
    assert api.post("intent-topics/", TOPIC).status_code == 201
    return Account.objects.create(name="Acme", external_id="1", domain="acme.example")


def test_a_topic_is_made_changed_and_removed(api, security):
    assert api.patch("intent-topics/security/", {"keywords": ["zero trust", "ztna"]}).json()["keywords"][1] == "ztna"
    refused = api.patch("intent-topics/security/", {"keywords": ["z"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "too_short")
    assert IntentTopic.objects.get().keywords == ["zero trust", "ztna"]
    assert api.delete("intent-topics/security/").status_code == 204


def test_signals_are_sent_twice_stored_once_and_lead_to_a_surge(api, security):
    now = timezone.now() - dt.timedelta(minutes=5)
    records = [
        {"external_id": f"S{n}", "domain": "acme.example", "keyword": "zero trust", "occurred_at": at.isoformat()}
        for n in range(3)
        if (at := now - dt.timedelta(days=n))
    ]
    records.append({"external_id": "S9", "domain": "new.example", "topic": "security", "occurred_at": now.isoformat()})
    first = api.post("intent-signals/upsert/", {"records": records})
    assert first.status_code == 200, first.content
    assert (first.status_code, first.json()["inserted"], first.json()["flagged"]) == (200, 4, {"unknown_account": 1})
    assert api.post("intent-signals/upsert/", {"records": records}).json()["unchanged"] == 4
    [found] = api.get("intent-surges/?topic=security").json()
    assert (found["account"]["id"], found["recent"], found["earlier"], found["topic"]) == (
        security.pk,
        3,
        0,
        "security",
    )
    assert api.get("intent-surges/?as_of=2020-01-01").json() == []
    assert api.get("intent-surges/?topic=securty").json()["errors"][0]["field"] == "topic"
    Account.objects.create(name="New", domain="new.example")
    assert api.post("intent-signals/assign/").json() == {"assigned": 1, "without_account": 0}
    assert api.get("intent-signals/?topic=security").json()["results"][0]["topic"] == "security"
    assert IntentSignal.objects.filter(account__isnull=True).count() == 0


def test_a_topic_in_use_stays(api, security):
    record = {"external_id": "S", "account": "1", "topic": "security", "occurred_at": "2026-03-01"}
    made = api.post("intent-signals/", record)
    assert made.status_code == 201, made.content
    again = api.patch(f"intent-signals/{made.json()['id']}/", {"number": 4})
    assert (again.status_code, again.json()["number"], again.json()["topic"]) == (200, 4, "security")
    refused = api.delete("intent-topics/security/")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")


def test_without_rights_there_is_nothing(nobody, security):
    for address in ("intent-topics/", "intent-signals/", "intent-surges/"):
        assert nobody.get(address).status_code == 403

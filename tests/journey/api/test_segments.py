"""Segments over the API: made, changed, read at any moment, explained, and refused with a reason."""

import json

import pytest
from django.core.management import CommandError, call_command

from journey.services.memberships import update_memberships
from segmentation.models import Account, Job, Segment
from tests.journey.test_segments import field, rule

pytestmark = pytest.mark.django_db(transaction=True)

NORTH = {"key": "north", "name": "North", "rules": {"base": rule(field("region", "north"))}}


@pytest.fixture(autouse=True)
def _accounts():
    Account.objects.create(name="Acme", external_id="1", region="north")
    Account.objects.create(name="Globex", external_id="2", region="west")


def test_a_segment_is_made_read_changed_and_removed(api):
    made = api.post("segments/", NORTH)
    assert made.status_code == 201, made.content
    assert Job.objects.filter(kind="segments").count() == 1
    assert api.get("segments/north/members/").status_code == 409
    update_memberships()
    found = api.get("segments/north/members/").json()
    assert (found["size"], found["unknown"], [row["name"] for row in found["accounts"]]) == (1, 0, ["Acme"])
    assert api.get("segments/north/members/?as_of=2020-01-01").json()["size"] == 0
    why = api.get("segments/north/explain/?account=2").json()
    assert (why["member"], why["parts"][0]["criteria"][0]["found"]) == (False, "region is west")
    changed = api.patch("segments/north/", {"rules": {"base": rule(field("region", "west"))}, "note": "moved"})
    assert (changed.json()["version"], changed.json()["name"]) == (2, "North")
    assert [row["note"] for row in api.get("segments/north/versions/").json()] == ["moved", ""]
    assert api.post("segments/north/review/", {"answers": {"growing": True}}).status_code == 201
    assert api.get("segments/health/").json()["segments"][0]["size"] == 1
    seen = api.get("segments/north/")["ETag"]
    assert api.patch("segments/north/", {"name": "Nord"}).status_code == 200
    assert api.delete("segments/north/", If_Match=seen).status_code == 412  # changed since it was read
    assert api.delete("segments/north/", If_Match=api.get("segments/north/")["ETag"]).status_code == 204
    assert not Segment.objects.exists()


def test_rules_are_counted_before_they_are_stored(api):
    counted = api.post("segments/preview/", {"rules": NORTH["rules"]}).json()
    assert (counted["members"], counted["accounts"]) == (1, 2)
    assert not Segment.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("post", "segments/", {**NORTH, "key": "x", "rules": {}}, "empty_rule"),
        ("post", "segments/", NORTH, "key_taken"),
        ("post", "segments/", {**NORTH, "key": "x", "rules": {"base": rule(field("regoin", "x"))}}, "unknown_choice"),
        ("patch", "segments/north/", {"parent": "north"}, "rule_loop"),
        ("patch", "segments/north/", {"parent": "below"}, "rule_loop"),
        ("patch", "segments/north/", {"key": "south"}, "read_only"),
        ("delete", "segments/north/", None, "in_use"),
        ("post", "segments/preview/", {"rules": {"basis": {}}}, "empty_rule"),
        ("post", "segments/north/review/", {"answers": {"profit": True}}, "bad_answer"),
        ("get", "segments/nroth/members/", None, "not_found"),
        ("get", "segments/north/explain/", None, "required"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(api, method, path, body, code):
    api.post("segments/", NORTH)
    api.post("segments/", {**NORTH, "key": "below", "parent": "north"})
    before = api.get("segments/").json()
    answer = getattr(api, method)(path, body) if body is not None else getattr(api, method)(path)
    assert 400 <= answer.status_code < 500, answer.content
    assert code in answer.content.decode()
    assert api.get("segments/").json() == before


def command(*arguments, capsys):
    call_command("segment", *arguments)
    return capsys.readouterr().out


def test_the_command_lists_explains_and_looks_back(api, capsys):
    api.post("segments/", NORTH)
    found = json.loads(command("north", "--json", capsys=capsys))
    assert (found["size"], [row["name"] for row in found["accounts"]]) == (1, ["Acme"])
    assert json.loads(command("north", "--as-of", "2020-01-01", "--json", capsys=capsys))["size"] == 0
    assert "✓ region is north: region is north" in command("north", "--account", "1", capsys=capsys)
    assert json.loads(command("--json", capsys=capsys))[0]["size"] == 1
    assert "Acme" in command("north", capsys=capsys)
    for wrong, reason in ((("nroth",), "Did you mean"), (("--account", "1"), "Of which segment")):
        with pytest.raises(CommandError, match=reason):
            call_command("segment", *wrong)

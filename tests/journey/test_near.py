"""Near misses: the nearest first, in the words of the explanation."""

import datetime as dt
import io
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from journey.selectors.explanations import explain
from journey.selectors.journeys import find_journey
from journey.selectors.near import near_misses, near_query
from journey.selectors.versions import published_version
from journey.services.replay import replay
from scoring.models import Activity
from segmentation.models import Account, ListMembership, TargetList
from tests.journey import worlds
from tests.journey.worlds import account, activity, contact, day

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    """Tier 1 asks for more than 60 minutes and two people, manager or above, with more than 10 minutes each."""
    worlds.install()
    near, half, far = account("Near", tier=1), account("Half", tier=1), account("Far", tier=1)
    unseen = account("Unseen", tier=1)
    for acme, minutes, people in ((near, 50, 2), (half, 50, 1), (far, 2, 1)):
        for _number in range(people):
            person = contact(acme, seniority="director")
            activity(acme, "webinar", 10, person, seconds=minutes * 60 // people)
    return near, half, far, unseen


def near(at, stage=None, most=100, **more):
    return near_misses(near_query(journey=find_journey("standard"), at=at, **more), stage, most)


def test_what_is_missing_is_told_with_figures_and_the_nearest_comes_first(world):
    first, half, far, _unseen = world
    version = published_version("standard")
    found = near(day(20), "mqa")
    assert [row.name for row in found.entities] == ["Near", "Half", "Far"]
    assert [row.needed for row in found.entities] == [1, 2, 2]
    assert [row.gap for row in found.entities] == sorted(row.gap for row in found.entities)
    # Word for word what the explanation of each account says.
    for row, acme in zip(found.entities, (first, half, far), strict=True):
        told = explain(acme, version, day(20))["next"]
        assert (row.next, row.gap) == (told["key"], told["gap"])
        assert [term.as_dict() for term in row.missing] == [term | {"activities": []} for term in told["missing"]]
        assert all(term.missing in row.text for term in row.missing)
    assert " and " in found.entities[1].text
    everybody = near(day(20))
    assert {row.name: row.next for row in everybody.entities} == {
        "Near": "mqa", "Half": "mqa", "Far": "mqa", "Unseen": "aware",
    }  # fmt: skip
    assert everybody.candidates == 4


def test_it_can_be_narrowed_and_asked_of_another_moment(world):
    acme, _half, _far, _unseen = world
    mine = Account.objects.filter(pk=acme.pk)
    assert [row.name for row in near(day(20), "mqa", accounts=mine).entities] == ["Near"]
    first = near(day(20), "mqa", most=1)
    assert ([row.name for row in first.entities], first.candidates) == (["Near"], 3)
    assert near(day(5), "mqa").entities == []  # nobody was aware yet
    assert near(day(120), "mqa").entities == []  # nobody is any more


def test_filters_by_value_and_list_and_what_was_known_apply_as_everywhere(world):
    acme, half, far, _unseen = world
    Account.objects.filter(pk=half.pk).update(region="North")
    focus = TargetList.objects.create(key="focus", name="Focus")
    ListMembership.objects.create(account=far, target_list=focus, state="active", start_at=day(0))
    replay()
    assert [row.name for row in near(day(20), "mqa", where={"region": ["North"]}).entities] == ["Half"]
    assert [row.name for row in near(day(20), "mqa", list_key="focus", list_mode="is").entities] == ["Far"]
    moment = timezone.now()
    Activity.objects.filter(account=acme).update(recorded_at=moment + dt.timedelta(seconds=1))
    known = near(day(20), "mqa", known_at=moment)
    assert [row.name for row in known.entities] == ["Half", "Far"]


def test_the_command_gives_json_csv_and_a_sentence_for_a_wrong_stage(world):
    out = io.StringIO()
    call_command("near", "--journey", "standard", "--stage", "mqa", "--as-of", "2025-01-21", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert [row["name"] for row in found["accounts"]] == ["Near", "Half", "Far"]
    assert {"criterion", "held", "found", "missing", "gap"} <= set(found["accounts"][0]["missing"][0])
    table = io.StringIO()
    call_command("near", "--journey", "standard", "--stage", "mqa", "--as-of", "2025-01-21", "--csv", stdout=table)
    assert len(table.getvalue().splitlines()) == 4
    assert LogEntry.objects.get().change_message.startswith("Exported: standard-near.csv, 3 rows. By a command")
    with pytest.raises(CommandError, match="Did you mean “mqa”"):
        call_command("near", "--journey", "standard", "--stage", "mqaa")
    with pytest.raises(CommandError, match="Nobody can be near the stage “none”"):
        call_command("near", "--journey", "standard", "--stage", "none")

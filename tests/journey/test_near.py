"""Near misses: the nearest first, in the words of the explanation."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from journey.selectors.explanations import explain
from journey.selectors.near import near_misses
from journey.selectors.versions import published_version
from segmentation.models import Account
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


def test_what_is_missing_is_told_with_figures_and_the_nearest_comes_first(world):
    near, half, far, _unseen = world
    version = published_version("standard")
    found = near_misses(version, day(20), "mqa")
    assert [row.name for row in found.entities] == ["Near", "Half", "Far"]
    assert [row.needed for row in found.entities] == [1, 2, 2]
    assert [row.gap for row in found.entities] == sorted(row.gap for row in found.entities)
    # Word for word what the explanation of each account says.
    for row, acme in zip(found.entities, (near, half, far), strict=True):
        told = explain(acme, version, day(20))["next"]
        assert (row.next, row.gap) == (told["key"], told["gap"])
        assert [term.as_dict() for term in row.missing] == [term | {"activities": []} for term in told["missing"]]
        assert all(term.missing in row.text for term in row.missing)
    assert " and " in found.entities[1].text
    everybody = near_misses(version, day(20))
    assert {row.name: row.next for row in everybody.entities} == {
        "Near": "mqa", "Half": "mqa", "Far": "mqa", "Unseen": "aware",
    }  # fmt: skip
    assert everybody.candidates == everybody.measured == 4


def test_it_can_be_narrowed_and_asked_of_another_moment(world):
    near, _half, _far, _unseen = world
    version = published_version("standard")
    assert [
        row.name for row in near_misses(version, day(20), accounts=Account.objects.filter(pk=near.pk)).entities
    ] == ["Near"]
    assert [row.name for row in near_misses(version, day(20), "mqa", most=1).entities] == ["Near"]
    assert near_misses(version, day(5), "mqa").entities == []  # nobody was aware yet
    assert near_misses(version, day(120), "mqa").entities == []  # nobody is any more


def test_the_command_gives_json_csv_and_a_sentence_for_a_wrong_stage(world):
    out = io.StringIO()
    call_command("near", "--journey", "standard", "--stage", "mqa", "--as-of", "2025-01-21", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert [row["name"] for row in found["accounts"]] == ["Near", "Half", "Far"]
    assert {"criterion", "held", "found", "missing", "gap"} <= set(found["accounts"][0]["missing"][0])
    with pytest.raises(CommandError, match="Did you mean “mqa”"):
        call_command("near", "--journey", "standard", "--stage", "mqaa")
    with pytest.raises(CommandError, match="Nobody can be near the stage “none”"):
        call_command("near", "--journey", "standard", "--stage", "none")

"""Simultaneous requests over HTTP, to the project's own web server, take exactly the places there are."""

import sys

import pytest

from benchmarks.quota_race import make_world, race, server

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform == "win32", reason="the web server there has one thread"),
]

QUOTAS, PLACES, ACCOUNTS, WRITERS = 2, 5, 10, 16


def outcome(application):
    """Race for the places; how many each quota holds at the end, and what was answered."""
    world = make_world(quotas=QUOTAS, places=PLACES, accounts=ACCOUNTS)
    with server(f"tests.segmentation.race_apps:{application}", workers=1, threads=WRITERS) as (port, _process):
        found = race(world, port, writers=WRITERS)
    assert found.strange == []
    assert sum(found.answers.values()) == world.tries
    return world.held(), found.answers[409, "quota_exceeded"]


def test_16_writers_over_http_take_exactly_the_places_there_are():
    assert outcome("guarded") == ([PLACES] * QUOTAS, QUOTAS * (ACCOUNTS - PLACES))


def test_without_the_lock_of_the_quotas_they_take_more():
    held, _refused = outcome("unguarded")
    assert sum(held) > QUOTAS * PLACES

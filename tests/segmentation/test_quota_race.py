"""Simultaneous requests, each on a connection of its own, cannot take more places than there are."""

import threading
import time

import pytest
from django.db import connections

from segmentation.errors import ProblemError
from segmentation.models import Account, ListMembership, SalesQuota, SalesTeam, TargetList
from segmentation.selectors.target_lists import places_held, places_held_with
from segmentation.services import target_lists as services
from segmentation.services.target_lists import quotas

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, PLACES = 32, 5


@pytest.fixture
def slow_counting(monkeypatch):
    """Counting takes a moment, so that who is not kept waiting decides by what is no longer true."""

    def counted(*args):
        held = places_held_with(*args)
        time.sleep(0.03)
        return held

    monkeypatch.setattr(quotas, "places_held_with", counted)


def race(accounts, team, target_list):
    """Propose every account from a thread of its own at the same moment. Returns the codes of what was refused."""
    ready = threading.Barrier(len(accounts))
    refused, crashed = [], []

    def propose(account):
        try:
            connections["default"].ensure_connection()
            ready.wait(60)
            services.propose_accounts(target_list=target_list, accounts=[account], team=team, note="now")
        except ProblemError as error:
            refused.append(error.code)
        except Exception as error:
            crashed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=propose, args=[account]) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crashed == []
    return refused


@pytest.fixture
def world():
    team = SalesTeam.objects.create(key="north", name="North")
    services.set_quota(team=team, places=PLACES)
    accounts = [Account.objects.create(name=f"Account {number}") for number in range(WRITERS)]
    return accounts, team, TargetList.objects.create(key="named", name="Named")


def test_32_simultaneous_requests_take_exactly_the_places_there_are(world, slow_counting):
    refused = race(*world)
    assert places_held(world[1]) == PLACES
    assert refused == ["quota_exceeded"] * (WRITERS - PLACES)


def test_without_the_lock_of_the_quota_they_take_more(world, slow_counting, monkeypatch):
    def unlocked(team, rep):
        return list(SalesQuota.objects.filter(team=team, rep=None))

    monkeypatch.setattr(quotas, "locked_quotas", unlocked)
    race(*world)
    assert places_held(world[1]) > PLACES


def test_one_account_proposed_32_times_at_once_is_on_the_list_once(world):
    accounts, team, target_list = world
    refused = race(accounts[:1] * WRITERS, team, target_list)
    assert refused == ["already_member"] * (WRITERS - 1)
    assert ListMembership.objects.count() == 1

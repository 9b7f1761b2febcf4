"""Several people ask for a history that is not in memory: it is read once, and the others wait for it."""

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from journey.selectors import funnel_data
from journey.selectors.versions import published_version
from journey.services.replay import replay
from tests.journey import worlds
from tests.journey.worlds import account

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 60  # seconds until a test that hangs fails


class WatchedLocks(dict):
    """The locks of histories that are being read. `asked`: is released whenever somebody is about to take one."""

    def __init__(self):
        super().__init__()
        self.asked = threading.Semaphore(0)

    def setdefault(self, key, _lock):
        return super().setdefault(key, WatchedLock(self.asked))


class WatchedLock:
    def __init__(self, asked):
        self.asked, self.lock = asked, threading.Lock()

    def __enter__(self):
        self.asked.release()
        self.lock.acquire()

    def __exit__(self, *_error):
        self.lock.release()


class Reading:
    """Stands before the reading of a history: holds it up until `go`, and counts."""

    def __init__(self, real, first_fails=False):
        self.real, self.first_fails = real, first_fails
        self.began, self.go, self.times = threading.Event(), threading.Event(), 0

    def __call__(self, *args):
        self.times += 1
        first = self.times == 1
        self.began.set()
        assert self.go.wait(SOON)
        if first and self.first_fails:
            raise OSError("the server went away")
        return self.real(*args)


@pytest.fixture
def version():
    worlds.install()
    account(created=0)
    replay()
    funnel_data.forget()
    return published_version("standard")


@pytest.fixture
def locks(monkeypatch):
    found = WatchedLocks()
    monkeypatch.setattr(funnel_data, "_loading", found)
    return found


def both(version, locks, reading):
    """Two ask, the second while the first reads. What each of them got."""

    def ask():
        try:
            return funnel_data.history_data(version)
        except OSError as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as people:
        first = people.submit(ask)
        assert reading.began.wait(SOON)
        assert locks.asked.acquire(timeout=SOON)  # that was the first
        second = people.submit(ask)
        assert locks.asked.acquire(timeout=SOON)  # the second found nothing in memory and asks for the same lock
        assert reading.times == 1
        reading.go.set()
        return first.result(SOON), second.result(SOON)


def test_a_second_cold_question_waits_for_the_first(version, locks, monkeypatch):
    reading = Reading(funnel_data._load)
    monkeypatch.setattr(funnel_data, "_load", reading)
    first, second = both(version, locks, reading)
    assert reading.times == 1
    assert first is second
    assert funnel_data.history_data(version) is first
    assert not locks


def test_where_the_first_fails_the_second_reads_itself(version, locks, monkeypatch):
    reading = Reading(funnel_data._load, first_fails=True)
    monkeypatch.setattr(funnel_data, "_load", reading)
    first, second = both(version, locks, reading)
    assert (first, reading.times) == ("the server went away", 2)
    assert second is funnel_data.history_data(version)


def test_a_history_is_in_memory_before_its_lock_is_gone(version, locks, monkeypatch):
    """Else somebody who comes in between would read it once more."""
    seen = []

    class Watched(OrderedDict):
        def __setitem__(self, key, value):
            seen.append(key in locks)
            super().__setitem__(key, value)

    monkeypatch.setattr(funnel_data, "_cache", Watched())
    funnel_data.history_data(version)
    assert seen == [True]

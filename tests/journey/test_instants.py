"""Moments as people write them."""

import datetime as dt

import pytest
from django.utils import timezone

from journey.errors import JourneyError
from journey.instants import parse_instant, past_instant


@pytest.mark.parametrize(
    "text",
    ["2026-03-31", "2026-03-31T00:00", "2026-03-31 00:00:00", "2026-03-31T00:00:00Z", "2026-03-31T08:00:00+08:00"],
)
def test_dates_and_times_with_and_without_zone(text):
    assert parse_instant(text, "--as-of") == dt.datetime(2026, 3, 31, tzinfo=dt.UTC)


def test_nothing_said_is_now():
    assert abs(parse_instant(None, "--as-of") - timezone.now()) < dt.timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", " ", "now", "2026-13-01", "2026-02-30", "1989-12-31", "99999-01-01", "\udcff"])
def test_what_is_no_moment_is_refused_with_the_way_to_write_one(text):
    with pytest.raises(JourneyError, match="Write it like 2026-03-31") as caught:
        parse_instant(text, "--as-of")
    assert (caught.value.code, caught.value.field) == ("bad_instant", "--as-of")


@pytest.mark.parametrize("text", ["2199-01-01", "9999-12-31T23:59:59-12:00"])
def test_a_moment_to_come_is_refused_where_facts_are_counted(text):
    assert parse_instant(text, "--at") > timezone.now()
    with pytest.raises(JourneyError, match="lies in the future"):
        past_instant(text, "--as-of")

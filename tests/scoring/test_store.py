"""The fact cache says what the database says, whatever was added, corrected or removed since it was made."""

import numpy as np
import pytest
from django.db import connection

from scoring.facts.activities import read_activities, read_dimensions
from scoring.facts.store import SHARDS, FactStore
from scoring.models import Activity, ActivityType
from segmentation.models import Account, Contact, FactTouch
from segmentation.services.snapshots import one_snapshot
from segmentation.services.touches import prune_touches
from tests.journey.worlds import account, activity, contact, install, snapshot_of_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["account", "contact"])
def store(request, tmp_path):
    install()
    return FactStore(tmp_path, request.param)


def contents(store: FactStore) -> dict[int, list[tuple]]:
    """For every owner its activities as the cache has them: time, seconds, person, what it is."""
    with one_snapshot() as database:
        dimensions = store.refresh(database)
    model = Account if store.owner == "account" else Contact
    owners = np.array(sorted(model.objects.values_list("pk", flat=True)), dtype=np.int64)
    found = {}
    for batch in store.batches(dimensions.classes, owners):
        found |= _listed(batch.owners, batch.table)
    assert set(found) == set(owners.tolist())
    return found


def _listed(owners, table) -> dict[int, list[tuple]]:
    return {
        int(owner): sorted(
            (
                int(table.time[k]),
                int(table.seconds[k]),
                table.contact[k] >= 0,
                table.classes.parts(table.number[k])[0].key,
                *table.classes.parts(table.number[k])[1:],
            )
            for k in range(table.rows.begin[e], table.rows.end[e])
        )
        for e, owner in enumerate(owners)
    }


def truth(store: FactStore) -> dict[int, list[tuple]]:
    """The same straight from the database."""
    model = Account if store.owner == "account" else Contact
    owners = np.array(sorted(model.objects.values_list("pk", flat=True)), dtype=np.int64)
    return _listed(owners, read_activities(connection, owners, store.owner))


@pytest.fixture
def world(store):
    rows = [account() for _n in range(SHARDS + 3)]
    people = [contact(row, seniority="vp") for row in rows for _n in range(2)]
    for n in range(400):
        person = people[n * 7 % len(people)]
        activity(person.account, "webinar" if n % 3 else "page_view", (n * 37) % 100, person if n % 5 else None)
    return rows, people


def test_a_new_cache_holds_every_activity_of_every_owner(store, world):
    assert contents(store) == truth(store)
    assert sum(map(len, contents(store).values())) == (400 if store.owner == "account" else 320)


def test_activities_of_an_owner_are_in_order_of_time(store, world):
    with one_snapshot() as database:
        dimensions = store.refresh(database)
    for batch in store.batches(dimensions.classes, np.array([row.pk for row in world[0]], dtype=np.int64)):
        rows = batch.table.rows
        for begin, end in zip(rows.begin, rows.end, strict=True):
            assert (np.diff(batch.table.time[begin:end]) >= 0).all()


def test_what_is_added_corrected_and_removed_is_followed(store, world):
    rows, people = world
    contents(store)
    base = next(store.folder.glob("base-*"))
    activity(rows[0], "webinar", 3, people[0], seconds=7)
    assert contents(store) == truth(store)
    Activity.objects.filter(pk__in=list(Activity.objects.values_list("pk", flat=True)[:5])).update(
        account=rows[1], contact=people[2]
    )
    assert contents(store) == truth(store)
    Activity.objects.filter(pk__in=list(Activity.objects.values_list("pk", flat=True)[5:9])).delete()
    assert contents(store) == truth(store)
    fresh = account()
    activity(fresh, "demo_request", 1, contact(fresh))
    Account.objects.filter(pk=rows[2].pk).delete()
    assert contents(store) == truth(store)
    assert base.exists(), "a few changes must not cause a scan of everything"


def test_a_promotion_counts_from_its_day_on_and_today_stands_in_for_the_time_before(store, world):
    rows, people = world
    contents(store)
    Contact.objects.filter(pk=people[7].pk).update(seniority="manager")
    assert contents(store) == truth(store)
    owner = rows[3].pk if store.owner == "account" else people[7].pk
    assert "manager" in {row[5] for row in contents(store)[owner]}


def test_changed_default_minutes_rebuild_the_cache(store, world):
    contents(store)
    base = next(store.folder.glob("base-*"))
    ActivityType.objects.filter(key="webinar").update(default_minutes=99)
    assert contents(store) == truth(store)
    assert 5940 in {row[1] for rows in contents(store).values() for row in rows}
    assert base.name not in (store.folder / "manifest.json").read_text()


def test_a_deleted_or_damaged_cache_is_made_again(store, world):
    contents(store)
    (store.folder / "manifest.json").write_text("{")
    assert contents(store) == truth(store)
    store.delete()
    assert contents(store) == truth(store)


def test_a_cache_older_than_the_shortened_feed_is_made_again(store, world):
    contents(store)
    activity(world[0][0], "webinar", 50, world[1][0])
    prune_touches([snapshot_of_all()])
    assert not FactTouch.objects.exists()
    assert contents(store) == truth(store)


def test_the_dimensions_of_a_few_people_are_those_of_all(store, world):
    few = [world[1][0].pk, world[1][5].pk]
    some, every = read_dimensions(connection, few), read_dimensions(connection)
    assert [some.profile_of[pk] for pk in few] == [every.profile_of[pk] for pk in few]
    assert some.fingerprint() == every.fingerprint()

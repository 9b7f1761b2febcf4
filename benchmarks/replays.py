"""Replays of the journey of demo data, whole and of what changed."""

from typing import Any

import numpy as np
from django.db import connection

from benchmarks.item import Item, Loaded, OfEngine, extended, stored_stays
from benchmarks.stays import Stays, differences, stays_of
from journey.facts.loading import Needs, all_facts, fact_store
from journey.selectors.versions import version_rules
from journey.services.replay import evaluated, replay_version
from scoring.facts.activities import read_dimensions, stream_activities
from segmentation.models import Account
from segmentation.services.snapshots import one_snapshot

CHANGED_ACCOUNTS = 1000


class ReadActivities(Item):
    """Read all activities into arrays, each with its account's place, its class and its seconds."""

    name = "read_activities"

    def run(self) -> int:
        with one_snapshot() as reading:
            dimensions = read_dimensions(reading)
            owners = np.array(Account.objects.order_by("id").values_list("id", flat=True), dtype=np.int64)
            return sum(len(block[0]) for block in stream_activities(reading, dimensions, owners, "account"))

    def check(self, result: Any) -> bool:
        return bool(result == self.scratch.activities)


class ReplayFull(OfEngine):
    """A whole replay from database to database, the cache of facts deleted before."""

    name = "replay_full"

    def prepare(self) -> None:
        super().prepare()
        fact_store("account").delete()

    def run(self) -> Any:
        return replay_version(extended(), full=True)


class ReplayCached(OfEngine):
    """The same with the cache of facts in place."""

    name = "replay_cached"

    def prepare(self) -> None:
        super().prepare()
        with one_snapshot() as reading:
            fact_store("account").refresh(reading)

    def run(self) -> Any:
        return replay_version(extended(), full=True)


class ReplayCachedCompute(ReplayCached):
    """From the cache of facts (and the small tables) to stays in memory, nothing written."""

    name = "replay_cached_compute"

    def run(self) -> Any:
        rules = version_rules(extended())
        with one_snapshot() as reading:
            batches = all_facts(reading, rules.unit, Needs.of(rules))
            return [(facts.ids, stays) for facts, stays in evaluated(rules, batches)]

    def made(self, result: Any) -> Stays:
        refs = np.array([stage.ref for stage in version_rules(extended()).stages], dtype=np.int64)
        parts = [(ids[found.entity], refs[found.stage], found.start, found.end) for ids, found in result]
        return stays_of(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class ReplayInMemory(OfEngine):
    """From facts in memory to stays in memory."""

    name = "replay_in_memory"

    def prepare(self) -> None:
        super().prepare()
        self.loaded = Loaded.now(extended())

    def run(self) -> Any:
        return self.loaded.stays()

    def made(self, result: Any) -> Stays:
        return self.loaded.table(result)


def last_activity() -> int:
    """The newest activity there is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM scoring_activity")
        return int(cursor.fetchone()[0])


def remove_activities_after(last: int) -> None:
    """Make activities what they were."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM scoring_activity WHERE id > %s", [last])
        cursor.execute("VACUUM scoring_activity")


class Replay1000Changed(Item):
    """Replay what changed after 1,000 accounts got new activities, in a process that did so before."""

    name = "replay_1000_changed"

    def prepare(self) -> None:
        self.last = last_activity()
        replay_version(extended())
        for _round in range(2):
            self._add()
            replay_version(extended())
        self._add()

    def _add(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO scoring_activity"
                " (account_id, contact_id, type_id, occurred_at, seconds, outcome, campaign, content, url, source_key)"
                " SELECT a.id, c.id, y.id, %s::timestamptz - random() * interval '60 days', (random() * 1800)::int,"
                "   '', '', '', '',"
                "   'bench-' || gen_random_uuid()"
                " FROM (SELECT id FROM segmentation_account ORDER BY random() LIMIT %s) a"
                " LEFT JOIN LATERAL (SELECT id FROM segmentation_contact WHERE account_id = a.id LIMIT 3) c ON true"
                " CROSS JOIN LATERAL (SELECT id FROM scoring_activitytype WHERE a.id > 0 ORDER BY random() LIMIT 1) y",
                ["2025-12-31T12:00:00Z", CHANGED_ACCOUNTS],
            )

    def run(self) -> Any:
        return replay_version(extended())

    def check(self, result: Any) -> bool:
        loaded = Loaded.now(extended())
        return result.mode == "refresh" and differences(stored_stays(), loaded.table(loaded.stays())) == 0

    def clean(self) -> None:
        remove_activities_after(self.last)

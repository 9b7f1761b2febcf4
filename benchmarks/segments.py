"""Forty segments of five criteria each: all memberships over three years, and the count of one while it is edited."""

from typing import Any

import numpy as np
from django.db import connection

from benchmarks.item import Item
from journey.facts.loading import Needs, all_facts, fact_store
from journey.selectors.segments import segment_preview
from journey.services.memberships import update_memberships
from segmentation.engine.resolve import rule_steps, values_at
from segmentation.engine.rules import parse_rule
from segmentation.engine.steps import YES
from segmentation.facts.copying import read_rows
from segmentation.models import Account, Segment
from segmentation.services.segments import create_segment
from segmentation.services.snapshots import one_snapshot

NUMBER = 40
INSTANTS = 12  # at which members are counted again another way


def _term(kind: str, negate: bool = False, **params: Any) -> dict[str, Any]:
    return {"kind": kind, "params": params, "negate": negate}


def rules(number: int, industries: list[str], regions: list[str]) -> dict[str, Any]:
    """The parts of one of the segments: two fields, engagement, activities and a deal; no two are alike."""
    days, minutes = 30 + 10 * (number % 8), 5 + 5 * (number % 7)
    kinds = ["page_view", "webinar", "content_download", "email_click"]
    base = [
        _term("field", field="industry", operator="in", value=[industries[number % len(industries)], industries[0]]),
        _term("field", field="employees", operator="at_least", value=20 * (1 + number % 10)),
        _term("field", field="region", operator="is", value=regions[number % len(regions)], negate=bool(number % 3)),
    ]
    trigger = [
        _term("engaged_minutes", minutes=minutes, window_days=days),
        _term("activity_count", times=1 + number % 5, window_days=days, types=[kinds[number % 4]])
        if number % 2
        else _term("opportunity_open", number % 4 == 0),
    ]
    return {"base": {"criteria": base}, "trigger": {"criteria": trigger, "at_least": 1}}


def forty() -> dict[str, dict[str, Any]]:
    """The rules of all of them by key, of values the accounts have."""
    names = {
        field: list(
            Account.objects.exclude(**{field: ""}).order_by(field).values_list(field, flat=True).distinct()[:10]
        )
        for field in ("industry", "region")
    }
    return {f"bench-{number}": rules(number, names["industry"], names["region"]) for number in range(NUMBER)}


class SegmentsRebuild(Item):
    """All memberships of the forty from database to database, the cache of facts deleted before."""

    name = "segments_rebuild"

    def prepare(self) -> None:
        super().prepare()
        Segment.objects.all().delete()
        self.rules = forty()
        for key, parts in self.rules.items():
            create_segment(key=key, name=key, rules=parts, build=False)
        fact_store("account").delete()

    def run(self) -> Any:
        return update_memberships(full=True)

    def check(self, result: Any) -> bool:
        """The members of every segment at some instants, counted from the rules one by one."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (extract(epoch FROM min(start_at)) * 1000000)::bigint,"
                " (extract(epoch FROM max(start_at)) * 1000000)::bigint FROM segmentation_segmentmembership"
            )
            first, last = cursor.fetchone()
        instants = np.linspace(first, last, INSTANTS + 2)[1:-1].astype(np.int64).tolist()
        stored = read_rows(
            connection,
            "SELECT m.account_id, substring(s.key FROM 7)::int4, m.start_at, coalesce(m.end_at, '9999-01-01+00')"
            " FROM segmentation_segmentmembership m JOIN segmentation_segmenthistory h ON h.id = m.history_id"
            " AND h.state = 'current' JOIN segmentation_segment s ON s.id = h.segment_id WHERE m.state = 1",
            {"account": "i8", "segment": "i4", "start": "time", "end": "time"},
        )
        found = {
            (number, at): int(((stored["segment"] == number) & (stored["start"] <= at) & (at < stored["end"])).sum())
            for number in range(NUMBER)
            for at in instants
        }
        expected = dict.fromkeys(found, 0)
        parsed = {
            number: [parse_rule(part) for part in self.rules[f"bench-{number}"].values()] for number in range(NUMBER)
        }
        needs = Needs.of_rules([rule for parts in parsed.values() for rule in parts]).with_start()
        with one_snapshot() as reading:
            for facts in all_facts(reading, "account", needs):
                known: dict[Any, Any] = {}
                for number, parts in parsed.items():
                    steps = [rule_steps(rule, facts, known) for rule in parts]
                    for at in instants:
                        inside = facts.start <= at
                        for step in steps:
                            inside &= values_at(step, at) == YES
                        expected[number, at] += int(inside.sum())
        return found == expected and any(found.values())


class SegmentCount(Item):
    """How long the count takes that is shown when a segment is saved; the cache of facts is there."""

    name = "segment_count"

    def prepare(self) -> None:
        super().prepare()
        self.rules = forty()["bench-7"]
        segment_preview("", "", self.rules)

    def run(self) -> Any:
        return segment_preview("", "", self.rules)

    def check(self, result: Any) -> bool:
        return bool(result["accounts"] == self.scratch.accounts and result["parts"]["base"]["matching"] > 0)

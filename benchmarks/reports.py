"""Pages over all accounts: near misses, markets, performance and priority of segments, goals, suggestions, intent."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import connection

from benchmarks.item import BEGIN, Item, extended, stored_stays
from benchmarks.scratch import YEARS
from benchmarks.segments import forty
from journey.facts.deal_values import read_deal_values
from journey.facts.loading import Needs, load_facts
from journey.models import LookalikeModel, Suggestion, SuggestionSource
from journey.selectors.funnel_data import forget
from journey.selectors.goal_kinds import goal_kinds
from journey.selectors.goals import GoalReport, end_of, goal_reports, start_of
from journey.selectors.markets import MarketReport, market_accounts, market_levels, market_query, market_report
from journey.selectors.near import NearMisses, near_misses, near_query
from journey.selectors.priorities import Ranking, segment_ranking
from journey.selectors.segment_performance import PerformanceReport, performance_query, segment_performance
from journey.selectors.suggestions import not_compared
from journey.services.memberships import update_memberships
from journey.services.suggestions import suggest
from scoring.engine.intent import IntentTable
from scoring.facts.intent import read_intent
from scoring.models import IntentTopic
from scoring.selectors.engagement import recent_engagement
from scoring.services.intent import save_topic
from segmentation.engine.resolve import rule_steps, values_at
from segmentation.engine.steps import YES
from segmentation.models import Account, Segment, SegmentGoal, SegmentHistory
from segmentation.services.segments import create_segment
from segmentation.services.snapshots import one_snapshot

NOW = BEGIN + dt.timedelta(days=365 * YEARS)
MONTHS = 36
SOME = 500  # accounts of which a result is looked up one by one
SEGMENT = "bench-7"


def instant(moment: dt.datetime) -> int:
    """Microseconds UTC."""
    return round(moment.timestamp()) * 1_000_000


def with_segments() -> None:
    """The forty segments with their members, made where they are not there."""
    if SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT, segment__key=SEGMENT).exists():
        return
    Segment.objects.filter(key__startswith="bench-").delete()
    for key, parts in forty().items():
        create_segment(key=key, name=key, rules=parts, build=False)
    update_memberships(full=True)


def members_at(key: str, moment: dt.datetime) -> list[int]:
    """The stored members of a segment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.account_id FROM segmentation_segmentmembership m JOIN segmentation_segmenthistory h"
            " ON h.id = m.history_id AND h.build = m.build_id AND h.state = 'current'"
            " JOIN segmentation_segment s ON s.id = h.segment_id WHERE s.key = %s AND m.state = 1"
            " AND m.start_at <= %s AND (m.end_at > %s OR m.end_at IS NULL)",
            [key, moment, moment],
        )
        return [pk for (pk,) in cursor.fetchall()]


class NearMissesOfAll(Item):
    """What everybody in the funnel lacks for the next stage, the nearest hundred in words."""

    name = "near_misses"

    def prepare(self) -> None:
        super().prepare()
        self.question = near_query(journey=extended().journey, at=NOW)
        near_misses(self.question)

    def run(self) -> NearMisses:
        return near_misses(self.question)

    def check(self, result: NearMisses) -> bool:
        """Everybody in a stage with a next one is counted, by the stored history."""
        version = extended()
        places = sorted(stage.position for stage in version.stages.all() if stage.position is not None)
        stages = [s.pk for s in version.stages.all() if s.position is not None and s.position < places[-1]]
        stored, at = stored_stays(), instant(NOW)
        here = (stored["start"] <= at) & (at < stored["end"]) & np.isin(stored["stage"], stages)
        return result.candidates + result.out_of_scope == int(here.sum()) and result.candidates > 0


class Markets(Item):
    """How large every market was at the end of each of 36 months, once the facts are in memory."""

    name = "markets"

    def prepare(self) -> None:
        self.question = market_query(months=MONTHS, as_of=NOW)
        market_report(self.question)

    def run(self) -> MarketReport:
        return market_report(self.question)

    def check(self, result: MarketReport) -> bool:
        """The markets of some accounts are those of facts read straight from the database for them alone, and the
        widest market has everybody whose history had begun."""
        some = np.sort(np.array(Account.objects.order_by("?").values_list("pk", flat=True)[:SOME], dtype=np.int64))
        levels = [level for level in market_levels() if not level.problem]
        rules = [level.rule for level in levels if level.rule]
        with one_snapshot() as reading:
            facts = load_facts(reading, "account", some, Needs.of_rules(rules).with_start())
        inside = facts.start <= instant(NOW)
        for level in levels:
            if level.rule:
                inside &= values_at(rule_steps(level.rule, facts), instant(NOW)) == YES
            found = set(market_accounts(level.key, "in", NOW).values_list("pk", flat=True))
            if found & set(some.tolist()) != set(facts.ids[inside].tolist()):
                return False
        stored = stored_stays()
        first = stored["start"][np.unique(stored["account"], return_index=True)[1]]
        expected = [int((first <= instant(moment)).sum()) for moment in result.query.instants]
        return result.markets[0].size == expected


class MarketsCold(Markets):
    """The same with nothing in the memory of the process."""

    name = "markets_cold"

    def prepare(self) -> None:
        super().prepare()  # loads the compiled code
        forget()


class SegmentsPerformance(Item):
    """Forty segments against the rest over two years, once the facts are in memory."""

    name = "segment_performance"

    def prepare(self) -> None:
        with_segments()
        self.question = performance_query(start=NOW - dt.timedelta(days=730), end=NOW)
        segment_performance(self.question)

    def run(self) -> PerformanceReport:
        return segment_performance(self.question)

    def check(self, result: PerformanceReport) -> bool:
        """Members are those stored, and so are the deals won by a segment, account by account."""
        row = next(row for row in result.rows if row.group.key == SEGMENT)
        start, end = instant(self.question.start), instant(self.question.end) - 1
        with one_snapshot() as reading:
            deals = read_deal_values(reading)
        now = deals.at(instant(dt.datetime.now(dt.UTC)))
        won = np.flatnonzero((now.won >= start) & (now.won <= end) & (deals.accounts >= 0))
        opened = np.minimum(now.opened, now.won)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM unnest(%s::int8[], %s::int8[]) d (account, at) WHERE EXISTS ("
                " SELECT FROM segmentation_segmentmembership m JOIN segmentation_segmenthistory h"
                " ON h.id = m.history_id AND h.build = m.build_id AND h.state = 'current'"
                " JOIN segmentation_segment s ON s.id = h.segment_id WHERE s.key = %s AND m.state = 1"
                " AND m.account_id = d.account AND (extract(epoch FROM m.start_at) * 1000000)::int8 <= d.at"
                " AND (m.end_at IS NULL OR (extract(epoch FROM m.end_at) * 1000000)::int8 > d.at))",
                [deals.accounts[won].tolist(), opened[won].tolist(), SEGMENT],
            )
            expected = cursor.fetchone()[0]
        before = NOW - dt.timedelta(microseconds=1)
        return row.accounts == len(members_at(SEGMENT, before)) and row.segment.figures.won == expected > 0


class SegmentsPerformanceCold(SegmentsPerformance):
    """The same with nothing in the memory of the process."""

    name = "segment_performance_cold"

    def prepare(self) -> None:
        super().prepare()
        forget()


class SegmentsPriority(Item):
    """The seven considerations of forty segments over all accounts, once the deals are in memory."""

    name = "segment_priority"

    def prepare(self) -> None:
        with_segments()
        segment_ranking(NOW)

    def run(self) -> Ranking:
        return segment_ranking(NOW)

    def check(self, result: Ranking) -> bool:
        """The members of a segment and their engagement are those stored."""
        row = next(row for row in result.rows if row.segment.key == SEGMENT)
        members = members_at(SEGMENT, NOW)
        minutes = sum(one.seconds for one in recent_engagement(members, NOW).values()) / 60
        figure = row.judged["engagement"].measured.figure
        return row.size == len(members) and figure is not None and abs(figure * len(members) - minutes) < 1e-6 * minutes


class SegmentsPriorityCold(SegmentsPriority):
    """The same with nothing in the memory of the process."""

    name = "segment_priority_cold"

    def prepare(self) -> None:
        super().prepare()
        forget()


class Goals(Item):
    """How a goal of every kind stands, over the last year."""

    name = "goals"

    def prepare(self) -> None:
        with_segments()
        SegmentGoal.objects.filter(name="bench").delete()
        first, last = (NOW - dt.timedelta(days=365)).date(), (NOW - dt.timedelta(days=1)).date()
        segment = Segment.objects.get(key=SEGMENT)
        self.goals = [
            SegmentGoal.objects.create(
                segment=segment, kind=key, name="bench", first_day=first, last_day=last, target=Decimal(10),
                baseline=Decimal(1), baseline_reason="bench", currency="EUR" if kind.unit == "money" else "",
            )
            for key, kind in goal_kinds().items()
        ]  # fmt: skip
        goal_reports(self.goals, NOW)

    def run(self) -> list[GoalReport]:
        return goal_reports(self.goals, NOW)

    def check(self, result: list[GoalReport]) -> bool:
        """Engagement is that of the stored activities of the stored members."""
        [found] = [report for report in result if report.kind.key == "engagement"]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(coalesce(a.seconds, y.default_minutes * 60)) / 60.0"
                " FROM scoring_activity a JOIN scoring_activitytype y ON y.id = a.type_id WHERE a.occurred_at >= %s"
                " AND a.occurred_at < %s AND EXISTS (SELECT FROM segmentation_segmentmembership m"
                " JOIN segmentation_segmenthistory h ON h.id = m.history_id AND h.build = m.build_id"
                " AND h.state = 'current' WHERE h.segment_id = %s AND m.state = 1 AND m.account_id = a.account_id"
                " AND m.start_at <= a.occurred_at AND (m.end_at IS NULL OR m.end_at >= a.occurred_at))",
                [_moment(start_of(found.goal)), _moment(end_of(found.goal)), found.goal.segment_id],
            )
            expected = float(cursor.fetchone()[0])
        return found.counted is not None and abs(found.counted - expected) < 1e-6 * expected

    def clean(self) -> None:
        SegmentGoal.objects.filter(name="bench").delete()


def _moment(at: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at)


class Lookalikes(Item):
    """Learn from all customers, test the model, and store the accounts that look like them."""

    name = "lookalikes"

    def prepare(self) -> None:
        super().prepare()
        self.clean()
        self.source = SuggestionSource.objects.create(
            key="bench", name="Bench", kind="lookalike", journey=extended().journey, stage="customer"
        )

    def run(self) -> Any:
        return suggest(sources=[self.source], at=NOW)

    def check(self, result: Any) -> bool:
        """All accounts are compared, the best that are no customers stored, and the model is better than chance."""
        [found] = result
        if found.problem or not found.model:
            return False
        stored = list(Suggestion.objects.filter(source=self.source).values_list("account_id", flat=True))
        stage = extended().stages.get(key="customer")
        stays = stored_stays()
        customers = np.unique(stays["account"][(stays["stage"] == stage.pk) & (stays["start"] <= instant(NOW))])
        compared = (set(stays["account"].tolist()) - set(not_compared())) | set(customers.tolist())
        return (
            found.accounts == len(compared)
            and found.model.customers == len(customers)
            and len(stored) == min(found.found, self.source.most)
            and not np.isin(stored, customers).any()
            and found.model.evaluation["low"] > 0.5
        )

    def clean(self) -> None:
        mine = SuggestionSource.objects.filter(key="bench")
        Suggestion.objects.filter(source__in=mine).delete()
        LookalikeModel.objects.filter(source__in=mine).delete()
        mine.delete()

    def rows(self) -> int | None:
        return self.scratch.accounts


class IntentOfTexts(Item):
    """Read three topics out of the texts of all activities there are."""

    name = "intent_of_texts"
    topics = (("prices", ["pricing"]), ("stories", ["case study"]), ("data", ["dashboard", "数据保护"]))

    def prepare(self) -> None:
        super().prepare()
        self.clean()
        for key, words in self.topics:
            save_topic(key=f"bench-{key}", name=key, kind="category", keywords=words, match_activities=True)
        self.accounts = np.array(Account.objects.order_by("pk").values_list("pk", flat=True), dtype=np.int64)

    def run(self) -> IntentTable:
        with one_snapshot() as reading:
            return read_intent(reading, self.accounts, some=False)

    def check(self, result: IntentTable) -> bool:
        """As many activities as PostgreSQL finds whole words in, topic by topic."""
        found = {
            key: sum(
                int(result.amount[result.number == number].sum())
                for number, one in enumerate(result.classes)
                if one.topic == f"bench-{key}" and one.own
            )
            for key, _words in self.topics
        }
        expected = {}
        with connection.cursor() as cursor:
            for key, words in self.topics:
                # Chinese words stand anywhere, others alone.
                pattern = "|".join(
                    rf"\m{word.replace(' ', '[^[:alnum:]]+')}\M" if word.isascii() else word for word in words
                )
                cursor.execute(
                    "SELECT count(*) FROM scoring_activity WHERE account_id IS NOT NULL"
                    " AND (campaign || ' ' || content || ' ' || url) ~* %s",
                    [pattern],
                )
                expected[key] = cursor.fetchone()[0]
        return found == expected and all(expected.values())

    def clean(self) -> None:
        IntentTopic.objects.filter(key__startswith="bench-").delete()

    def rows(self) -> int | None:
        return self.scratch.activities

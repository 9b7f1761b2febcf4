"""Histories in memory: the stays of a version, loaded once per process, and what figures over them read besides.

Stays are kept until the history is refreshed or replaced. Fields, lists and deals are read when first asked for and
again when facts were touched since; where facts arrive all the time, not more often than a twentieth of the time.
"""

import datetime as dt
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from journey.engine.kinds.stage import STAGES
from journey.engine.metrics.table import Funnel, StayTable
from journey.errors import JourneyError
from journey.facts.deal_values import DealValues, read_deal_values
from journey.facts.dimensions import Coded, Dimension, Source, coded, dimensions
from journey.facts.known import Stays, known_stays, with_histories
from journey.facts.known import known_at as facts_known_at
from journey.facts.loading import Needs, all_facts
from journey.facts.memberships import membership_rows, segment_needs
from journey.facts.stays import funnel_of, funnel_order, read_stays
from journey.models import History, JourneyVersion, Stage
from journey.selectors.memory import Memory
from journey.selectors.memory import forget as forget_present
from journey.selectors.versions import shown_version, version_rules
from scoring.facts.activities import Owner
from scoring.facts.store import FactStore
from segmentation.engine.facts import Facts, Periods
from segmentation.engine.memberships import SEGMENTS, SegmentRules, closure
from segmentation.engine.steps import Int64s
from segmentation.facts.accounts import Changes, read_changes
from segmentation.facts.arrays import Positions
from segmentation.facts.segments import MembershipRows
from segmentation.facts.target_lists import read_memberships
from segmentation.models import SegmentVersion
from segmentation.models.choices import MEMBER_STATES
from segmentation.selectors.segments import usable_rules, versions_in_force
from segmentation.services.snapshots import one_snapshot

KEPT = 4  # histories in the memory of a process


@dataclass
class HistoryData:
    """One history in memory."""

    version: JourneyVersion
    stages: list[Stage]
    funnel: Funnel
    table: StayTable
    history: History | None
    known_at: dt.datetime | None = None
    _memory: Memory = field(init=False)
    _members: MembershipRows | None = None

    def __post_init__(self) -> None:
        known_at = self.known_at
        # What was known at a moment does not change, but for deletions.
        self._memory = Memory() if known_at is None else Memory(lambda: facts_known_at(known_at), is_fixed=True)

    @property
    def unit(self) -> str:
        return self.version.journey.unit

    def dimension(self, dimension: Dimension) -> Coded:
        """The values of a dimension for the entities of the table."""
        with self._memory.lock:
            changes: Changes = self._memory.read("changes", lambda c: read_changes(c, self.table.owners, some=False))
            members = None
            if dimension.reads_segments and self.known_at is not None:
                members = self._known_members(self.known_at)
            found: Coded = self._memory.read(
                ("dimension", dimension.key),
                lambda c: coded(dimension, Source(c, self.table, changes, members)),
                self._memory.snapshot("changes"),  # what changed after that is not in it, however late it was read
            )
            return found

    def _known_members(self, moment: dt.datetime) -> MembershipRows:
        if self._members is None:  # worked out in transactions of its own, so not within the memory's
            self._members = known_members(usable_rules(versions_in_force())[0], moment)
        return self._members

    def deals(self) -> DealValues:
        """All deals with their changes."""
        found: DealValues = self._memory.read("deals", read_deal_values)
        return found

    def memberships(self) -> tuple[Periods, dict[tuple[str, str], int], Int64s]:
        """Membership periods of all lists by account, the number of each (list, state), and each entity's account."""

        def read(connection: Any) -> Any:
            accounts = np.unique(self.table.accounts[self.table.accounts >= 0])
            periods, pairs = read_memberships(connection, accounts, some=False)
            numbers = {pair: number for number, pair in enumerate(pairs)}
            return periods, numbers, Positions(accounts).of(self.table.accounts)

        found: tuple[Periods, dict[tuple[str, str], int], Int64s] = self._memory.read("lists", read)
        return found

    def member_kinds(self, key: str) -> Int64s:
        """The numbers of the states that make a target account of a list."""
        numbers = self.memberships()[1]
        return np.array([numbers[key, str(state)] for state in MEMBER_STATES if (key, str(state)) in numbers])


_cache: OrderedDict[Any, HistoryData] = OrderedDict()
_cache_lock = threading.Lock()
_loading: dict[Any, threading.Lock] = {}


def no_history(version: JourneyVersion | None, key: str) -> JourneyError:
    """The problem of a journey nobody can tell anything about yet."""
    return JourneyError(
        _("The journey “%(value)s” has no history yet.")
        if version is None
        else _("Version %(number)s of the journey “%(value)s” has no history yet."),
        code="no_history",
        field="journey",
        value=key,
        remedy=_("Publish a version of it and run manage.py replay."),
        params={"number": version.number if version else 0},
    )


def history_data(version: JourneyVersion, known_at: dt.datetime | None = None) -> HistoryData:
    """The history of a version in memory, as it is now or as it was known at a moment.

    Raises JourneyError when the version has no history yet (a history as known then is worked out in any case).
    """
    history = None
    if known_at is None:
        history = History.objects.filter(version=version, state=History.State.CURRENT).first()
        if history is None:
            raise no_history(version, version.journey.key)
        key: Any = (connection.settings_dict["NAME"], history.pk, history.snapshot, history.started_at)
    else:
        key = (connection.settings_dict["NAME"], version.pk, version.published_at, known_at, _rules_of_segments())
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
        loading = _loading.setdefault(key, threading.Lock())
    with loading:  # who asks meanwhile waits for the first instead of reading the same again
        with _cache_lock:
            if key in _cache:
                return _cache[key]
        try:
            made = _load(version, history, known_at)
            with _cache_lock:
                for other in [k for k in _cache if history is not None and k[:2] == key[:2]]:
                    del _cache[other]  # the same history, before it was refreshed
                _cache[key] = made
                while len(_cache) > KEPT:
                    _cache.popitem(last=False)
        finally:
            with _cache_lock:
                _loading.pop(key, None)  # only now: whoever comes next finds it in the cache
    return made


def forget() -> None:
    """Empty the memory; the next question reads again."""
    forget_present()
    with _cache_lock:
        _cache.clear()


def _load(version: JourneyVersion, history: History | None, known_at: dt.datetime | None) -> HistoryData:
    stages = funnel_order(list(Stage.objects.filter(version=version)))
    if known_at is None:
        with one_snapshot() as reading:
            table = read_stays(reading, history.pk, stages) if history else None
    else:
        rules = version_rules(version)
        with known_facts(Needs.of(rules), known_at, rules.unit) as (_connection, batches):
            table = known_stays(batches, rules, stages)
    assert table is not None  # noqa: S101 - a history is there unless known_at is
    data = HistoryData(version, stages, funnel_of(stages), table, history, known_at)
    if known_at is None:
        for dimension in dimensions(data.unit).values():
            if dimension.is_slow:
                data.dimension(dimension)
    return data


def _rules_of_segments() -> int:
    """Which state of the rules of segments is in force; what they make of facts known on a day changes with them."""
    return SegmentVersion.objects.aggregate(newest=Max("pk"))["newest"] or 0


# --- As it was known -----------------------------------------------------------------------------------------------


@contextmanager
def known_facts(
    needs: Needs, moment: dt.datetime, unit: str = "account", only: Int64s | None = None
) -> Iterator[tuple[Any, Iterator[Facts]]]:
    """The connection, and batches of the facts of a unit as they were known at a moment.

    Stays in other journeys and memberships of segments that are read are worked out too, from what was known by the
    rules in force. only: entities with these primary keys.
    """
    stays = _known_stays_in(needs.stages, moment)
    segments = usable_rules(versions_in_force())[0] if needs.segments else {}
    members = known_members(segments, moment, needs.segments)
    plain = replace(needs, tables=needs.tables - {STAGES, SEGMENTS}, stages=(), segments=()).with_start()
    owner: Owner = "contact" if unit == "contact" else "account"
    with facts_known_at(moment) as reading, tempfile.TemporaryDirectory(prefix="known-") as folder:
        batches = all_facts(reading, unit, plain, only, FactStore(Path(folder), owner))
        yield reading, (with_histories(facts, needs.stages, stays, members) for facts in batches)


def known_members(
    rules: Mapping[str, SegmentRules], moment: dt.datetime, keys: Iterable[str] | None = None
) -> MembershipRows:
    """Who was a member of the segments `keys` (None: of all) from when until when, by what was known at a moment."""
    wanted = set(rules if keys is None else keys)
    segments = closure(rules, wanted)
    if not segments:
        return membership_rows([], wanted, ())
    with known_facts(segment_needs(segments), moment) as (_connection, batches):
        return membership_rows(segments, wanted, batches)


def _known_stays_in(wanted: tuple[str, ...], moment: dt.datetime) -> Stays:
    """Stays in the stages `journey/stage`, numbered by their place, by what was known at a moment."""
    none = np.empty(0, dtype=np.int64)
    rows: list[Stays] = [(none, none, none, none)]
    for key in sorted({name.partition("/")[0] for name in wanted}):
        version = shown_version(key)
        if version is None:
            continue
        data = history_data(version, moment)
        for number, name in enumerate(wanted):
            stage = name.partition("/")[2]
            if name.startswith(f"{key}/") and stage in data.funnel.keys:
                mine = np.flatnonzero(data.table.stage == data.funnel.number(stage))
                owner = data.table.accounts[data.table.entity[mine]]
                rows.append((owner, data.table.start[mine], data.table.end[mine], np.full(len(mine), number)))
    account, start, end, number_of = (np.concatenate(column) for column in zip(*rows, strict=True))
    return account, start, end, number_of

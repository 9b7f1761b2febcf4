"""Histories in memory: the stays of a version, loaded once per process, and what figures over them read besides.

Stays are kept until the history is refreshed or replaced. Fields, lists and deals are read when first asked for and
again when facts were touched since; where facts arrive all the time, not more often than a twentieth of the time.
"""

import datetime as dt
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.table import Funnel, StayTable
from journey.errors import JourneyError
from journey.facts.deal_values import DealValues, read_deal_values
from journey.facts.dimensions import Coded, Dimension, Source, coded, dimensions
from journey.facts.known import known_at as facts_known_at
from journey.facts.known import known_stays
from journey.facts.stays import funnel_of, funnel_order, read_stays
from journey.models import History, JourneyVersion, Stage
from journey.selectors.memory import Memory
from journey.selectors.memory import forget as forget_present
from journey.selectors.versions import version_rules
from segmentation.engine.facts import Periods
from segmentation.engine.steps import Int64s
from segmentation.facts.accounts import Changes, read_changes
from segmentation.facts.arrays import Positions
from segmentation.facts.target_lists import read_memberships
from segmentation.models.choices import MEMBER_STATES
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
            found: Coded = self._memory.read(
                ("dimension", dimension.key),
                lambda c: coded(dimension, Source(c, self.table, changes)),
                self._memory.snapshot("changes"),  # what changed after that is not in it, however late it was read
            )
            return found

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
        key = (connection.settings_dict["NAME"], version.pk, version.published_at, known_at)
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
        finally:
            with _cache_lock:
                _loading.pop(key, None)
        with _cache_lock:
            for other in [k for k in _cache if history is not None and k[:2] == key[:2]]:
                del _cache[other]  # the same history, before it was refreshed
            _cache[key] = made
            while len(_cache) > KEPT:
                _cache.popitem(last=False)
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
        with facts_known_at(known_at) as reading:
            table = known_stays(reading, rules, stages)
    assert table is not None  # noqa: S101 - a history is there unless known_at is
    data = HistoryData(version, stages, funnel_of(stages), table, history, known_at)
    if known_at is None:
        for dimension in dimensions(data.unit).values():
            if dimension.is_slow:
                data.dimension(dimension)
    return data

"""What was read from the database and stays in the memory of a process until facts are touched.

Where facts arrive all the time they are read again, but not more often than a twentieth of the time.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from journey.facts.deal_values import DealValues, read_deal_values
from journey.facts.loading import Needs, part_of, standing_facts
from journey.models import History
from segmentation.engine.facts import Facts
from segmentation.engine.kinds.icp_fit import ASSESSMENTS
from segmentation.engine.steps import Int64s
from segmentation.facts.segments import assessed_version
from segmentation.models import SegmentHistory
from segmentation.selectors.touches import changed_since, current_snapshot
from segmentation.services.snapshots import one_snapshot

MOST_OF_THE_TIME = 0.05  # spent on reading again while facts arrive
KEPT = 4  # different selections of facts


@dataclass
class _Held:
    """Something read from the database, the snapshot it was read in, and what that took.

    is_settled: read by a transaction that had changed nothing itself, which might still be undone.
    """

    value: Any
    snapshot: str
    read_at: float
    seconds: float
    is_settled: bool


class Memory:
    """Values by key, each read when first asked for and again when facts were touched since.

    reading: a transaction of one snapshot to read in. is_fixed: what is read never changes. assessments: assessed fits
    are read as well. made_from: what the user of the memory knows its contents by.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Any]] = one_snapshot,
        *,
        is_fixed: bool = False,
        assessments: bool = False,
    ) -> None:
        self._reading = reading
        self._is_fixed = is_fixed
        self._assessments = assessments
        self._held: dict[Any, _Held] = {}
        self.made_from: Any = None
        self.lock = threading.RLock()

    def read(self, key: Any, read: Callable[[Any], Any], snapshot: str | None = None) -> Any:
        """What is held under a key; `read` gets a connection. snapshot: an older one that it rests on as well."""
        with self.lock:
            held = self._held.get(key)
            if held is not None and self._is_good(held):
                return held.value
            begin = time.monotonic()
            is_settled = not _has_written()  # before: what is known at a moment is read through temporary views
            with self._reading() as reading:
                seen = current_snapshot(reading)
                value = read(reading)
            self._held[key] = _Held(value, snapshot or seen, time.monotonic(), time.monotonic() - begin, is_settled)
            return value

    def clear(self) -> None:
        """Forget everything."""
        with self.lock:
            self._held.clear()

    def snapshot(self, key: Any) -> str:
        """The snapshot of what is held under a key."""
        return self._held[key].snapshot

    def _is_good(self, held: _Held) -> bool:
        if not held.is_settled:
            return False
        if self._is_fixed:
            return True
        if (time.monotonic() - held.read_at) * MOST_OF_THE_TIME < held.seconds:
            return True
        touched = changed_since(connection, held.snapshot, self._assessments)
        return not touched.everything and not len(touched)


def _has_written() -> bool:
    """Whether the present transaction, if there is one, has changed anything so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        return bool(cursor.fetchone()[0])


_memories: OrderedDict[Any, Memory] = OrderedDict()
_memories_lock = threading.Lock()


def _memory(key: Any, *, assessments: bool = False) -> Memory:
    """The memory of some selection of facts in the present database; the one asked for longest ago goes."""
    key = (connection.settings_dict["NAME"], key)
    with _memories_lock:
        found = _memories.setdefault(key, Memory(assessments=assessments))
        _memories.move_to_end(key)
        while len(_memories) > KEPT:
            _memories.popitem(last=False)
        return found


def present_deals() -> DealValues:
    """All deals with their changes, as they are known now."""
    found: DealValues = _memory("deals").read("deals", read_deal_values)
    return found


def present_facts(needs: Needs, only: Int64s | None = None) -> Facts:
    """What criteria that read no activities read of all accounts, or of those with the given primary keys.

    Histories of journeys and segments are read again when they are replaced or brought up to date.
    """
    memory = _memory(needs, assessments=ASSESSMENTS in needs.tables)
    with memory.lock:
        made_from = _made_from(needs)
        if memory.made_from != made_from:
            memory.clear()
        facts: Facts = memory.read("facts", lambda reading: standing_facts(reading, needs))
        memory.made_from = made_from  # looked up before it was read: a newer one is noticed the next time
    return facts if only is None else part_of(facts, np.isin(facts.ids, only))


def _made_from(needs: Needs) -> Any:
    """What says that the derived facts among them are still those that are in force."""
    journeys = {name.partition("/")[0] for name in needs.stages}
    stays = History.objects.filter(state=History.State.CURRENT, version__journey__key__in=journeys)
    members = SegmentHistory.objects.filter(state=SegmentHistory.State.CURRENT, segment__key__in=needs.segments)
    return (
        list(stays.order_by("pk").values_list("pk", "version__state", "snapshot", "started_at")) if journeys else [],
        list(members.order_by("pk").values_list("pk", "build", "snapshot", "refreshed_at")) if needs.segments else [],
        [assessed_version(profile) for profile in needs.profiles],
    )


def forget() -> None:
    """Empty the memory; the next question reads again."""
    with _memories_lock:
        _memories.clear()

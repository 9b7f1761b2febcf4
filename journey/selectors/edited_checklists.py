"""Evaluating a checklist while it is edited: what did not change since the last time is not evaluated again.

Kept in this process, for as long as the facts are the same and for a minute at most, since time passes for rules too.
"""

import datetime as dt
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count, Max
from numpy.typing import NDArray

from journey.models import History
from journey.selectors.checklists import Checklist, Evaluation, checklist_of, evaluate_checklists
from segmentation.engine.fit import fit
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.models import Account, FactTouch, IcpAnswer, IcpItem

MOST_COLUMNS = 100  # 200 kB each with 100,000 accounts
SECONDS = 60


@dataclass
class _Kept:
    """Points of items, all from one state of the facts: int16[accounts] each, the one used last at the end."""

    mark: Any
    ids: Int64s | None = None
    columns: OrderedDict[str, NDArray[np.int16]] = field(default_factory=OrderedDict)


_lock = Lock()
_kept = _Kept(None)


def evaluate_edited(checklist: Checklist, at: dt.datetime) -> Evaluation:
    """The fit of all accounts to a checklist now. `due` of the evaluation says nothing. Raises RuleError."""
    keys = [_key(checklist, item) for item in checklist.items]
    mark = _mark(at)
    with _lock:
        known = dict(_kept.columns) if _kept.mark == mark else {}
        ids = _kept.ids if _kept.mark == mark else None
    missing = [item for key, item in zip(keys, checklist.items, strict=True) if key not in known]
    if missing or ids is None:
        [found] = evaluate_checklists([checklist_of(checklist.version, missing)], at)
        if ids is not None and not np.array_equal(ids, found.ids):  # accounts came or went meanwhile
            known = {}
            [found] = evaluate_checklists([checklist], at)
        ids = found.ids
        known |= {_key(checklist, item): row for item, row in zip(found.checklist.items, found.points, strict=True)}
    _keep(mark, ids, {key: known[key] for key in keys})
    points = np.array([known[key] for key in keys], dtype=np.int16).reshape(len(keys), len(ids))
    due = np.full(len(ids), FAR_FUTURE, dtype=np.int64)
    return Evaluation(checklist, ids, points, due, fit(checklist.fit_items, points))


def _keep(mark: Any, ids: Int64s, columns: dict[str, NDArray[np.int16]]) -> None:
    global _kept
    with _lock:
        if _kept.mark != mark or not np.array_equal(_kept.ids, ids):  # type: ignore[arg-type]
            _kept = _Kept(mark, ids)
        for key, column in columns.items():
            _kept.columns[key] = column
            _kept.columns.move_to_end(key)
        while len(_kept.columns) > MOST_COLUMNS:
            _kept.columns.popitem(last=False)


def _key(checklist: Checklist, item: IcpItem) -> str:
    """What the points of an item depend on, beside the facts."""
    if item.kind == IcpItem.Kind.RULE:
        return json.dumps(item.rule, sort_keys=True)
    return f"{checklist.version.profile_id}/{item.kind}/{item.key}"


def _mark(at: dt.datetime) -> Any:
    """The state of the facts, in a few quick questions: what changed facts is noted in the change feed."""
    return (
        connection.settings_dict["NAME"],
        int(at.timestamp() // SECONDS),
        FactTouch.objects.aggregate(last=Max("id"))["last"],
        IcpAnswer.objects.aggregate(last=Max("id"))["last"],
        tuple(Account.objects.aggregate(Count("id"), Max("id")).values()),
        tuple(History.objects.filter(state=History.State.CURRENT).order_by("pk").values_list("pk", "refreshed_at")),
    )

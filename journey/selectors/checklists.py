"""Evaluating checklists: rules by the engine, the rest by what people answered, for all accounts or for some."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from journey.facts.loading import Needs, read_entities, rule_facts
from journey.selectors.explanations import instant_of
from segmentation.engine.criteria import Criterion
from segmentation.engine.errors import RuleError
from segmentation.engine.facts import Facts
from segmentation.engine.fit import MOST, NO_ANSWER, SCALE, FitItem, Fits, fit, scale_points
from segmentation.engine.resolve import Program, compile_rules, snapshot
from segmentation.engine.rules import Rule, parse_rule
from segmentation.engine.steps import FAR_FUTURE, NO, YES, Int64s, Steps
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.models import IcpItem, IcpVersion
from segmentation.services.snapshots import one_snapshot

# Points by a rule's verdict: no, yes, unknown, out of scope.
_POINTS_OF_VERDICT = np.full(4, NO_ANSWER, dtype=np.int16)
_POINTS_OF_VERDICT[[NO, YES]] = 0, MOST
# Points by a stored answer, of a yes or no and of a scale.
_POINTS_OF_YES_NO = np.array([0, MOST], dtype=np.int16)
_POINTS_OF_SCALE = np.array(
    [NO_ANSWER, *(scale_points(value) for value in range(SCALE[0], SCALE[1] + 1))], dtype=np.int16
)


@dataclass(frozen=True)
class Checklist:
    """The items of a version, ready to be evaluated. `rules` are those of the items numbered in `rule_rows`."""

    version: IcpVersion
    items: tuple[IcpItem, ...]
    fit_items: tuple[FitItem, ...]
    rules: tuple[Rule, ...]
    rule_rows: tuple[int, ...]
    program: Program

    def reads(self) -> list[str]:
        """Names of what else the rules read (`journey:standard`)."""
        return sorted({name for criterion in self.program.criteria for name in criterion.depends_on()})


@dataclass(frozen=True)
class Evaluation:
    """The fit of accounts to one checklist.

    ids: int64[n]; points: int16[items, n]; due: int64[n], when a rule may begin or cease to hold by itself, in
    microseconds UTC, FAR_FUTURE for never.
    """

    checklist: Checklist
    ids: Int64s
    points: NDArray[np.int16]
    due: Int64s
    fits: Fits


def read_checklist(version: IcpVersion) -> Checklist:
    """The items of a version. Raises RuleError, with the item's key in its field, for a rule that cannot be used."""
    return checklist_of(version, version.items.order_by("order", "id"))


def checklist_of(version: IcpVersion, items: Iterable[IcpItem]) -> Checklist:
    """A checklist of items, stored or not. Raises RuleError as `read_checklist`."""
    items = tuple(items)
    rules: list[Rule] = []
    rows: list[int] = []
    for i, item in enumerate(items):
        if item.kind == IcpItem.Kind.RULE:
            try:
                rules.append(parse_rule(item.rule or {}))
            except RuleError as error:
                raise error.within(f"items.{item.key}.rule") from None
            rows.append(i)
    return Checklist(
        version=version,
        items=items,
        fit_items=tuple(FitItem(item.weight, item.knock_out, _unknown(item)) for item in items),
        rules=tuple(rules),
        rule_rows=tuple(rows),
        program=compile_rules(rules),
    )


def _unknown(item: IcpItem) -> Any:
    return IcpItem.Unknown(item.unknown).value


def evaluate_fit(
    versions: Sequence[IcpVersion], at: dt.datetime, account_ids: Sequence[int] | None = None
) -> list[Evaluation]:
    """The fit of all accounts, or of some, to each of several versions; see `evaluate_checklists`."""
    return evaluate_checklists([read_checklist(version) for version in versions], at, account_ids)


def evaluate_checklists(
    checklists: Sequence[Checklist],
    at: dt.datetime,
    account_ids: Sequence[int] | None = None,
    *,
    answers_until: dt.datetime | None = None,
    look: Callable[[Facts, Mapping[Criterion, Steps]], None] | None = None,
) -> list[Evaluation]:
    """The fit of all accounts, or of some, to each of several checklists, from one state of the database.

    at: rules are read at this instant. answers_until: leave out what people answered later; all answers by default.
    look: is shown the facts of the rules, batch by batch, with the steps of every criterion.
    Stores nothing. Raises RuleError for a rule that cannot be used.
    """
    only = None if account_ids is None else np.array(sorted(set(account_ids)), dtype=np.int64)
    instant = instant_of(at)
    with one_snapshot() as connection:
        ids = np.sort(read_entities(connection, "account", only).ids)
        positions = Positions(ids)
        points = [np.full((len(c.items), len(ids)), NO_ANSWER, dtype=np.int16) for c in checklists]
        due = [np.full(len(ids), FAR_FUTURE, dtype=np.int64) for _checklist in checklists]
        for checklist, out in zip(checklists, points, strict=True):
            _read_answers(connection, checklist, only, positions, out, answers_until)
        rules = [rule for checklist in checklists for rule in checklist.rules]
        for facts in rule_facts(connection, Needs.of_rules(rules), only) if rules else ():
            columns = positions.of(facts.ids)
            known: dict[Any, Steps] = {}
            for checklist, out, until in zip(checklists, points, due, strict=True):
                criteria = checklist.program.criteria
                known |= {criterion: criterion.steps(facts) for criterion in criteria if criterion not in known}
                if checklist.rules:
                    verdicts = snapshot(checklist.program, facts, instant, known).rules
                    rows = np.array(checklist.rule_rows, dtype=np.int64)
                    out[np.ix_(rows, columns)] = _POINTS_OF_VERDICT[verdicts]
                for criterion in criteria:
                    until[columns] = np.minimum(until[columns], next_changes(known[criterion], instant))
            if look:
                look(facts, known)
    return [
        Evaluation(checklist, ids, out, until, fit(checklist.fit_items, out))
        for checklist, out, until in zip(checklists, points, due, strict=True)
    ]


def next_changes(steps: Steps, instant: int) -> Int64s:
    """When the value of each entity changes next after an instant, FAR_FUTURE where it never does."""
    found = np.full(len(steps), FAR_FUTURE, dtype=np.int64)
    later = np.flatnonzero(steps.time > instant)
    if len(later):
        entity = np.searchsorted(steps.offsets, later, side="right") - 1
        first = np.flatnonzero(np.r_[True, entity[1:] != entity[:-1]])
        found[entity[first]] = steps.time[later[first]]
    return found


def _read_answers(
    connection: Any,
    checklist: Checklist,
    only: Int64s | None,
    positions: Positions,
    points: NDArray[np.int16],
    until: dt.datetime | None,
) -> None:
    """Put the last answer of each account to each item into its place in `points`."""
    asked = [i for i, item in enumerate(checklist.items) if item.kind != IcpItem.Kind.RULE]
    if not asked:
        return
    where = "" if only is None else " AND a.account_id = ANY (%s)"
    where += "" if until is None else " AND a.answered_at <= %s"
    rows = read_rows(
        connection,
        "SELECT a.account_id, i.number, coalesce(a.value, -1), a.answered_at, a.id FROM segmentation_icpanswer a"
        " JOIN unnest(%s::text[], %s::text[], %s::bigint[]) i (key, kind, number)"
        f" ON i.key = a.item_key AND i.kind = a.kind WHERE a.profile_id = %s{where}",
        {"account": "i8", "item": "i8", "value": "i4", "time": "time", "id": "i8"},
        [
            [checklist.items[i].key for i in asked],
            [str(checklist.items[i].kind) for i in asked],
            asked,
            checklist.version.profile_id,
            *([] if only is None else [only.tolist()]),
            *([] if until is None else [until]),
        ],
    )
    if not len(rows):
        return
    # Of assignments to one place the last one stays.
    rows = rows[np.lexsort([rows["id"], rows["time"]])]
    column, row, value = positions.of(rows["account"]), rows["item"], rows["value"]
    is_scale = np.array([item.kind == IcpItem.Kind.SCALE for item in checklist.items])[row]
    given = np.where(is_scale, _POINTS_OF_SCALE[np.clip(value, 0, SCALE[1])], _POINTS_OF_YES_NO[np.clip(value, 0, 1)])
    given[value < 0] = NO_ANSWER
    here = column >= 0
    points[row[here], column[here]] = given[here]


def reasons_of(checklist: Checklist, points: Any, knocked_out: Any) -> dict[str, Any]:
    """Why an account fits as it does: keys of items met, partly met (with their points), unmet, unknown, knocked out.

    points, knocked_out: one column of an evaluation.
    """
    keys = [item.key for item in checklist.items]
    given = [int(value) for value in points]
    return {
        "met": [key for key, value in zip(keys, given, strict=True) if value == MOST],
        "partly": {key: value for key, value in zip(keys, given, strict=True) if 0 < value < MOST},
        "unmet": [key for key, value in zip(keys, given, strict=True) if value == 0],
        "unknown": [key for key, value in zip(keys, given, strict=True) if value == NO_ANSWER],
        "knocked_out": [key for key, out in zip(keys, knocked_out, strict=True) if out],
    }

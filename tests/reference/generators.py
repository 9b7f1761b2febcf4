"""Random histories and random journeys in which coincidences are the rule.

Days come from a short list and windows, holds and minimum stays are differences of such days, so that what leaves a
window meets what enters it; now and then a fact is moved by a microsecond or some seconds.
"""

import itertools
import random
from collections.abc import Sequence
from typing import Any

from segmentation.engine.kinds.target_list import STATES as LIST_STATES
from tests.reference.histories import (
    BASE,
    CRM_STAGES,
    DAY,
    DEPARTMENTS,
    FLAG_KEYS,
    KEYWORDS,
    LIST_KEYS,
    OTHER_STAGES,
    OUTCOMES,
    PROFILE_KEYS,
    ROLES,
    SECOND,
    SEGMENT_KEYS,
    SENIORITIES,
    TOPICS,
    TYPES,
    Activity,
    DealChange,
    FieldHistory,
    History,
    Period,
    Signal,
)

DAYS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 31, 90)
SPANS = (1, 1, 2, 2, 3, 4, 5, 7, 10, 30)
SECONDS = (0, 1, 29, 30, 31, 59, 60, 61, 90, 120, 245, 246, 247, 300, 600)
MINUTES = (0, 0.5, 1, 1, 1.5, 2, 2, 3, 4.1, 5, 10)
FIELD_VALUES: dict[str, tuple[Any, ...]] = {
    "tier": (1, 2, 3, 2.5, None),
    "region": ("north", "North", "south", "", None),
    "reference": (True, False, None),
    "products": (("crm",), ("CRM", "mail"), ("mail",), (), None),
}
FITS = ((85.5, "A"), (70.5, "B"), (60.0, "B"), (50.0, "C"), (12.0, "D"), (65.0, ""), (None, ""), None)


class Dice:
    """Random facts and rules from one seed."""

    def __init__(self, seed: int | str) -> None:
        self.rng = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def one(self, items: Sequence[Any]) -> Any:
        return items[self.rng.randrange(len(items))]

    def some(self, items: Sequence[Any], least: int = 0, most: int = 2) -> list[Any]:
        return self.rng.sample(list(items), min(len(items), self.rng.randint(least, most)))

    # --- Histories -------------------------------------------------------------------------------------------------

    def time(self) -> int:
        t = BASE + self.one(DAYS) * DAY
        if self.chance(0.12):
            t += self.one((-1, 1))
        elif self.chance(0.08):
            t += self.rng.randrange(0, 86_400) * SECOND + self.one((0, 0, 1, 500_000, 999_999))
        return t

    def histories(self, number: int) -> list[History]:
        made: list[History] = []
        for _ in range(number):
            made.append(self.history(made[-1] if made and self.chance(0.1) else None))
        return made

    def history(self, sibling: History | None = None) -> History:
        """One history; a sibling (another deal of its account) shares the sibling's activities."""
        activities = sibling.activities if sibling else self._activities()
        changes = self._deal_changes()
        fields = {name: self._field_history(values) for name, values in FIELD_VALUES.items() if self.chance(0.7)}
        flags = self._flag_periods()
        lists = self._memberships()
        customer = self._customer_periods(changes)
        stages = self._stage_periods()
        segments = self._segment_periods()
        signals = self._signals()
        times = [
            *(a.time for a in activities),
            *(c.time for c in changes),
            *(s.time for s in signals),
            *(p.start for p in (*flags, *lists, *customer, *stages, *segments)),
        ]
        first = min([*times, self.time()])
        # A deal's own history begins later than the facts of its account.
        start = self.time() if self.chance(0.1) else first
        return History(
            start=start,
            activities=activities,
            deals=changes,
            fields=fields,
            flags=flags,
            lists=lists,
            customer=customer,
            stages=stages,
            segments=segments,
            signals=signals,
            fits={key: self._field_history(FITS) for key in PROFILE_KEYS if self.chance(0.7)},
        )

    def _activities(self) -> tuple[Activity, ...]:
        if self.chance(0.05):
            return ()
        few = [self.time() for _ in range(self.rng.randint(1, 6))]
        people = {
            number: (self.one(("", *SENIORITIES)), self.one(("", *DEPARTMENTS)), self.one(("", *ROLES)))
            for number in range(4)
        }
        made = []
        for _ in range(self.rng.randint(1, 10)):
            contact = self.one((None, 0, 1, 2, 3, 1))
            seniority, department, role = people[contact] if contact is not None else ("", "", "")
            if contact is not None and self.chance(0.15):  # changed jobs meanwhile
                seniority, role = self.one(("", *SENIORITIES)), self.one(("", *ROLES))
            made.append(
                Activity(
                    time=self.one(few) if self.chance(0.75) else self.time(),
                    seconds=self.one(SECONDS),
                    contact=contact,
                    type=self.one(list(TYPES)),
                    outcome=self.one(("", *OUTCOMES)),
                    seniority=seniority,
                    department=department,
                    role=role,
                )
            )
        return tuple(made)

    def _signals(self) -> tuple[Signal, ...]:
        few = [self.time() for _ in range(self.rng.randint(1, 4))]
        return tuple(
            Signal(
                time=self.one(few) if self.chance(0.6) else self.time(),
                topic=self.one(list(TOPICS)),
                keyword=self.one(KEYWORDS),
                amount=self.one((1, 1, 1, 2, 3, 9)),
                strength=self.one((None, 0, 59, 60, 100)),
                own=self.chance(0.3),
            )
            for _ in range(self.one((0, 0, 2, 4, 8, 14)))
        )

    def _deal_changes(self) -> tuple[DealChange, ...]:
        if self.chance(0.15):
            return ()
        made = []
        few = [self.time() for _ in range(self.rng.randint(1, 5))]
        deals = self.rng.randint(1, 3)
        for seq in range(self.rng.randint(1, 8)):
            stage = None if self.chance(0.12) else self.one((*CRM_STAGES, "Negotiation", "Closed lost", "Closed won"))
            time = self.one(few) if self.chance(0.8) else self.time()
            made.append(DealChange(time=time, deal=self.rng.randint(1, deals), stage=stage, seq=seq))
        return tuple(made)

    def _field_history(self, values: Sequence[Any]) -> FieldHistory:
        times = sorted(self.time() for _ in range(self.one((0, 0, 1, 2, 3))))
        return FieldHistory(initial=self.one(values), changes=tuple((t, self.one(values)) for t in times))

    def _flag_periods(self) -> tuple[Period, ...]:
        made = []
        for key in FLAG_KEYS:
            times = sorted({self.time() for _ in range(self.one((0, 0, 1, 2, 3, 4)))})
            # Ends where the next begins at times: touching periods are one.
            for start, end in zip(times[::1] if self.chance(0.3) else times[::2], times[1:] or [None], strict=False):
                if end is None or start < end:
                    made.append(Period(key=key, start=start, end=end))
            if times and self.chance(0.3):
                made.append(Period(key=key, start=times[-1], end=None))
        return tuple(made)

    def _memberships(self) -> tuple[Period, ...]:
        """On each list one state after the other, with gaps at times."""
        made = []
        for key in LIST_KEYS:
            times = sorted({self.time() for _ in range(self.one((0, 0, 1, 2, 4, 6)))})
            for start, end in zip(times, [*times[1:], None], strict=False):
                if self.chance(0.85):
                    made.append(Period(key=(key, self.one(list(LIST_STATES))), start=start, end=end))
        return tuple(made)

    def _segment_periods(self) -> tuple[Period, ...]:
        """In each segment, or not known, one after the other, with gaps at times."""
        made = []
        for key in SEGMENT_KEYS:
            times = sorted({self.time() for _ in range(self.one((0, 0, 1, 2, 4)))})
            sure = self.chance(0.5)
            for start, end in zip(times, [*times[1:], None], strict=False):
                if self.chance(0.8):
                    made.append(Period(key=(key, sure), start=start, end=end))
                    sure = not sure
                else:
                    sure = self.chance(0.5)
        return tuple(made)

    def _customer_periods(self, changes: Sequence[DealChange]) -> tuple[Period, ...]:
        made = []
        for _ in range(self.one((0, 0, 0, 1, 1, 2))):
            won = [c.time for c in changes if c.stage == "Closed won"]
            start = self.one(won) if won and self.chance(0.7) else self.time()
            end = None if self.chance(0.2) else start + self.one(SPANS) * DAY
            made.append(Period(key="customer", start=start, end=end))
        return tuple(made)

    def _stage_periods(self) -> tuple[Period, ...]:
        times = sorted({self.time() for _ in range(self.one((0, 0, 2, 3, 4)))})
        made = [
            Period(key=self.one(OTHER_STAGES), start=a, end=b) for a, b in itertools.pairwise(times) if self.chance(0.8)
        ]
        if times and self.chance(0.5):
            made.append(Period(key=self.one(OTHER_STAGES), start=times[-1]))
        return tuple(made)

    # --- Journeys --------------------------------------------------------------------------------------------------

    def journey(self) -> dict[str, Any]:
        """The document of a journey of 2 to 9 stages."""
        # A small pool, so that one criterion serves several rules.
        pool = [self.criterion() for _ in range(self.rng.randint(2, 9))]
        number = self.rng.randint(2, 9)
        stages: list[dict[str, Any]] = []
        for index, precedence in enumerate(sorted(self.rng.sample(range(-5, 100), number))):
            stage: dict[str, Any] = {"key": f"s{index}", "precedence": precedence}
            if self.chance(0.6):
                stage["position"] = index
            if self.chance(0.3):
                stage["min_stay_days"] = self.one(SPANS)
            if index:
                stage["enter"] = [self.rule(pool) for _ in range(self.one((1, 1, 1, 2, 3)))]
                if self.chance(0.3):
                    stage["stay"] = [self.rule(pool) for _ in range(self.one((1, 1, 2)))]
            stages.append(stage)
        self.rng.shuffle(stages)
        journey: dict[str, Any] = {"stages": stages}
        if self.chance(0.3):
            journey["seniority_weights"] = {
                s: self.one((0, 1, 50, 100, 125, 150, 200)) for s in self.some(SENIORITIES, 1, 5)
            }
        return journey

    def rule(self, pool: Sequence[dict[str, Any]]) -> dict[str, Any]:
        number = self.one((1, 1, 2, 2, 3, 4))
        rule: dict[str, Any] = {
            "criteria": [{**self.one(pool), **({"negate": True} if self.chance(0.2) else {})} for _ in range(number)]
        }
        if self.chance(0.7):
            rule["at_least"] = self.one((1, self.rng.randint(1, number)))
        if self.chance(0.25):
            rule["scope"] = [
                {"kind": "field", "params": self._field(), **({"negate": True} if self.chance(0.2) else {})}
                for _ in range(self.one((1, 1, 2)))
            ]
        return rule

    def criterion(self, kind: str | None = None) -> dict[str, Any]:
        """The document of a criterion of a random kind."""
        kind = kind or self.one(list(_PARAMS))
        params = _PARAMS[kind](self)
        return {"kind": kind, "params": {name: value for name, value in params.items() if value is not _LEFT_OUT}}

    def _span(self, default: float = 0.1, ever: float = 0.15) -> Any:
        """Days of a window: a few, the default, or ever."""
        return _LEFT_OUT if self.chance(default) else None if self.chance(ever) else self.one(SPANS)

    def _limits(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.chance(0.25):
            made["sides"] = self.some(("marketing", "sales", "product"), 1, 2)
        if self.chance(0.2):
            made["types"] = self.some(list(TYPES), 1, 4)
        if self.chance(0.1):
            made["categories"] = self.some(sorted({t.category for t in TYPES.values()}), 1, 3)
        if self.chance(0.2):
            made["min_seniority"] = self.one(SENIORITIES)
        if self.chance(0.15):
            made["departments"] = self.some(DEPARTMENTS, 1, 2)
        if self.chance(0.15):
            made["buying_roles"] = self.some(ROLES, 1, 2)
        return made

    def _topic_limits(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.chance(0.25):
            made["topics"] = self.some(list(TOPICS), 1, 2)
        if self.chance(0.15):
            made["topic_kinds"] = [self.one(("category", "competitor"))]
        if self.chance(0.15):
            made["keywords"] = self.some(("cloud erp", "price"), 1, 2)
        if self.chance(0.15):
            made["origin"] = self.one(("own", "other"))
        if self.chance(0.15):
            made["min_strength"] = self.one((0, 60))
        return made

    def _intent(self) -> dict[str, Any]:
        return {"times": self.one((1, 1, 2, 3, 5)), "window_days": self._span(), **self._topic_limits()}

    def _intent_surge(self) -> dict[str, Any]:
        return {
            "recent_days": self.one((*SPANS, _LEFT_OUT)),
            "baseline_days": self.one((*SPANS, _LEFT_OUT)),
            "least": self.one((2, 2, 3, 5, _LEFT_OUT)),
            "ratio": self.one((1, 1, 1.5, 3, _LEFT_OUT)),
            "chance_percent": self.one((20, 20, 12.5, 5, _LEFT_OUT)),
            **self._topic_limits(),
        }

    def _outcomes(self, least: int) -> Any:
        return _LEFT_OUT if self.chance(0.5) else self.some(OUTCOMES, least, 2)

    def _engaged_minutes(self) -> dict[str, Any]:
        return {
            "comparator": self.one((">", ">=", _LEFT_OUT)),
            "minutes": self.one(MINUTES),
            "window_days": self._span(),
            **self._limits(),
        }

    def _engaged_people(self) -> dict[str, Any]:
        comparator = self.one((">", ">=", _LEFT_OUT))
        return {
            "people": self.one((1, 1, 2, 2, 3)),
            "count": self.one(("person", "persona", _LEFT_OUT)),
            "comparator": comparator,
            "minutes": self.one([m for m in MINUTES if m or comparator != ">="]),
            "window_days": self._span(),
            **self._limits(),
        }

    def _activity_count(self) -> dict[str, Any]:
        return {
            "times": self.one((1, 1, 2, 3, 4)),
            "window_days": self._span(),
            "outcomes": self._outcomes(0),
            **self._limits(),
        }

    def _meeting_held(self) -> dict[str, Any]:
        return {
            "times": self.one((1, 1, 2, _LEFT_OUT)),
            "window_days": self._span(),
            "outcomes": self._outcomes(1),
            **({"types": self.some(list(TYPES), 1, 3)} if self.chance(0.2) else {}),
        }

    def _engagement_score(self) -> dict[str, Any]:
        return {
            "comparator": self.one((">", ">=", _LEFT_OUT)),
            "score": self.one((0.01, 0.5, 1, 2, 4.1, 5)),
            "half_life_days": self.one((0.01, 0.5, 1, 1, 3, 7, _LEFT_OUT)),
            **self._limits(),
        }

    def _field(self) -> dict[str, Any]:
        name = self.one(list(FIELD_VALUES))
        known = [v for v in FIELD_VALUES[name] if v is not None and v not in ("", ())]
        if self.chance(0.1):
            return {"field": name, "operator": "known"}
        if name == "tier":
            operator = self.one(("is", "above", "at_least", "below", "at_most", "in"))
            return {"field": name, "operator": operator, "value": [1, 2] if operator == "in" else self.one(known)}
        if name == "region":
            operator = self.one(("is", "in", "contains"))
            return {
                "field": name,
                "operator": operator,
                "value": {"in": ["NORTH", "west"], "contains": "OR"}.get(operator, "south"),
            }
        if name == "reference":
            return {"field": name, "value": self.one(known)}
        operator = self.one(("is", "in", "contains"))
        return {
            "field": name,
            "operator": operator,
            "value": ["Crm", "erp"] if operator == "in" else self.one(("crm", "MAIL")),
        }

    def _recycle(self) -> dict[str, Any]:
        lost_from = self.some(("identified", "active", "intent"), 0, 3)
        stalled = self.one((_LEFT_OUT, None, 1, 2, 5)) if lost_from else self.one((1, 2, 5))
        return {
            "lost_from": lost_from,
            "stalled_days": stalled,
            "hold_days": self.one((*SPANS, _LEFT_OUT)),
            "cooled_minutes": self.one((_LEFT_OUT, None, 0.5, 1, 2)),
            "cooled_days": self.one((*SPANS, _LEFT_OUT)),
        }

    def _open(self) -> dict[str, Any]:
        if self.chance(0.3):
            return {"crm_stages": self.some(list(CRM_STAGES), 1, 3)}
        return {"groups": self.some(("identified", "active", "intent"), 0, 2)}


_LEFT_OUT = object()

_PARAMS = {
    "engaged_minutes": Dice._engaged_minutes,
    "engaged_people": Dice._engaged_people,
    "activity_count": Dice._activity_count,
    "meeting_held": Dice._meeting_held,
    "engagement_score": Dice._engagement_score,
    "field": Dice._field,
    "flag": lambda dice: {"flag": dice.one(FLAG_KEYS)},
    "list": lambda dice: {
        "list": dice.one(LIST_KEYS),
        "states": dice.one((_LEFT_OUT, ("active",), ("proposed", "active"), tuple(LIST_STATES))),
    },
    "segment": lambda dice: {"segment": dice.one(SEGMENT_KEYS)},
    "icp_fit": lambda dice: {
        "profile": dice.one(PROFILE_KEYS),
        **dice.one(({"grades": ("A", "B")}, {"score": 60}, {"grades": ("B",), "score": 70.5}, {"grades": ("C", "D")})),
    },
    "intent": Dice._intent,
    "intent_surge": Dice._intent_surge,
    "stage": lambda dice: {"journey": "other", "stage": dice.one(("aware", "mqa"))},
    "opportunity_open": Dice._open,
    "opportunity_won": lambda dice: {"within_days": dice._span(0.2, 0.2)},
    "opportunity_lost": lambda dice: {"within_days": dice._span(0.2, 0.2)},
    "opportunity_stalled": lambda dice: {"days": dice.one((*SPANS, _LEFT_OUT))},
    "former_customer": lambda dice: {},
    "recycle": Dice._recycle,
}
KINDS = tuple(_PARAMS)

"""Priority of segments: the seven considerations of the handbook, what each is measured by, and the ranking."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from journey.engine.deals import LOST, WON
from journey.engine.metrics.survival import Floats
from journey.engine.metrics.table import Bools
from journey.facts.loading import fact_store
from journey.facts.stays import funnel_order
from journey.selectors.explanations import instant_of
from journey.selectors.intent import surges
from journey.selectors.memory import present_deals
from journey.selectors.money import Rates, converted, reporting_currency
from journey.selectors.overview import first_shown
from journey.selectors.segment_health import Members, members_now
from scoring.selectors.engagement import RECENT_DAYS, interest
from segmentation.engine.priority import LEAST_KNOWN, Priority, priority, ranks
from segmentation.engine.steps import Int64s
from segmentation.facts.arrays import Positions
from segmentation.facts.copying import read_rows
from segmentation.facts.segments import assessed_version
from segmentation.models import IcpProfile, PriorityAnswer, PriorityWeight, Segment
from segmentation.selectors.segments import campaign_segments, segment_paths
from segmentation.services.snapshots import one_snapshot

YEAR = dt.timedelta(days=365)
LEAST_WON = 3  # deals won, to say what one takes
LEAST_CLOSED = 5  # deals closed, to say how often they are won
LEAST_SHARE = 0.5  # of the members that must be known, for a mean to stand for them


@dataclass(frozen=True)
class Measured:
    """A figure of a segment. score: 0 to 100; figure and overall: of the segment and of all accounts; text: both in
    words. score is None where it is not known, and the text says why."""

    score: float | None
    figure: float | None
    overall: float | None
    text: str


def against(figure: float, overall: float) -> float:
    """The score of a figure beside that of all accounts: 50 is the same, 67 twice, 33 half as much."""
    return 100.0 * figure / (figure + overall)


class AccountFigures:
    """What considerations are measured by, as arrays over the accounts a user may see; read when first asked for."""

    def __init__(self, members: Members, at: dt.datetime, user: Any = None) -> None:
        self.accounts = members.accounts
        self.at = at
        self.user = user
        self._place = Positions(members.accounts)

    def _spread(self, accounts: Int64s, values: Any) -> Floats:
        """Sums by account."""
        place = self._place.of(accounts)
        here = place >= 0
        amounts = np.asarray(values, dtype=np.float64)[here]
        return np.bincount(place[here], weights=amounts, minlength=len(self.accounts)).astype(np.float64)

    @cached_property
    def _deals(self) -> Any:
        deals = present_deals()
        return deals, deals.at(instant_of(self.at))

    @cached_property
    def currency(self) -> str:
        """What amounts are in."""
        return reporting_currency(self._deals[0])

    @cached_property
    def worth(self) -> Floats:
        """The open pipeline and what was won within a year."""
        deals, now = self._deals
        recent = (now.state == WON) & (now.won >= instant_of(self.at - YEAR))
        amount = converted(deals, now.cents, np.full(len(deals.ids), instant_of(self.at)), Rates.stored(self.currency))
        counts = (now.is_open | recent) & ~np.isnan(amount)
        return self._spread(deals.accounts[counts], amount[counts])

    @cached_property
    def won_of_late(self) -> Floats:
        """Deals won within a year."""
        deals, now = self._deals
        recent = (now.state == WON) & (now.won >= instant_of(self.at - YEAR))
        return self._spread(deals.accounts[recent], recent[recent])

    @cached_property
    def closed(self) -> tuple[Floats, Floats]:
        """Deals opened within two years that were won, and that were won or lost."""
        deals, now = self._deals
        young = now.opened >= instant_of(self.at - 2 * YEAR)
        won, closed = young & (now.state == WON), young & ((now.state == WON) | (now.state == LOST))
        return self._spread(deals.accounts[won], won[won]), self._spread(deals.accounts[closed], closed[closed])

    @cached_property
    def interest(self) -> NDArray[np.float64]:
        """float64[3, n]: engaged seconds and hot activities of late, seconds of sales within a year."""
        with one_snapshot() as read:
            return interest(read, fact_store("account"), self.accounts, self.at).astype(np.float64)

    @cached_property
    def intent(self) -> Bools:
        """Which accounts surge now about any topic, or did something hot of late."""
        surging = sorted({row.account_id for rows in surges(self.at, self.user).values() for row in rows})
        keys = np.array(surging, dtype=np.int64)
        return (self._spread(keys, np.ones(len(keys))) > 0) | (self.interest[1] > 0)

    @cached_property
    def stage(self) -> Floats:
        """How far along the funnel each account is, 0 to 1; NaN outside and at its end: nothing is left to win."""
        far = np.full(len(self.accounts), np.nan)
        shown = first_shown()
        if shown is None or shown.history is None:
            return far
        funnel = [stage.pk for stage in funnel_order(list(shown.stages)) if stage.position is not None]
        step = {pk: i / (len(funnel) - 1) for i, pk in enumerate(funnel[:-1])}
        rows = read_rows(
            connection,
            "SELECT entity_id, array_position(%s::int8[], stage_id)::int4 FROM journey_stageinterval"
            " WHERE history_id = %s AND start_at <= %s AND (end_at > %s OR end_at IS NULL) AND stage_id = ANY (%s)",
            {"account": "i8", "number": "i4"},
            [list(step), shown.history.pk, self.at, self.at, list(step)],
        )
        place = self._place.of(rows["account"])
        far[place[place >= 0]] = np.array(list(step.values()))[rows["number"][place >= 0] - 1]
        return far

    @cached_property
    def fit(self) -> Floats:
        """The fit of each account to the ideal customer profile, 0 to 100; NaN where it has no grade."""
        fit = np.full(len(self.accounts), np.nan)
        rows = read_rows(
            connection,
            "SELECT account_id, (score * 100)::int4 FROM segmentation_icpassessment"
            " WHERE version_id = %s AND ended_at IS NULL AND grade <> '' AND score IS NOT NULL",
            {"account": "i8", "score": "i4"},
            [assessed_version(IcpProfile.DEFAULT) or -1],
        )
        place = self._place.of(rows["account"])
        fit[place[place >= 0]] = rows["score"][place >= 0] / 100
        return fit


# --- The considerations --------------------------------------------------------------------------------------------


def _number(value: float, digits: int = 0) -> str:
    return number_format(round(value, digits), digits, use_l10n=True, force_grouping=True)


def _beside(figure: float, overall: float, text: Any, shown: Callable[[float], str], score: float) -> Measured:
    words = {"here": shown(figure), "all": shown(overall)}
    return Measured(score, figure, overall, str(text) % words)


def _unknown(text: Any, **words: Any) -> Measured:
    return Measured(None, None, None, str(text) % words)


def _revenue(of: AccountFigures, inside: Bools) -> Measured:
    overall = float(of.worth.mean())
    if overall <= 0:
        return _unknown(_("No open opportunity and none won within a year has an amount."))
    figure = float(of.worth[inside].mean())
    text = _("%(here)s per account, open or won within a year (all: %(all)s)")
    return _beside(
        figure, overall, text, lambda value: f"{_number(value)} {of.currency}".strip(), against(figure, overall)
    )


def _resources(of: AccountFigures, inside: Bools) -> Measured:
    won = of.won_of_late
    if won[inside].sum() < LEAST_WON:
        return _unknown(_("Fewer than %(least)s opportunities were won within a year."), least=LEAST_WON)
    hours = of.interest[2] / 3600
    figure, overall = float(hours[inside].sum() / won[inside].sum()), float(hours.sum() / won.sum())
    if overall <= 0:
        return _unknown(_("No time of sales is recorded within a year."))
    text = _("%(here)s hours of sales for each opportunity won (all: %(all)s); fewer are better")
    return _beside(figure, overall, text, lambda value: _number(value, 1), against(overall, figure))


def _stage(of: AccountFigures, inside: Bools) -> Measured:
    here = of.stage[inside]
    if np.isnan(here).all():
        return _unknown(_("None of its accounts is in a stage of the funnel before its end."))
    figure, overall = 100 * float(np.nanmean(here)), 100 * float(np.nanmean(of.stage))
    return _beside(
        figure, overall, _("%(here)s %% of the way to customer on average (all: %(all)s %%)"), _number, figure
    )


def _fit(of: AccountFigures, inside: Bools) -> Measured:
    here = of.fit[inside]
    if np.isnan(here).mean() > LEAST_SHARE:
        return _unknown(_("Fewer than half of its accounts have a grade of the ideal customer profile."))
    figure, overall = float(np.nanmean(here)), float(np.nanmean(of.fit))
    return _beside(figure, overall, _("a fit of %(here)s of 100 on average (all: %(all)s)"), _number, figure)


def _engagement(of: AccountFigures, inside: Bools) -> Measured:
    minutes = of.interest[0] / 60
    overall = float(minutes.mean())
    if overall <= 0:
        return _unknown(_("No engagement is recorded within %(days)s days."), days=RECENT_DAYS)
    figure = float(minutes[inside].mean())
    text = _("%(here)s engaged minutes per account in 90 days (all: %(all)s)")
    return _beside(figure, overall, text, lambda value: _number(value, 1), against(figure, overall))


def _intent(of: AccountFigures, inside: Bools) -> Measured:
    overall = 100 * float(of.intent.mean())
    if overall <= 0:
        return _unknown(
            _("No account surges, and nobody asked for a demo, a trial or a price within %(days)s days."),
            days=RECENT_DAYS,
        )
    figure = 100 * float(of.intent[inside].mean())
    text = _("%(here)s %% surge now or asked for a demo, a trial or a price in 90 days (all: %(all)s %%)")
    return _beside(figure, overall, text, lambda value: _number(value, 1), against(figure, overall))


def _history(of: AccountFigures, inside: Bools) -> Measured:
    won, closed = of.closed
    if closed[inside].sum() < LEAST_CLOSED:
        return _unknown(_("Fewer than %(least)s opportunities of two years are closed."), least=LEAST_CLOSED)
    figure, overall = float(won[inside].sum() / closed[inside].sum()), float(won.sum() / closed.sum())
    if overall <= 0:
        return _unknown(_("No opportunity of two years was won."))
    text = _("%(here)s %% of closed opportunities were won, of two years (all: %(all)s %%)")
    return _beside(100 * figure, 100 * overall, text, _number, against(figure, overall))


@dataclass(frozen=True)
class Consideration:
    """One of the seven. weight: what it weighs until somebody says otherwise; measure: of the members of a segment."""

    key: str
    label: Any
    help: Any
    weight: int
    color: str
    measure: Callable[[AccountFigures, Bools], Measured]


CONSIDERATIONS: dict[str, Consideration] = {
    one.key: one
    for one in (
        Consideration(
            "revenue", _("Revenue potential"),
            _("Who may bring more, by a first purchase or by additional sales? Measured by amounts open or won."),
            20, "#6366f1", _revenue,
        ),
        Consideration(
            "resources", _("Resources needed"),
            _("Who can be won without great expense? Measured by the hours of sales for each opportunity won."),
            10, "#14b8a6", _resources,
        ),
        Consideration(
            "stage", _("Journey stage"),
            _("Who is far down the funnel closes sooner. Measured by the stages the accounts are in now."),
            15, "#f97316", _stage,
        ),
        Consideration(
            "fit", _("Firmographic fit"),
            _("Who is of the right kind, size and place? Measured by the fit to the ideal customer profile."),
            20, "#a855f7", _fit,
        ),
        Consideration(
            "engagement", _("Engagement"),
            _("Who deals with your brand converts more easily. Measured by engaged minutes."),
            15, "#0ea5e9", _engagement,
        ),
        Consideration(
            "intent", _("Intent"),
            _("Who looks for what you sell? Measured by surges, and by asking for a demo, a trial or a price."),
            15, "#e11d48", _intent,
        ),
        Consideration(
            "history", _("Sales and support history"),
            _("With whom is the relation good? Measured by the share of opportunities won; how support went you know."),
            5, "#84cc16", _history,
        ),
    )
}  # fmt: skip


def weights() -> dict[str, int]:
    """The weight of every consideration, as it was set or as it is usual."""
    stored = dict(PriorityWeight.objects.values_list("consideration", "weight"))
    return {key: stored.get(key, one.weight) for key, one in CONSIDERATIONS.items()}


# --- The ranking ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """One consideration of one segment. score: what counts, 0 to 100 or None; points: what it adds, None when unknown.
    answer: of a person, which goes before what was measured."""

    consideration: Consideration
    measured: Measured
    answer: PriorityAnswer | None
    score: float | None
    points: float | None

    @property
    def source(self) -> str:
        """answered, measured or unknown."""
        return "answered" if self.answer else "unknown" if self.score is None else "measured"


@dataclass(frozen=True)
class Ranked:
    """A segment in the ranking. rank: None where too little is known. why: the reasons for the place, in words."""

    segment: Segment
    path: str
    size: int
    rank: int | None
    priority: Priority
    judged: dict[str, Judged]
    why: list[str]


@dataclass(frozen=True)
class Ranking:
    """All segments by priority; those without a place come last."""

    at: dt.datetime
    weights: dict[str, int]
    rows: list[Ranked]

    def as_dict(self, *, reasons: bool = True) -> dict[str, Any]:
        """The form of the API and of `manage.py priority --json`. reasons: with what people wrote."""
        return {
            "at": self.at.isoformat(),
            "weights": self.weights,
            "least_coverage": LEAST_KNOWN,
            "segments": [_row_dict(row, reasons) for row in self.rows],
        }


def _row_dict(row: Ranked, reasons: bool) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "segment": row.segment.key,
        "name": row.path,
        "active": row.segment.active,
        "size": row.size,
        "points": row.priority.points,
        "coverage": row.priority.coverage,
        "lowest": row.priority.low,
        "highest": row.priority.high,
        "why": row.why,
        "considerations": [
            {
                "consideration": key,
                "source": one.source,
                "score": one.score,
                "points": one.points,
                "measured_score": one.measured.score,
                "figure": one.measured.figure,
                "of_all_accounts": one.measured.overall,
                "text": one.measured.text,
                "answer": one.answer.score if one.answer else None,
                "reason": one.answer.reason if one.answer and reasons else None,
            }
            for key, one in row.judged.items()
        ],
    }


def score_of(answer: int) -> float:
    """An answer from 1 to 5 as a score from 0 to 100."""
    return 25.0 * (answer - 1)


def segment_ranking(at: dt.datetime | None = None, user: Any = None) -> Ranking:
    """The segments campaigns address that have members worked out, ranked now by what is measured and judged.

    user: of a limited one figures are of own accounts only.
    """
    now = at or timezone.now()
    members, used = members_now(now, user), weights()
    figures = AccountFigures(members, now, user)
    answers: dict[str, dict[str, PriorityAnswer]] = {}
    for answer in PriorityAnswer.objects.select_related("segment", "answered_by"):
        answers.setdefault(answer.segment.key, {})[answer.consideration] = answer
    rows: list[tuple[Segment, str, int, Priority, dict[str, Judged]]] = []
    nodes = campaign_segments()
    paths = segment_paths(nodes)
    for node in nodes:
        if node.segment.key in members.keys:
            inside = members.of(node.segment.key)
            judged = _judged(figures, inside, answers.get(node.segment.key, {}))
            found = priority({key: score for key, (_m, _a, score) in judged.items()}, used)
            rows.append(
                (
                    node.segment,
                    paths[node.segment.key],
                    int(inside.sum()),
                    found,
                    {
                        key: Judged(CONSIDERATIONS[key], measured, answer, score, found.contributions[key])
                        for key, (measured, answer, score) in judged.items()
                    },
                )
            )
    places = ranks({segment.key: found for segment, _path, _size, found, _judged in rows})
    usual = _usual([judged for segment, _p, _s, _f, judged in rows if places[segment.key] is not None])
    made = [
        Ranked(segment, path, size, places[segment.key], found, judged, _why(judged, usual, found))
        for segment, path, size, found, judged in rows
    ]
    made.sort(key=lambda row: (row.rank is None, row.rank or 0, -row.priority.coverage))
    return Ranking(now, used, made)


def _judged(
    figures: AccountFigures, inside: Bools, answers: Mapping[str, PriorityAnswer]
) -> dict[str, tuple[Measured, PriorityAnswer | None, float | None]]:
    found = {}
    for key, one in CONSIDERATIONS.items():
        measured = one.measure(figures, inside) if inside.any() else _unknown(_("No account is in it now."))
        answer = answers.get(key)
        found[key] = (measured, answer, score_of(answer.score) if answer else measured.score)
    return found


def _usual(rows: list[dict[str, Judged]]) -> dict[str, float]:
    """What each consideration adds on average where it is known."""
    found = {}
    for key in CONSIDERATIONS:
        known = [one.points for judged in rows if (one := judged[key]).points is not None]
        found[key] = sum(known) / len(known) if known else 0.0
    return found


def _why(judged: Mapping[str, Judged], usual: Mapping[str, float], found: Priority) -> list[str]:
    """What lifts a segment above the others, what holds it back, and what is not known."""
    apart = {key: one.points - usual[key] for key, one in judged.items() if one.points is not None}
    lifts = sorted((key for key in apart if apart[key] >= 1), key=lambda key: -apart[key])[:2]
    holds = sorted((key for key in apart if apart[key] <= -1), key=lambda key: apart[key])[:2]
    unknown = [key for key, one in judged.items() if one.score is None]

    def named(keys: list[str]) -> str:
        return ", ".join(f"{CONSIDERATIONS[key].label} ({apart[key]:+.0f})" for key in keys)

    lines = []
    if lifts:
        lines.append(_t("Lifted by: %(names)s") % {"names": named(lifts)})
    if holds:
        lines.append(_t("Held back by: %(names)s") % {"names": named(holds)})
    if len(unknown) == len(judged):
        lines.append(_t("Nothing is known of it: %(text)s") % {"text": judged[unknown[0]].measured.text})
    elif unknown:
        names = ", ".join(str(CONSIDERATIONS[key].label) for key in unknown)
        spread = {"names": names, "low": f"{found.low:.0f}", "high": f"{found.high:.0f}"}
        lines.append(_t("Not known: %(names)s; with them it would have between %(low)s and %(high)s points") % spread)
    return lines

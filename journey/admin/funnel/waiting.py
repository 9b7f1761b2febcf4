"""The tabs of time: how long a stage lasts, who is stuck in it, and who is near the next one."""

import datetime as dt
import hashlib
from typing import Any

from django.core.cache import cache
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.funnel.address import moment_text
from journey.admin.funnel.cards import Card, Cell, Choice, Column, Look, Table, Tile
from journey.admin.funnel.cells import interval
from journey.admin.funnel.figures import (
    survival_figure,
)
from journey.admin.funnel.parts import (
    MOST_LISTED,
    Part,
    compared_with,
    entity_url,
)
from journey.admin.funnel.words import days, difference, no_data, number, share
from journey.selectors import funnel_charts as charts
from journey.selectors.histories import current_history
from journey.selectors.near import NearMisses, near_misses

MONTHS = 12
KEPT_SECONDS = 600
MOST_IN_CSV = 1_000  # each takes about a millisecond to tell in words
CURVE_ROWS = (0, 7, 14, 30, 60, 90, 120, 180, 270, 365, 540, 730)


def time_part(look: Look) -> Part:
    """How long a stage lasts, and how the months compare."""
    stage = look.stage
    curve = charts.survival_curve(look.query, stage.key)
    triangle = charts.cohort_triangle(look.query, stage.key, MONTHS)
    other = compared_with(
        look,
        lambda query: (
            charts.survival_curve(query, stage.key),
            charts.cohort_triangle(query, stage.key, MONTHS),
        ),
    )
    curve_was, triangle_was = other.found or (None, None)
    survival = Card(
        "survival",
        _("How long they stay in %(stage)s") % {"stage": stage},
        figure=survival_figure(curve, curve_was) if curve.points else None,
        table=_curve_table(curve, curve_was) if curve.points else None,
        csv=look.csv("survival"),
        choices=[look.stage_choice(_("Stage"))],
        terms=("survival", "km", "reached"),
        tiles=[
            Tile(
                _("Beginnings"),
                number(curve.n),
                difference(curve.n, curve_was.n) if curve_was else "",
                look.members("asked" if look.query.to else "stays", curve.n, stage=stage.key),
            ),
            Tile(
                _("Half have left after"),
                days(curve.median_days),
                difference(curve.median_days, curve_was.median_days) if curve_was else "",
            ),
        ]
        if curve.n
        else [],
        alt=_("Share still waiting, and where the others went; the table below says the same."),
        empty="" if curve.points else _("Nobody began a stay in this stage within the range."),
    )
    return Part(
        [survival, _triangle_card(look, triangle, triangle_was)],
        other.notes,
        csv={
            "survival": other.rows((curve, triangle), lambda both: both[0].rows()),
            "cohorts": other.rows((curve, triangle), lambda both: both[1].rows()),
        },
    )


def _curve_at(found: charts.Curve, after: float) -> charts.CurvePoint | None:
    """The last point of a curve that lies not after so many days; None before the first, and beyond the end while
    some still wait."""
    if not found.points or (after > found.points[-1].days and found.points[-1].waiting > 0):
        return None
    return next((p for p in reversed(found.points) if p.days <= after), None)


def _curve_table(found: charts.Curve, before: charts.Curve | None) -> Table:
    """The curve at round numbers of days, as far as it goes."""
    rows = []
    for after in CURVE_ROWS:
        point = next((p for p in reversed(found.points) if p.days <= after), None)
        if after > found.points[-1].days and found.points[-1].waiting > 0:
            break
        if point is None:
            rows.append([Cell(days(after)), *(Cell(share(x)) for x in (1.0, 0.0, 0.0, 0.0)), Cell(number(found.n))])
            continue
        was = _curve_at(before, after) if before else None

        def beside(name: str, title: str = "", point: Any = point, was: Any = was) -> Cell:
            value = getattr(point, name)
            return Cell(share(value), sub=difference(value, getattr(was, name, None), as_share=True), title=title)

        rows.append(
            [
                Cell(days(after)),
                beside("waiting", interval(point.low, point.high)),
                beside("exact"),
                beside("later"),
                beside("elsewhere"),
                Cell(number(point.at_risk)),
            ]
        )
    columns = [
        Column(_("After"), words=True), Column(_("Still waiting")), Column(_("Next stage")), Column(_("A later stage")),
        Column(_("Elsewhere")), Column(_("At risk"), title=_("how many had waited about that long")),
    ]  # fmt: skip
    return Table(columns, rows)


def _triangle_card(look: Look, found: charts.Triangle, before: charts.Triangle | None) -> Card:
    earlier = list(dict.fromkeys(cell.cohort for cell in before.cells)) if before else []
    was = {(earlier.index(cell.cohort), cell.months): cell.rate for cell in before.cells} if before else {}
    rows: dict[dt.date, list[Cell]] = {}
    top = max((cell.so_far or 0 for cell in found.cells), default=0) or 1
    cohorts = list(dict.fromkeys(cell.cohort for cell in found.cells))
    for cell in found.cells:
        at = cohorts.index(cell.cohort)
        begin, end = cell.cohort, _month_after(cohorts[at])
        span = {"pstart": begin, "pend": end, "stage": found.stage, "horizon": None}
        row = rows.setdefault(
            cell.cohort,
            [
                Cell(date_format(begin, "YEAR_MONTH_FORMAT")),
                Cell(number(cell.n), look.members("asked", cell.n, **span)),
            ],
        )
        if cell.so_far is None:
            row.append(Cell(no_data(), pale=True))
            continue
        if cell.rate is None and any(earlier.pale for earlier in row):
            row.append(Cell("", pale=True))  # one figure that is not final yet says all there is
            continue
        url = look.members("converted", cell.converted, within=30 * cell.months, **span)
        row.append(
            Cell(
                share(cell.so_far),
                url,
                difference(cell.rate, was.get((at, cell.months)), as_share=True),
                title=gettext("%(part)s of %(all)s") % {"part": number(cell.converted), "all": number(cell.n)},
                shade=cell.so_far / top,
                pale=cell.rate is None,
            )
        )
    columns = [
        Column(_("Began in"), words=True),
        Column(_("Beginnings")),
        *(Column(ngettext("%(n)s month", "%(n)s months", k) % {"n": k}) for k in range(1, MONTHS + 1)),
    ]
    goal = look.query.to
    title = (
        gettext("Who began in %(stage)s, and had reached %(goal)s months later")
        if goal
        else gettext("Who began in %(stage)s, and had moved on months later")
    )
    return Card(
        "cohorts",
        title % {"stage": look.name(found.stage), "goal": look.name(goal)},
        table=Table(columns, list(rows.values())),
        open=True,
        csv=look.csv("cohorts"),
        terms=("cohorts", "conversion"),
        empty=""
        if any(cell.n for cell in found.cells)
        else _("Nobody who began in this stage within the range can move on from it."),
    )


def _month_after(day: dt.date) -> dt.date:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)


def stuck_part(look: Look) -> Part:
    """Who has waited for unusually long."""
    asked = look.address.get("stage")
    only = asked if asked in look.stages else None
    found = charts.stuck_entities(look.query, only, MOST_LISTED)
    other = compared_with(look, lambda query: charts.stuck_entities(query, only, MOST_LISTED))
    rows = [
        [
            Cell(entity.name, entity_url(look.query.version.journey.unit, entity.id)),
            Cell(look.name(entity.stage)),
            Cell(date_format(timezone.localtime(entity.since), "DATE_FORMAT")),
            Cell(days(entity.days)),
            Cell(share(entity.longer_than)),
        ]
        for entity in found.entities
    ]
    columns = [
        Column(_("Name"), words=True), Column(_("Stage"), words=True), Column(_("Since")), Column(_("Waits")),
        Column(_("Longer than")),
    ]  # fmt: skip
    options: list[tuple[str, Any]] = [("", _("all stages they should leave"))]
    card = Card(
        "stuck",
        _("Where they are stuck"),
        lead=ngettext(
            "%(n)s waits; the most unusual waits first.", "%(n)s wait; the most unusual waits first.", found.n
        )
        % {"n": number(found.n)}
        + (f" ({difference(found.n, other.found.n)})" if other.found else ""),
        table=Table(columns, rows),
        open=True,
        csv=look.csv("stuck"),
        choices=[Choice("stage", _("Stage"), options + [(s.key, s) for s in look.query.stages], only or "")],
        terms=("stuck",),
        empty="" if found.n else _("Nobody is in these stages."),
    )
    return Part(
        [card], other.notes, csv={"stuck": lambda: charts.stuck_entities(look.query, only, max(found.n, 1)).rows()}
    )


def _near(look: Look, goal: str | None, most: int) -> NearMisses:
    """Who is near, of those the question is about.

    It reads the facts of all of them, so what holds now is kept until the history changes, for a while.
    """
    query = look.query
    history = current_history(query.version)
    given = {name: look.address.get(name) for name in ("as_of", "known_at", "list", "list_mode", "cohort_at")}
    if history is None or query.accounts is not None or given["as_of"] or given["known_at"]:
        return near_misses(query, goal, most)
    asked = repr((history.pk, history.snapshot, goal, most, get_language(), given, look.address.where))
    key = f"near:{hashlib.sha256(asked.encode()).hexdigest()}"
    kept: NearMisses | None = cache.get_or_set(key, lambda: near_misses(query, goal, most), KEPT_SECONDS)
    return kept or near_misses(query, goal, most)


def near_part(look: Look) -> Part:
    """Who lacks least for the next stage."""
    query = look.query
    goals = look.in_funnel[1:]
    asked = look.address.get("stage")
    goal = asked if asked in {stage.key for stage in goals} else None
    found = _near(look, goal, MOST_LISTED)
    other = compared_with(look, lambda query: near_misses(query, goal, 0))
    unit = query.version.journey.unit
    rows = [
        [
            Cell(one.name, entity_url(unit, one.id)),
            Cell(look.name(one.stage)),
            Cell(look.name(one.next)),
            Cell(share(1 - one.gap), shade=1 - one.gap),
            Cell(one.text),
        ]
        for one in found.entities
    ]
    columns = [
        Column(_("Name"), words=True), Column(_("Stage"), words=True), Column(_("Next"), words=True),
        Column(_("How near")), Column(_("What is missing"), words=True, wide=True),
    ]  # fmt: skip
    notes = list(other.notes)
    if other.found:
        text = gettext("%(n)s can move on, compared with %(before)s (%(change)s).")
        counts = {"n": number(found.candidates), "before": number(other.found.candidates)}
        notes.append(text % {**counts, "change": difference(found.candidates, other.found.candidates)})
    if found.out_of_scope:
        text = ngettext(
            "No rule of the next stage is meant for %(n)s of them.",
            "No rule of the next stage is meant for %(n)s of them.",
            found.out_of_scope,
        )
        notes.append(text % {"n": number(found.out_of_scope)})
    options: list[tuple[str, Any]] = [("", _("any next stage")), *((stage.key, stage) for stage in goals)]
    card = Card(
        "near",
        _("Who is near the next stage"),
        lead=gettext(
            "As of %(moment)s, the nearest %(n)s of %(all)s: what would have to happen for each to move on."
            " The CSV has the nearest %(more)s."
        )
        % {
            "moment": moment_text(found.at),
            "n": number(len(rows)),
            "all": number(found.candidates),
            "more": number(min(MOST_IN_CSV, found.candidates)),
        },
        table=Table(columns, rows),
        open=True,
        csv=look.csv("near"),
        choices=[Choice("stage", _("Near to"), options, goal or "")],
        terms=("near",),
        empty="" if rows else _("Nobody can move on: all are at the end of the funnel or outside it."),
    )
    return Part([card], notes, csv={"near": lambda: _near(look, goal, MOST_IN_CSV).rows()})

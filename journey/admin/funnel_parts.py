"""The tabs of the funnel page: what each one asks, and the cards it shows."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.funnel_address import moment_text, scope_text
from journey.admin.funnel_cards import Bar, Card, Cell, Choice, Column, Look, Table, Tile, colour_of
from journey.admin.funnel_cells import CELLS, cells_of, columns_of, interval, trust_text
from journey.admin.funnel_figures import (
    directions,
    flows_figure,
    groups_figure,
    survival_figure,
    trend_figure,
)
from journey.admin.funnel_words import days, difference, money, no_data, number, share
from journey.errors import JourneyError
from journey.facts.dimensions import dimensions
from journey.selectors import funnel_charts as charts
from journey.selectors.funnel import FunnelReport, Group, Note, StageFigures, funnel
from journey.selectors.funnel_tables import funnel_rows
from journey.selectors.near import near_misses
from segmentation.admin.base import admin_url
from segmentation.errors import ProblemError
from segmentation.selectors.target_lists import members_at

Rows = Iterator[dict[str, Any]]
MOST_PERIODS = 750
MOST_LISTED = 50
MONTHS = 12
CURVE_ROWS = (0, 7, 14, 30, 60, 90, 120, 180, 270, 365, 540, 730)


@dataclass
class Part:
    """The cards of a tab, what must be said beside them, and the rows of each card for its CSV. rates: which amounts
    are left out because no exchange rate is known."""

    cards: list[Card] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)
    csv: dict[str, Callable[[], Rows]] = field(default_factory=dict)


def _add_notes(part: Part, notes: list[Note]) -> None:
    """Take over what must be said; of missing rates, often one for each currency, the first and how many more."""
    rates = [note.text for note in notes if note.code.startswith("no_rate")]
    part.notes += [note.text for note in notes if not note.code.startswith("no_rate")]
    part.rates = rates


# --- Overview --------------------------------------------------------------------------------------------------------


def overview_part(look: Look) -> Part:
    """The stages: how many, how fast, how sure, and what they are worth."""
    report = funnel(look.query)
    notes: list[str] = []
    before, label = None, ""
    try:
        compared = look.address.compared(look.query)
        if compared:
            before, label = funnel(compared.query), compared.label
            notes.append(
                gettext("Compared with %(what)s, as of %(moment)s: the small figures are the differences.")
                % {"what": label, "moment": moment_text(compared.query.as_of)},
            )
    except ProblemError as problem:
        notes.append(f"{gettext('Nothing to compare with:')} {problem}")
    was = {stage.key: stage for stage in before.stages} if before else {}
    csv = look.csv("funnel")
    cards = [
        Card("whole", _whole_title(report), tiles=_tiles(look, report, before), terms=("whole", "investment")),
        Card(
            "stages",
            _("Stages"),
            lead=_("Above how many are in the stage, below how many entered it; between the stages who went on."),
            bars=_bars(look, report, was),
            terms=("now", "volume", "conversion"),
            csv=csv,
        ),
        _figures_card(
            look, report, was, "volume", _("How many"), ("now", "share", "entries", "accounts", "began", "trust"),
            ("now", "share", "volume", "accounts", "began", "trust"),
        ),
        _figures_card(
            look, report, was, "conversion", _("How many went on"),
            ("conversion", "interval", "of", "waiting", "direct"),
            ("conversion", "interval", "direct", "immature"),
        ),
        _figures_card(
            look, report, was, "velocity", _("How fast"),
            ("mean", "median", "km", "reached_30", "reached_90", "reached_180"), ("velocity", "km", "reached"),
        ),
        _figures_card(
            look, report, was, "value", _("What it is worth"), ("pipeline", "revenue", "cost", "without"),
            ("pipeline", "revenue", "cost_per_entry"),
        ),
    ]  # fmt: skip
    for card in cards[2:]:
        card.csv = csv
    part = Part(cards, notes, csv={"funnel": lambda: funnel_rows(report)})
    _add_notes(part, report.notes)
    return part


def _figures_card(look: Look, report: FunnelReport, was: dict[str, StageFigures], key: str, title: Any,
                  figures: tuple[str, ...], terms: tuple[str, ...]) -> Card:  # fmt: skip
    rows = []
    for stage in report.stages:
        mine = [Cell(stage.name), *cells_of(figures, stage, was.get(stage.key), _link(look, stage.key))]
        rows.append(mine)
    return Card(key, title, table=Table(columns_of(figures, _("Stage")), rows), open=True, terms=terms)


def _link(look: Look, stage: str, where: list[str] | None = None) -> Callable[[str, float | None], str]:
    more = {} if where is None else {"where": where}
    return lambda what, n: look.members(what, n, stage=stage, **more)


def _whole_title(report: FunnelReport) -> str:
    names = {stage.key: stage.name for stage in report.stages}
    through = report.overall
    if through.start is None or through.target is None:
        return gettext("The whole funnel")
    return gettext("The whole funnel: %(start)s to %(target)s") % {
        "start": names[through.start],
        "target": names[through.target],
    }


def _tiles(look: Look, report: FunnelReport, before: FunnelReport | None) -> list[Tile]:
    whole, was = report.overall, before.overall if before else None
    c, v, w = whole.conversion, whole.velocity, whole.value
    goal = {"stage": whole.start, "to": whole.target}

    def change(get: Callable[[Any], float | None], as_share: bool = False) -> str:
        return difference(get(whole), get(was), as_share) if was else ""

    def with_change(text: str, changed: str) -> str:
        return " · ".join(part for part in (changed, text) if part)

    found = gettext("%(part)s of %(all)s") % {"part": number(c.converted), "all": number(c.n)}
    limits = interval(c.low, c.high)
    costs = money(whole.investment, w.currency)
    return [
        Tile(
            _("Conversion"),
            share(c.rate),
            with_change(f"{found}{', ' if limits else ''}{limits}", change(lambda o: o.conversion.rate, True)),
            look.members("converted", c.converted, **goal),
        ),
        Tile(
            _("Median time"),
            days(v.median_days),
            with_change(
                gettext("mean %(days)s") % {"days": days(v.mean_days)} if v.mean_days is not None else "",
                change(lambda o: o.velocity.median_days),
            ),
        ),
        Tile(
            _("Opportunities opened"),
            number(whole.opportunities),
            change(lambda o: o.opportunities),
        ),
        Tile(
            _("Pipeline"),
            money(w.pipeline, w.currency),
            with_change(_deals(w.deals), change(lambda o: o.value.pipeline)),
            look.members("pipeline", w.deals),
        ),
        Tile(
            _("Revenue"),
            money(w.revenue, w.currency),
            with_change(_deals(w.won), change(lambda o: o.value.revenue)),
            look.members("revenue", w.won),
        ),
        Tile(
            _("Investment per opportunity"),
            money(w.investment_per_opportunity, w.currency),
            with_change(
                gettext("costs %(amount)s") % {"amount": costs} if whole.investment is not None else "",
                change(lambda o: o.value.investment_per_opportunity),
            ),
        ),
        Tile(_("Trust"), trust_text(whole.trust), _("exact / derived / assumed beginnings")),
    ]


def _deals(n: int) -> str:
    return ngettext("%(n)s deal", "%(n)s deals", n) % {"n": number(n)}


def _bars(look: Look, report: FunnelReport, was: dict[str, StageFigures]) -> list[Bar]:
    all_now = [s.now for s in report.stages] + [s.now for s in was.values()]
    most_now, most_entries = max(all_now, default=0) or 1, max((s.volume for s in report.stages), default=0) or 1
    bars = []
    for s in report.stages:
        b, link = was.get(s.key), _link(look, s.key)
        bars.append(
            Bar(
                stage=look.stages[s.key],
                colour=look.colour(s.key),
                now=CELLS["now"][1](s, b, link),
                entries=CELLS["entries"][1](s, b, link),
                now_width=round(100 * s.now / most_now, 2),
                entries_width=round(100 * s.volume / most_entries, 2),
                before_width=round(100 * b.now / most_now, 2) if b else None,
                on=_went_on(s),
                is_parking=s.position is None,
            )
        )
    return bars


def _went_on(s: StageFigures) -> str:
    c, v = s.conversion, s.velocity
    if c.rate is None or s.position is None:
        return ""
    text = gettext("%(rate)s went on (%(low)s–%(high)s)") % {
        "rate": share(c.rate),
        "low": share(c.low)[:-2],
        "high": share(c.high),
    }
    if v.median_days is not None:
        text += " · " + gettext("median %(days)s") % {"days": days(v.median_days)}
    return text


# --- Over time -------------------------------------------------------------------------------------------------------


def trend_part(look: Look) -> Part:
    """Entries by day, week or month."""
    wanted = look.address.get("granularity", "auto")
    found_as = charts.granularity_of(look.query.start, look.query.end, wanted)
    edges = charts.period_edges(look.query.start, look.query.end, found_as)
    if len(edges) > MOST_PERIODS:
        raise JourneyError(
            _("The range has %(value)s periods, more than a picture can show."),
            code="too_many_periods",
            field="granularity",
            value=len(edges) - 1,
            remedy=_("Choose weeks or months, or a shorter range."),
        )
    found = charts.trend(look.query, wanted)
    ends = {timezone.localtime(a).date().isoformat(): b for a, b in pairwise(edges)}
    stages = list(look.query.stages)
    urls: dict[tuple[str, str], str] = {}
    rows: dict[str, list[Cell]] = {}
    for point in found.points:
        key = point.period.isoformat()
        url = look.members(
            "entries", point.volume, stage=point.stage, pstart=key, pend=timezone.localtime(ends[key]).date()
        )
        urls[point.stage, key] = url
        written = "YEAR_MONTH_FORMAT" if found.granularity == "month" else "DATE_FORMAT"
        heading = Cell(date_format(point.period, written), sub=gettext("in part") if point.is_partial else "")
        accounts = gettext("%(n)s distinct") % {"n": number(point.accounts)}
        row = rows.setdefault(key, [heading])
        row.append(Cell(number(point.volume), url, title=accounts, pale=not point.volume or point.is_partial))
    card = Card(
        "trend",
        _("Entries over time"),
        figure=trend_figure(found, look, urls),
        table=Table([Column(_("Period"), words=True), *(Column(str(stage)) for stage in stages)],
                    list(rows.values())[::-1]),
        csv=look.csv("trend"),
        choices=[
            Choice(
                "granularity", _("By"),
                [("auto", _("automatic")), ("day", _("day")), ("week", _("week")), ("month", _("month"))], wanted,
            )
        ],
        terms=("trend", "volume"),
        alt=_("Entries into each stage over time; the table below says the same."),
        empty="" if any(point.volume for point in found.points) else _("Nobody entered a stage within the range."),
    )  # fmt: skip
    return Part([card], csv={"trend": found.rows})


# --- Movement --------------------------------------------------------------------------------------------------------


def moves_part(look: Look) -> Part:
    """Where they went, and how many got from any stage to any other."""
    found = charts.flows(look.query)
    words = directions()
    total = sum(found.totals.values())
    urls = {
        (flow.source, flow.target): look.members("entries", flow.moves, stage=flow.target, source=flow.source)
        for flow in found.flows
    }
    rows = [
        [
            Cell(look.name(flow.source)),
            Cell(look.name(flow.target)),
            Cell(words[flow.direction]),
            Cell(number(flow.moves), urls[flow.source, flow.target]),
            Cell(share(flow.moves / total)),
        ]
        for flow in found.flows
    ]
    columns = [
        Column(_("From"), words=True), Column(_("To"), words=True), Column(_("Direction"), words=True),
        Column(_("Moves")), Column(_("Share")),
    ]  # fmt: skip
    tiles = [
        Tile(text[:1].upper() + text[1:], number(found.totals[key]), share(found.totals[key] / total) if total else "")
        for key, text in words.items()
    ]
    sankey = Card(
        "flows",
        _("Moves between stages"),
        tiles=tiles,
        figure=flows_figure(found, look, urls) if total else None,
        table=Table(columns, rows) if total else None,
        csv=look.csv("flows"),
        terms=("moves",),
        alt=_("Moves from the stages on the left to those on the right; the table below says the same."),
        empty="" if total else _("Nobody moved within the range."),
    )
    matrix = charts.conversion_matrix(look.query)
    return Part([sankey, _matrix_card(look, matrix)], csv={"flows": found.rows, "matrix": matrix.rows})


def _matrix_card(look: Look, found: charts.Matrix) -> Card:
    targets = list(dict.fromkeys(pair.target for pair in found.pairs))
    pairs = {(pair.source, pair.target): pair for pair in found.pairs}
    rows = []
    for stage in look.query.stages:
        if not any((stage.key, target) in pairs for target in targets):
            continue
        row = [Cell(str(stage))]
        for target in targets:
            pair = pairs.get((stage.key, target))
            if pair is None:
                row.append(Cell(""))
                continue
            if pair.rate is None:
                row.append(Cell(no_data(), pale=True))
                continue
            part = gettext("%(part)s of %(all)s") % {"part": number(pair.converted), "all": number(pair.n)}
            url = look.members("converted", pair.converted, stage=stage.key, to=target)
            time = gettext("median %(days)s") % {"days": days(pair.median_days)} if pair.converted else part
            title = f"{part}, {interval(pair.low, pair.high)}"
            row.append(Cell(share(pair.rate), url, time, title, shade=pair.rate))
        rows.append(row)
    columns = [Column(_("From"), words=True), *(Column(look.name(target)) for target in targets)]
    return Card(
        "matrix",
        _("From any stage to any other"),
        table=Table(columns, rows),
        open=True,
        csv=look.csv("matrix"),
        terms=("matrix", "interval", "velocity"),
    )


# --- Time in stage ---------------------------------------------------------------------------------------------------


def time_part(look: Look) -> Part:
    """How long a stage lasts, and how the months compare."""
    stage = look.stage
    curve = charts.survival_curve(look.query, stage.key)
    triangle = charts.cohort_triangle(look.query, stage.key, MONTHS)
    survival = Card(
        "survival",
        _("How long they stay in %(stage)s") % {"stage": stage},
        figure=survival_figure(curve) if curve.points else None,
        table=_curve_table(curve) if curve.points else None,
        csv=look.csv("survival"),
        choices=[look.stage_choice(_("Stage"))],
        terms=("survival", "km", "reached"),
        tiles=[
            Tile(_("Beginnings"), number(curve.n), url=look.members("entries", curve.n, stage=stage.key)),
            Tile(_("Half have left after"), days(curve.median_days)),
        ]
        if curve.n
        else [],
        alt=_("Share still waiting, and where the others went; the table below says the same."),
        empty="" if curve.points else _("Nobody began a stay in this stage within the range."),
    )
    return Part([survival, _triangle_card(look, triangle)], csv={"survival": curve.rows, "cohorts": triangle.rows})


def _curve_table(found: charts.Curve) -> Table:
    """The curve at round numbers of days, as far as it goes."""
    rows = []
    for after in CURVE_ROWS:
        point = next((p for p in reversed(found.points) if p.days <= after), None)
        if after > found.points[-1].days and found.points[-1].waiting > 0:
            break
        if point is None:
            rows.append([Cell(days(after)), *(Cell(share(x)) for x in (1.0, 0.0, 0.0, 0.0)), Cell(number(found.n))])
            continue
        rows.append(
            [
                Cell(days(after)),
                Cell(share(point.waiting), title=interval(point.low, point.high)),
                Cell(share(point.exact)),
                Cell(share(point.later)),
                Cell(share(point.elsewhere)),
                Cell(number(point.at_risk)),
            ]
        )
    columns = [
        Column(_("After"), words=True), Column(_("Still waiting")), Column(_("Next stage")), Column(_("A later stage")),
        Column(_("Elsewhere")), Column(_("At risk"), title=_("how many had waited about that long")),
    ]  # fmt: skip
    return Table(columns, rows)


def _triangle_card(look: Look, found: charts.Triangle) -> Card:
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


# --- Stuck -----------------------------------------------------------------------------------------------------------


def stuck_part(look: Look) -> Part:
    """Who has waited for unusually long."""
    asked = look.address.get("stage")
    only = asked if asked in look.stages else None
    found = charts.stuck_entities(look.query, only, MOST_LISTED)
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
        % {"n": number(found.n)},
        table=Table(columns, rows),
        open=True,
        csv=look.csv("stuck"),
        choices=[Choice("stage", _("Stage"), options + [(s.key, s) for s in look.query.stages], only or "")],
        terms=("stuck",),
        empty="" if found.n else _("Nobody is in these stages."),
    )
    return Part([card], csv={"stuck": lambda: charts.stuck_entities(look.query, only, max(found.n, 1)).rows()})


_CHANGE_PAGES = {
    "account": "segmentation_account_change",
    "contact": "segmentation_contact_change",
    "opportunity": "journey_opportunity_change",
}


def entity_url(unit: str, pk: int) -> str:
    """The page of an account, a contact or an opportunity."""
    return admin_url(_CHANGE_PAGES[unit], pk) or ""


# --- Near ------------------------------------------------------------------------------------------------------------


def near_part(look: Look) -> Part:
    """Who lacks least for the next stage."""
    query = look.query
    goals = look.in_funnel[1:]
    asked = look.address.get("stage")
    goal = asked if asked in {stage.key for stage in goals} else None
    accounts = query.accounts
    if query.target_list is not None:
        at = {"was": query.as_of, "is": timezone.now()}.get(query.list_mode, query.cohort_at or query.as_of)
        listed = members_at(query.target_list, at)
        accounts = listed if accounts is None else accounts.filter(pk__in=listed.values("pk"))
    found = near_misses(query.version, query.as_of, goal, accounts, MOST_LISTED)
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
    notes = []
    if found.measured < found.candidates:
        text = gettext("Of %(all)s that could move on the %(n)s with most criteria held were measured.")
        notes.append(text % {"all": number(found.candidates), "n": number(found.measured)})
    if found.out_of_scope:
        text = ngettext(
            "No rule of the next stage is meant for %(n)s of them.",
            "No rule of the next stage is meant for %(n)s of them.",
            found.out_of_scope,
        )
        notes.append(text % {"n": number(found.out_of_scope)})
    if query.where or query.known_at:
        notes.append(gettext("Filters by value and “known at” do not apply here."))
    options: list[tuple[str, Any]] = [("", _("any next stage")), *((stage.key, stage) for stage in goals)]
    card = Card(
        "near",
        _("Who is near the next stage"),
        lead=_("As of the moment, the nearest first: what would have to happen for each to move on."),
        table=Table(columns, rows),
        open=True,
        csv=look.csv("near"),
        choices=[Choice("stage", _("Near to"), options, goal or "")],
        terms=("near",),
        empty="" if rows else _("Nobody can move on: all are at the end of the funnel or outside it."),
    )
    return Part([card], notes, csv={"near": found.rows})


# --- Broken down -----------------------------------------------------------------------------------------------------

GROUP_FIGURES = (
    "now", "share", "entries", "accounts", "conversion", "interval", "direct", "median", "km", "reached_90",
    "pipeline", "revenue", "trust",
)  # fmt: skip


def measure_words() -> dict[str, str]:
    """The figures that can be compared between groups."""
    return {
        "conversion": gettext("Conversion"),
        "volume": gettext("Entries"),
        "now": gettext("Now"),
        "median_days": gettext("Median days"),
        "pipeline": gettext("Pipeline"),
        "revenue": gettext("Revenue"),
    }


@dataclass(frozen=True)
class Measured:
    """One figure of a stage: its value, how it reads, how many it rests on, whom it counts."""

    value: float | None
    text: str
    n: int
    what: str


def measured(s: StageFigures, measure: str) -> Measured:
    """A figure by its name."""
    c, v, w = s.conversion, s.velocity, s.value
    return {
        "volume": Measured(s.volume, number(s.volume), s.volume, "entries"),
        "now": Measured(s.now, number(s.now), s.now, "now"),
        "conversion": Measured(c.rate, share(c.rate), c.n, "asked"),
        "median_days": Measured(v.median_days, days(v.median_days), v.n, "converted"),
        "pipeline": Measured(w.pipeline, money(w.pipeline, w.currency), w.deals, "pipeline"),
        "revenue": Measured(w.revenue, money(w.revenue, w.currency), w.won, "revenue"),
    }[measure]


def _measure(look: Look) -> str:
    asked = look.address.get("measure", "conversion")
    if asked not in charts.MEASURES:
        raise JourneyError(
            _("There is no measure “%(value)s”."),
            code="unknown_measure",
            field="measure",
            value=asked,
            remedy=_("There are: %(known)s."),
            params={"known": ", ".join(charts.MEASURES)},
        )
    return asked


def field_options(unit: str) -> list[tuple[str, str]]:
    """What figures can be broken down by, by name."""
    found = [(key, str(dimension.label)) for key, dimension in dimensions(unit).items()]
    return sorted(((key, label[:1].upper() + label[1:]) for key, label in found), key=lambda pair: pair[1].casefold())


DEFAULT_FIELDS = ("region", "industry")


def _fields(look: Look, number_of: int) -> tuple[str, ...]:
    """The fields asked for; by default two that every installation has."""
    known = dimensions(look.query.version.journey.unit)
    found = []
    for name in ("by", "by2")[:number_of]:
        fallback = next(key for key in (*DEFAULT_FIELDS, *known) if key in known and key not in found)
        found.append(look.address.get(name, fallback))
    return tuple(found)


def _group_where(look: Look, group: Group, fields: tuple[str, ...], overlapping: bool) -> list[str] | None:
    """The filters that leave exactly one group; None where no filter does."""
    filtered = {word.partition("=")[0] for word in look.address.where}
    if group.is_rest or (overlapping and filtered & set(fields)):
        return None
    kept = [word for word in look.address.where if word.partition("=")[0] not in fields]
    return [*kept, *(f"{key}={label}" for key, label in zip(fields, group.labels, strict=True))]


def _no_link(_what: str, _n: float | None) -> str:
    return ""


def groups_part(look: Look) -> Part:
    """Every figure by the values of a field."""
    [by] = fields = _fields(look, 1)
    measure = _measure(look)
    report = funnel(look.address.query(by=fields))
    notes: list[str] = []
    stage, words = look.stage, measure_words()
    was: dict[tuple[str, ...], dict[str, StageFigures]] = {}
    try:
        if compared := look.address.compared(look.query):
            other = funnel(replace_by(compared.query, report.query.by))
            was = {group.labels: {s.key: s for s in group.stages} for group in other.groups}
            notes.append(gettext("Compared with %(what)s.") % {"what": compared.label})
    except ProblemError as problem:
        notes.append(f"{gettext('Nothing to compare with:')} {problem}")
    wheres = [_group_where(look, group, fields, report.overlapping) for group in report.groups]
    rows, by_stage = [], []
    values, urls, labels = [], [], []
    for group, where in zip(report.groups, wheres, strict=True):
        figures = {s.key: s for s in group.stages}
        link = _link(look, stage.key, where) if where is not None else _no_link
        label = group_label(group.labels[0])
        own = look.address.url(look.page_url, where=where, tab="overview") if where is not None else ""
        heading = Cell(label, own, title=gettext("The funnel of this group") if own else "")
        before = was.get(group.labels, {})
        rows.append([heading, *cells_of(GROUP_FIGURES, figures[stage.key], before.get(stage.key), link)])
        by_stage.append([heading, *_measure_cells(look, group, measure, where)])
        found = measured(figures[stage.key], measure)
        c = figures[stage.key].conversion
        values.append((found.value, c.low, c.high) if measure == "conversion" else (found.value, None, None))
        labels.append(label)
        urls.append(link(found.what, found.n))
    field_choice = Choice("by", _("By"), field_options(look.query.version.journey.unit), by)
    dimension = report.query.by[0]
    csv = look.csv("groups")
    empty = "" if report.groups else _("There is nobody to break down.")
    first = Card(
        "groups",
        gettext("%(stage)s by %(field)s") % {"stage": stage, "field": dimension.label},
        figure=groups_figure(labels, values, urls, colour_of(stage), measure == "conversion")
        if any(value[0] is not None for value in values)
        else None,
        table=Table(columns_of(GROUP_FIGURES, str(dimension.label)), rows),
        open=True,
        csv=csv,
        choices=[
            field_choice,
            look.stage_choice(_("Stage")),
            Choice("measure", _("Picture of"), list(words.items()), measure),
        ],
        terms=("groups", "conversion", "interval", "velocity", "trust"),
        alt=_("A figure of each group; the table below says the same."),
        empty=empty,
    )
    second = Card(
        "group_stages",
        gettext("%(measure)s of every stage") % {"measure": words[measure]},
        table=Table(
            [Column(str(dimension.label), words=True), *(Column(look.name(s.key)) for s in look.query.stages)], by_stage
        ),
        open=True,
        csv=csv,
        empty=empty,
    )
    part = Part([first, second], notes, csv={"groups": lambda: funnel_rows(report)})
    _add_notes(part, report.notes)
    return part


def replace_by(query: Any, by: Any) -> Any:
    """The question broken down by other fields."""
    return type(query)(**{**vars(query), "by": by})


def group_label(label: str) -> str:
    """The name of a group as people read it."""
    return {"(none)": gettext("(not known)"), "(others)": gettext("(others)")}.get(label, label)


def _measure_cells(look: Look, group: Group, measure: str, where: list[str] | None) -> list[Cell]:
    cells = []
    for s in group.stages:
        found = measured(s, measure)
        link = _link(look, s.key, where) if where is not None else _no_link
        resting = gettext("n = %(n)s") % {"n": number(found.n)} if measure in ("conversion", "median_days") else ""
        is_share = measure == "conversion"
        cells.append(
            Cell(
                found.text,
                link(found.what, found.n),
                resting if found.value is not None else "",
                shade=found.value if is_share else None,
                pale=found.value is None or not found.n,
            )
        )
    return cells


def heat_part(look: Look) -> Part:
    """One figure of one stage by two fields."""
    fields = _fields(look, 2)
    measure = _measure(look)
    if fields[0] == fields[1]:
        raise JourneyError(
            _("A heat map needs two different fields; both are “%(value)s”."),
            code="same_field",
            field="by2",
            value=fields[0],
            remedy=_("Choose another field across."),
        )
    report = funnel(look.address.query(by=fields, most_groups=400))
    stage = look.stage
    found = charts.heat_map(report, stage.key, measure)
    groups = {group.labels: group for group in report.groups if not group.is_rest}
    top = max((cell for row in found.cells for cell in row if cell is not None), default=0) or 1
    rows = []
    for i, down in enumerate(found.down):
        row = [Cell(group_label(down))]
        for j, across in enumerate(found.across):
            value, group = found.cells[i][j], groups.get((down, across))
            if group is None or value is None:
                row.append(Cell(no_data() if group else "", pale=True))
                continue
            figure = measured(next(s for s in group.stages if s.key == stage.key), measure)
            where = _group_where(look, group, fields, report.overlapping)
            link = _link(look, stage.key, where) if where is not None else _no_link
            resting = gettext("n = %(n)s") % {"n": number(figure.n)} if measure in ("conversion", "median_days") else ""
            row.append(Cell(figure.text, link(figure.what, figure.n), resting, shade=value / top))
        rows.append(row)
    labels = [str(dimension.label) for dimension in report.query.by]
    options = field_options(look.query.version.journey.unit)
    card = Card(
        "heat",
        gettext("%(measure)s of %(stage)s by %(down)s and %(across)s")
        % {"measure": measure_words()[measure], "stage": stage, "down": labels[0], "across": labels[1]},
        table=Table([Column(labels[0], words=True), *(Column(group_label(across)) for across in found.across)], rows),
        open=True,
        csv=look.csv("heat"),
        choices=[
            Choice("by", _("Down"), options, fields[0]),
            Choice("by2", _("Across"), options, fields[1]),
            look.stage_choice(_("Stage")),
            Choice("measure", _("Figure"), list(measure_words().items()), measure),
        ],
        terms=("groups", "conversion"),
        empty="" if groups else _("There is nobody to break down."),
    )
    part = Part([card], csv={"heat": found.rows})
    _add_notes(part, report.notes)
    return part


TABS: dict[str, tuple[Any, Callable[[Look], Part]]] = {
    "overview": (_("Overview"), overview_part),
    "trend": (_("Over time"), trend_part),
    "moves": (_("Movement"), moves_part),
    "time": (_("Time in a stage"), time_part),
    "stuck": (_("Stuck"), stuck_part),
    "near": (_("Near misses"), near_part),
    "groups": (_("Broken down"), groups_part),
    "heat": (_("Heat map"), heat_part),
}

__all__ = ["TABS", "Part", "entity_url", "field_options", "scope_text"]

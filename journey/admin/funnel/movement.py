"""The tabs of entries over time and of moves between stages."""

from itertools import pairwise

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.admin.funnel.cards import Card, Cell, Choice, Column, Look, Table, Tile
from journey.admin.funnel.cells import interval
from journey.admin.funnel.figures import (
    directions,
    flows_figure,
    trend_figure,
)
from journey.admin.funnel.parts import Part, capitalised, compared_with
from journey.admin.funnel.words import days, difference, no_data, number, share
from journey.errors import JourneyError
from journey.selectors import funnel_charts as charts

MOST_PERIODS = 750


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
    other = compared_with(look, lambda query: charts.trend(query, found_as))
    was = _by_place(other.found) if other.found else {}
    places = {period: place for place, period in enumerate(dict.fromkeys(point.period for point in found.points))}
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
        change = difference(point.volume, was.get((point.stage, places[point.period])))
        pale = not point.volume or point.is_partial
        row.append(Cell(number(point.volume), url, change, accounts, pale=pale))
    card = Card(
        "trend",
        _("Entries over time"),
        figure=trend_figure(found, look, urls, was),
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
    return Part([card], other.notes, csv={"trend": other.rows(found, lambda one: one.rows())})


def _by_place(found: charts.Trend) -> dict[tuple[str, int], float]:
    """Entries by stage and number of the period: the first of one range stands beside the first of the other."""
    places = {period: place for place, period in enumerate(dict.fromkeys(point.period for point in found.points))}
    return {(point.stage, places[point.period]): point.volume for point in found.points}


def moves_part(look: Look) -> Part:
    """Where they went, and how many got from any stage to any other."""
    found = charts.flows(look.query)
    other = compared_with(look, lambda query: (charts.flows(query), charts.conversion_matrix(query)))
    flows_was, matrix_was = other.found or (None, None)
    was = {(flow.source, flow.target): flow.moves for flow in flows_was.flows} if flows_was else {}
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
            Cell(
                number(flow.moves),
                urls[flow.source, flow.target],
                difference(flow.moves, was.get((flow.source, flow.target), 0)) if flows_was else "",
            ),
            Cell(share(flow.moves / total)),
        ]
        for flow in found.flows
    ]
    columns = [
        Column(_("From"), words=True), Column(_("To"), words=True), Column(_("Direction"), words=True),
        Column(_("Moves")), Column(_("Share")),
    ]  # fmt: skip
    tiles = [
        Tile(
            capitalised(text),
            number(found.totals[key]),
            " · ".join(
                part
                for part in (
                    difference(found.totals[key], flows_was.totals[key]) if flows_was else "",
                    share(found.totals[key] / total) if total else "",
                )
                if part
            ),
        )
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
    return Part(
        [sankey, _matrix_card(look, matrix, matrix_was)],
        other.notes,
        csv={
            "flows": other.rows((found, matrix), lambda both: both[0].rows()),
            "matrix": other.rows((found, matrix), lambda both: both[1].rows()),
        },
    )


def _matrix_card(look: Look, found: charts.Matrix, before: charts.Matrix | None) -> Card:
    was = {(pair.source, pair.target): pair for pair in before.pairs} if before else {}
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
            if (stage.key, target) in was:
                title, time = f"{title}, {time}", difference(pair.rate, was[stage.key, target].rate, as_share=True)
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

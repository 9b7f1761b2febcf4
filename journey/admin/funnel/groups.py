"""The tabs of figures by field: one field with all figures, two fields with one."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.admin.funnel.cards import Card, Cell, Choice, Column, Look, Table, colour_of
from journey.admin.funnel.cells import cells_of, columns_of
from journey.admin.funnel.figures import (
    groups_figure,
)
from journey.admin.funnel.parts import Part, add_notes, capitalised, compared_with, field_options, link_of, no_link
from journey.admin.funnel.words import days, difference, money, no_data, number, share
from journey.errors import JourneyError
from journey.facts.dimensions import Dimension, dimensions
from journey.selectors import funnel_charts as charts
from journey.selectors.funnel import funnel
from journey.selectors.funnel_query import FunnelQuery
from journey.selectors.funnel_report import NOT_KNOWN, OTHERS, Group, StageFigures
from journey.selectors.funnel_tables import funnel_rows

GROUP_FIGURES = (
    "now", "share", "entries", "accounts", "conversion", "direct", "median", "km", "reached_90",
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


def groups_part(look: Look) -> Part:
    """Every figure by the values of a field."""
    [by] = fields = _fields(look, 1)
    measure = _measure(look)
    report = funnel(look.address.query(by=fields))
    stage, words = look.stage, measure_words()
    other = compared_with(look, lambda query: funnel(replace(query, by=report.query.by)))
    was: dict[tuple[str, ...], dict[str, StageFigures]] = {
        group.labels: {s.key: s for s in group.stages} for group in (other.found.groups if other.found else [])
    }
    wheres = [_group_where(look, group, fields, report.overlapping) for group in report.groups]
    rows, by_stage = [], []
    values, urls, labels = [], [], []
    named = group_labels(report.query.by[0])
    for group, where in zip(report.groups, wheres, strict=True):
        figures = {s.key: s for s in group.stages}
        link = link_of(look, stage.key, where) if where is not None else no_link
        label = named(group.labels[0])
        own = look.address.url(look.page_url, where=where, tab="overview") if where is not None else ""
        heading = Cell(label, own, title=gettext("The funnel of this group") if own else "")
        before = was.get(group.labels)
        rows.append([heading, *cells_of(GROUP_FIGURES, figures[stage.key], (before or {}).get(stage.key), link)])
        by_stage.append([heading, *_measure_cells(look, group, measure, where, before)])
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
        table=Table(columns_of(GROUP_FIGURES, capitalised(dimension.label)), rows),
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
            [Column(capitalised(dimension.label), words=True), *(Column(look.name(s.key)) for s in look.query.stages)],
            by_stage,
        ),
        open=True,
        csv=csv,
        empty=empty,
    )
    part = Part([first, second], other.notes, csv={"groups": other.rows(report, funnel_rows)})
    add_notes(part, report.notes)
    return part


def group_labels(dimension: Dimension) -> Callable[[str], str]:
    """The names of groups as people read them, by the names figures have."""
    words = {} if dimension.named is None else dict(dimension.named())
    words |= {NOT_KNOWN: str(dimension.without), OTHERS: gettext("(others)")}
    return lambda label: words.get(label, label)


def _measure_cells(
    look: Look, group: Group, measure: str, where: list[str] | None, before: dict[str, StageFigures] | None
) -> list[Cell]:
    cells = []
    for s in group.stages:
        found = measured(s, measure)
        link = link_of(look, s.key, where) if where is not None else no_link
        is_share = measure == "conversion"
        resting = gettext("n = %(n)s") % {"n": number(found.n)} if measure in ("conversion", "median_days") else ""
        if before and s.key in before:
            resting = difference(found.value, measured(before[s.key], measure).value, is_share)
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
    report = funnel(look.address.query(by=fields, most_groups=charts.HEAT_MAP_CELLS))
    stage = look.stage
    found = charts.heat_map(report, stage.key, measure)

    def mapped(query: FunnelQuery) -> charts.HeatMap:
        return charts.heat_map(
            funnel(replace(query, by=report.query.by, most_groups=charts.HEAT_MAP_CELLS)), stage.key, measure
        )

    other = compared_with(look, mapped)
    was = {(row["down"], row["across"]): row["value"] for row in (other.found.rows() if other.found else ())}
    groups = {group.labels: group for group in report.groups if not group.is_rest}
    top = max((cell for row in found.cells for cell in row if cell is not None), default=0) or 1
    named_down, named_across = map(group_labels, report.query.by)
    rows = []
    for i, down in enumerate(found.down):
        row = [Cell(named_down(down))]
        for j, across in enumerate(found.across):
            value, group = found.cells[i][j], groups.get((down, across))
            if group is None or value is None:
                row.append(Cell(no_data() if group else "", pale=True))
                continue
            figure = measured(next(s for s in group.stages if s.key == stage.key), measure)
            where = _group_where(look, group, fields, report.overlapping)
            link = link_of(look, stage.key, where) if where is not None else no_link
            resting = gettext("n = %(n)s") % {"n": number(figure.n)} if measure in ("conversion", "median_days") else ""
            if other.found:
                resting = difference(value, was.get((down, across)), measure == "conversion")
            row.append(Cell(figure.text, link(figure.what, figure.n), resting, shade=value / top))
        rows.append(row)
    labels = [str(dimension.label) for dimension in report.query.by]
    options = field_options(look.query.version.journey.unit)
    card = Card(
        "heat",
        gettext("%(measure)s of %(stage)s by %(down)s and %(across)s")
        % {"measure": measure_words()[measure], "stage": stage, "down": labels[0], "across": labels[1]},
        table=Table(
            [
                Column(capitalised(labels[0]), words=True),
                *(Column(named_across(across)) for across in found.across),
            ],
            rows,
        ),
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
    part = Part([card], other.notes, csv={"heat": other.rows(found, lambda one: one.rows())})
    add_notes(part, report.notes)
    return part

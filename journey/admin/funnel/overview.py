"""The tab of all stages: how many, how fast, how sure, and what they are worth."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from journey.admin.funnel.cards import Bar, Card, Cell, Look, Table, Tile
from journey.admin.funnel.cells import CELLS, cells_of, columns_of, interval, trust_text
from journey.admin.funnel.parts import Part, add_notes, compared_with, link_of
from journey.admin.funnel.words import days, difference, money, number, share
from journey.selectors.funnel import funnel
from journey.selectors.funnel_report import FunnelReport, StageFigures
from journey.selectors.funnel_tables import funnel_rows


def overview_part(look: Look) -> Part:
    """The stages: how many, how fast, how sure, and what they are worth."""
    report = funnel(look.query)
    other = compared_with(look, funnel)
    before = other.found
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
            ("rate", "interval", "of", "waiting", "direct"),
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
    part = Part(cards, other.notes, csv={"funnel": other.rows(report, funnel_rows)})
    add_notes(part, report.notes)
    return part


def _figures_card(look: Look, report: FunnelReport, was: dict[str, StageFigures], key: str, title: Any,
                  figures: tuple[str, ...], terms: tuple[str, ...]) -> Card:  # fmt: skip
    rows = []
    for stage in report.stages:
        mine = [Cell(stage.name), *cells_of(figures, stage, was.get(stage.key), link_of(look, stage.key))]
        rows.append(mine)
    return Card(key, title, table=Table(columns_of(figures, _("Stage")), rows), open=True, terms=terms)


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
        b, link = was.get(s.key), link_of(look, s.key)
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

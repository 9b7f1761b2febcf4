"""The figures of a stage as cells of a table, each with the list of those it counts behind it."""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.admin.funnel.cards import Cell, Column
from journey.admin.funnel.words import days, difference, money, no_data, number, share
from journey.selectors.funnel_report import StageFigures

# Gives the address of the list behind a number of a stage: what is counted, how many that are.
Link = Callable[..., str]
MaybeStage = StageFigures | None


def _counted(what: str, get: Callable[[StageFigures], int]) -> Any:
    def cell(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
        return Cell(number(get(s)), link(what, get(s)), difference(get(s), get(b)) if b else "")

    return cell


def _share(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
    return Cell(share(s.share), sub=difference(s.share, b.share, as_share=True) if b else "")


def interval(low: float | None, high: float | None) -> str:
    """The limits of an interval of shares; nothing without one."""
    return "" if low is None or high is None else f"{share(low)[:-2]}–{share(high)}"


def _rate(with_interval: bool) -> Any:
    def cell(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
        c = s.conversion
        if c.rate is None:
            return Cell(no_data(), pale=True)
        limits = interval(c.low, c.high)
        beside = difference(c.rate, b.conversion.rate, as_share=True) if b else limits if with_interval else ""
        return Cell(share(c.rate), link("converted", c.converted), beside, limits)

    return cell


def _interval(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
    return Cell(interval(s.conversion.low, s.conversion.high) or no_data(), pale=True)


def _of(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
    c = s.conversion
    if not c.n:
        return Cell("0", pale=True)
    return Cell(
        gettext("%(part)s of %(all)s") % {"part": number(c.converted), "all": number(c.n)},
        link("asked", c.n),
        pale=True,
    )


def _waiting(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
    left = s.conversion.n - s.conversion.converted
    immature = s.conversion.immature
    sub = gettext("%(n)s immature") % {"n": number(immature)} if immature else ""
    return Cell(number(left) if s.conversion.n else no_data(), link("not_converted", left), sub)


def _direct(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
    change = difference(s.conversion.direct, b.conversion.direct, as_share=True) if b else ""
    return Cell(share(s.conversion.direct), sub=change, pale=s.conversion.direct is None)


def _days(get: Callable[[StageFigures], float | None]) -> Any:
    def cell(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
        return Cell(days(get(s)), sub=difference(get(s), get(b)) if b else "", pale=get(s) is None)

    return cell


def reached_cell(after: str) -> Any:
    """The cumulative incidence after some of the days that were asked for."""

    def cell(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
        value = s.velocity.reached.get(after)
        change = difference(value, b.velocity.reached.get(after), as_share=True) if b else ""
        later = s.velocity.reached_or_later.get(after)
        title = gettext("%(share)s with later stages") % {"share": share(later)} if later is not None else ""
        return Cell(share(value), sub=change, title=title, pale=value is None)

    return cell


def _money(get: Callable[[StageFigures], float | None], what: str = "", count: Any = None) -> Any:
    def cell(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
        value = get(s)
        url = link(what, count(s)) if what else ""
        change = difference(value, get(b)) if b else ""
        return Cell(money(value, s.value.currency), url, change, pale=value is None)

    return cell


def _trust(s: StageFigures, b: MaybeStage, link: Link) -> Cell:
    return Cell(trust_text(s.trust), pale=True, title=gettext("exact / derived / assumed"))


def trust_text(trust: dict[str, int]) -> str:
    """Beginnings by how far they can be trusted."""
    return " / ".join(number(trust[grade]) for grade in ("exact", "derived", "assumed"))


CELLS: dict[str, tuple[Column, Callable[[StageFigures, MaybeStage, Link], Cell]]] = {
    "now": (Column(_("Now")), _counted("now", lambda s: s.now)),
    "share": (Column(_("Share")), _share),
    "entries": (Column(_("Entries")), _counted("entries", lambda s: s.volume)),
    "accounts": (Column(_("Distinct")), _counted("entries", lambda s: s.accounts)),
    "began": (Column(_("Began here")), _counted("began", lambda s: s.began)),
    "conversion": (Column(_("Conversion")), _rate(with_interval=True)),
    "rate": (Column(_("Conversion")), _rate(with_interval=False)),
    "interval": (Column(_("95 % interval")), _interval),
    "of": (Column(_("Converted")), _of),
    "waiting": (Column(_("Not converted")), _waiting),
    "direct": (Column(_("Direct")), _direct),
    "mean": (Column(_("Mean")), _days(lambda s: s.velocity.mean_days)),
    "median": (Column(_("Median")), _days(lambda s: s.velocity.median_days)),
    "km": (Column(_("Half have left after")), _days(lambda s: s.velocity.stay_km_median_days)),
    "reached_90": (Column(_("Reached after 90 d")), reached_cell("90")),
    "reached_30": (Column(_("Reached after 30 d")), reached_cell("30")),
    "reached_180": (Column(_("Reached after 180 d")), reached_cell("180")),
    "pipeline": (
        Column(_("Pipeline")),
        _money(lambda s: s.value.pipeline, "pipeline", lambda s: s.value.deals),
    ),
    "revenue": (Column(_("Revenue")), _money(lambda s: s.value.revenue, "revenue", lambda s: s.value.won)),
    "cost": (Column(_("Cost per entry")), _money(lambda s: s.value.cost_per_entry)),
    "without": (
        Column(_("Deals without amount")),
        lambda s, b, link: Cell(number(s.value.without_amount), pale=not s.value.without_amount),
    ),
    "trust": (Column(_("Trust"), title=_("exact / derived / assumed")), _trust),
}


def columns_of(keys: Sequence[str], first: Any) -> list[Column]:
    """The headings of a table of these figures."""
    return [Column(first, words=True), *(CELLS[key][0] for key in keys)]


def cells_of(keys: Sequence[str], s: StageFigures, b: MaybeStage, link: Link) -> list[Cell]:
    """The figures of a stage, beside those of the same stage they are compared with."""
    return [CELLS[key][1](s, b, link) for key in keys]

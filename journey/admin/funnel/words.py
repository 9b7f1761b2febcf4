"""How the funnel page writes figures, and what each of them means, with its formula."""

from dataclasses import dataclass
from typing import Any

from django.utils import formats
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Definition:
    """What a figure is. formula: in the signs of mathematics, the same in every language; may be empty."""

    term: Any
    text: Any
    formula: str = ""


DEFINITIONS = {
    "now": Definition(
        _("Now"),
        _("How many are in the stage at the moment “as of”."),
        "#{ stays : start ≤ as of < end }",
    ),
    "share": Definition(
        _("Share"), _("Of all that have a history at that moment, parking stages included."), "now / Σ now"
    ),
    "volume": Definition(
        _("Entries"),
        _(
            "Stays that began in the range; who comes back is counted again. The first stay of a history is no entry:"
            " it stands under “began here”."
        ),
        "#{ stays : from ≤ start < to, not first }",
    ),
    "accounts": Definition(_("Distinct"), _("How many different ones are among the entries.")),
    "began": Definition(_("Began here"), _("Histories whose first stay is in this stage, within the range.")),
    "trust": Definition(
        _("Trust"),
        _(
            "Why the beginnings of the range can be believed. Exact: a dated fact lies at that instant. Derived: only"
            " time passed, such as a window that ended. Assumed: the value of today stands for the past, or nothing but"
            " the day of recording is known."
        ),
    ),
    "conversion": Definition(
        _("Conversion"),
        _(
            "Of the beginnings in the range the share after which the next stage of the funnel (or the one chosen), or"
            " a later one, was entered: within the horizon, by the moment “as of”. Who is still waiting counts as not"
            " converted yet."
        ),
        "converted / n",
    ),
    "direct": Definition(_("Direct"), _("The same, of exactly that stage: what was skipped does not count.")),
    "interval": Definition(
        _("Interval"),
        _("Where the true rate lies in 95 of 100 cases (Wilson). A wide one says: too few to tell."),
        "(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n),  z = 1.96",
    ),
    "immature": Definition(
        _("Immature"),
        _("Beginnings whose horizon has not passed yet: their conversion may still rise."),
        "#{ start + horizon > as of }",
    ),
    "velocity": Definition(
        _("Mean and median days"),
        _("From the beginning of the stay until conversion, of those who converted. It leaves out who still waits."),
        "converted at − start",
    ),
    "km": Definition(
        _("Half have left after"),
        _(
            "Kaplan-Meier median of the stay: any way out ends it, who is still inside is counted as long as he has"
            " waited. No data where half have not left."
        ),
        "min{ t : S(t) ≤ ½ },  S(t) = Π (1 − dᵢ/nᵢ)",
    ),
    "reached": Definition(
        _("Reached after 30, 90, 180 days"),
        _(
            "Share that has entered exactly the stage asked for after so many days (Aalen-Johansen). Other ways out,"
            " such as a lost deal, end the wait; those still waiting count as long as they have waited."
        ),
        "F(t) = Σ S(tᵢ₋₁) · dᵢ/nᵢ",
    ),
    "pipeline": Definition(
        _("Pipeline"),
        _("Amounts of the deals open at the moment “as of”, by the stage their account is in then."),
    ),
    "revenue": Definition(
        _("Revenue"),
        _("Amounts of the deals won in the range and still won, by the stage their account was in when it was won."),
    ),
    "cost_per_entry": Definition(
        _("Cost per entry"), _("Costs dated within the range by each entry."), "costs / entries"
    ),
    "investment": Definition(
        _("Investment per opportunity"),
        _("Costs of the range by each opportunity opened in it. Costs are of all accounts, so filters leave it out."),
        "costs / opportunities opened",
    ),
    "whole": Definition(
        _("Whole funnel"),
        _("From the first stage after the floor to the last one, or to the stage chosen; skipped stages count."),
    ),
    "trend": Definition(
        _("Entries over time"),
        _("Entries by the day, week (from Monday) or month they lie in. The last period may not be over yet."),
    ),
    "moves": Definition(
        _("Moves"),
        _(
            "Changes of stage in the range. Forward: into the next stage. Skipped: over at least one. Back: into an"
            " earlier one. Parked: out of the funnel. Returned: from there into the funnel."
        ),
    ),
    "matrix": Definition(
        _("Any stage to any other"),
        _("Of the beginnings in the row's stage those after which the column's stage, or a later one, was entered."),
        "converted / n",
    ),
    "survival": Definition(
        _("How long they wait"),
        _(
            "Still waiting (Kaplan-Meier, with its 95 % band), and the shares that went on to exactly the next stage,"
            " to a later one, and elsewhere (Aalen-Johansen). The four add up to 100 %."
        ),
        "S(t) + F₁(t) + F₂(t) + F₃(t) = 1",
    ),
    "cohorts": Definition(
        _("Cohorts"),
        _(
            "Beginnings by month, and how many had moved on so many months of 30 days later. A pale figure is not"
            " final: not all of the cohort have had that long. The horizon is not used here."
        ),
    ),
    "stuck": Definition(
        _("Stuck"),
        _(
            "Who has waited longest against what is usual in the same stage. “Longer than”: the estimated share of"
            " stays in that stage that end sooner (Kaplan-Meier over the whole history)."
        ),
        "1 − S(days waited)",
    ),
    "near": Definition(
        _("How near"),
        _(
            "One minus the mean gap of the criteria still needed: 100 % is there, 0 % has none of it. The rule is the"
            " first of the next stage whose scope fits."
        ),
        "1 − Σ gap / criteria needed",
    ),
    "groups": Definition(
        _("Groups"),
        _(
            "By the value at each counted instant: a company that moved counts where it was then. Today's value stands"
            " in where no history of it exists (trust: assumed)."
        ),
    ),
}


def _written(value: float, places: int) -> str:
    """A number in the form of the language, rounded: Django cuts the digits of a float off."""
    return formats.number_format(f"{value:.{places}f}", places, force_grouping=True)


def number(value: float | None) -> str:
    """A count."""
    return no_data() if value is None else _written(value, 0)


def share(value: float | None) -> str:
    """A share from 0 to 1 in percent."""
    return no_data() if value is None else f"{_written(100 * value, 1)} %"


def days(value: float | None) -> str:
    """A number of days."""
    if value is None:
        return no_data()
    return gettext("%(n)s d") % {"n": _written(value, 1 if value < 100 else 0)}


def money(value: float | None, currency: str | None) -> str:
    """An amount, short enough for a column."""
    if value is None:
        return no_data()
    text = _written(value, 0 if abs(value) >= 100 else 2)
    return f"{text} {currency or ''}".strip()


def no_data() -> str:
    """What stands where there is nothing to divide by or to add up."""
    return gettext("no data")


def difference(value: float | None, before: float | None, as_share: bool = False) -> str:
    """How far a figure is from the one it is compared with; nothing where one of them is missing."""
    if value is None or before is None:
        return ""
    change = 100 * (value - before) if as_share else value - before
    places = 1 if as_share or (abs(change) < 100 and change != int(change)) else 0
    change = round(change, places)
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    text = f"{sign}{_written(abs(change), places)}"
    return gettext("%(change)s pp") % {"change": text} if as_share else text

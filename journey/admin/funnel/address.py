"""The address of the funnel page: it holds the whole question, so that it can be kept, shared and gone back to."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.instants import parse_instant, past_instant
from journey.models import Journey, JourneyVersion
from journey.selectors.funnel_compare import With, compared_query
from journey.selectors.funnel_data import history_data, no_history
from journey.selectors.funnel_query import FunnelQuery, funnel_query, parse_where
from journey.selectors.histories import current_history
from journey.selectors.journeys import find_journey
from journey.selectors.versions import find_version, published_version, shown_version
from segmentation.selectors.access import visible_accounts

RANGES = {
    "7d": _("Last 7 days"),
    "30d": _("Last 30 days"),
    "90d": _("Last 90 days"),
    "365d": _("Last 365 days"),
    "month": _("This month"),
    "last_month": _("Last month"),
    "quarter": _("This quarter"),
    "last_quarter": _("Last quarter"),
    "year": _("This fiscal year"),
    "last_year": _("Last fiscal year"),
    "all": _("Whole history"),
    "custom": _("From … to …"),
}
DEFAULT_RANGE = "90d"
# Everything an address may hold: the question, then what is looked at.
QUESTION = (
    "journey", "version", "range", "start", "end", "as_of", "known_at", "horizon", "to",
    "list", "list_mode", "cohort_at", "where", "compare", "cstart", "cend", "clist", "cversion",
)  # fmt: skip
VIEW = ("tab", "by", "by2", "stage", "measure", "granularity")
DETAIL = ("what", "source", "grade", "pstart", "pend", "within", "p")
NAMES = (*QUESTION, *VIEW, *DETAIL)
MOST_FILTERS = 20


@dataclass(frozen=True)
class Compared:
    """The question figures are compared with, and how it is called."""

    query: FunnelQuery
    label: str


class Address:
    """What an address asks for. Empty parameters and unknown ones are as if they were not there."""

    def __init__(self, given: QueryDict, user: Any = None) -> None:
        self._given = {name: [text for text in given.getlist(name) if text.strip()] for name in NAMES}
        self.user = user

    def get(self, name: str, default: str = "") -> str:
        """The text of a parameter; of several the last."""
        found = self._given.get(name) or [default]
        return found[-1].strip()

    @property
    def where(self) -> list[str]:
        """The filters, as `field=value`."""
        return list(dict.fromkeys(self._given["where"]))[:MOST_FILTERS]

    @property
    def raw(self) -> dict[str, str]:
        """Every parameter with one value, as it was given."""
        return {name: self.get(name) for name in NAMES if name != "where"}

    def url(self, base: str = "", keep: tuple[str, ...] = NAMES, **changes: Any) -> str:
        """This address with changes: a text or a number sets a parameter, None takes it out. where: a list."""
        query = QueryDict(mutable=True)
        for name in NAMES:
            if name in changes:
                values = changes[name] if isinstance(changes[name], list) else [changes[name]]
            else:
                values = self._given[name] if name in keep else []
            kept = [str(value) for value in values if value not in (None, "")]
            if kept:
                query.setlist(name, kept)
        return f"{base}?{query.urlencode(safe=':=,')}"

    def with_where(self, *more: str) -> list[str]:
        """The filters with more of them."""
        return list(dict.fromkeys([*self.where, *more]))

    # --- What it asks -------------------------------------------------------------------------------------------

    def journey(self) -> Journey:
        """The journey; the first one of accounts unless named. Raises JourneyError."""
        if key := self.get("journey"):
            return find_journey(key)
        journeys = list(Journey.objects.all())
        if not journeys:
            return find_journey("")
        return next((journey for journey in journeys if shown_version(journey)), journeys[0])

    def version(self, journey: Journey, name: str = "version") -> JourneyVersion:
        """The version asked for or the one readers see. Raises JourneyError where it has no history."""
        text = self.get(name)
        if not text:
            version = shown_version(journey)
            if version is None and self.get("known_at"):
                version = published_version(journey)
            if version is None:
                raise no_history(None, journey.key)
            return version
        found = find_version(journey, text, name)
        if not self.get("known_at") and current_history(found) is None:
            raise no_history(found, journey.key)
        return found

    def query(self, by: tuple[str, ...] = (), **changes: Any) -> FunnelQuery:
        """The question. Raises ProblemError with the parameter, its value and the remedy."""
        journey = self.journey()
        version = self.version(journey)
        as_of = past_instant(self.get("as_of"), "as_of") if self.get("as_of") else None
        known_at = past_instant(self.get("known_at"), "known_at") if self.get("known_at") else None
        start, end = self.range(version, as_of or known_at or timezone.now())
        horizon = self.get("horizon")
        given: dict[str, Any] = {
            "start": start,
            "end": end,
            "as_of": as_of,
            "known_at": known_at,
            "horizon_days": _days(horizon, "horizon") if horizon else None,
            "to": self.get("to") or None,
            "list_key": self.get("list") or None,
            "list_mode": self.get("list_mode", "was") if self.get("list") else "was",
            "cohort_at": past_instant(self.get("cohort_at"), "cohort_at")
            if self.get("cohort_at") and self.get("list") and self.get("list_mode") == "cohort"
            else None,
            "version": version,
            **changes,
        }
        return funnel_query(
            journey=journey,
            where=parse_where(self.where),
            by=[key for key in by if key],
            accounts=visible_accounts(self.user),
            **given,
        )

    def range(self, version: JourneyVersion, at: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """The range; presets lead up to the end of the day of `at`. Raises JourneyError."""
        named = self.get("range")
        if not named:
            named = "custom" if self.get("start") or self.get("end") else DEFAULT_RANGE
        if named not in RANGES:
            raise JourneyError(
                _("There is no range “%(value)s”."),
                code="unknown_range",
                field="range",
                value=named,
                remedy=_("There are: %(known)s."),
                params={"known": ", ".join(RANGES)},
            )
        if named == "custom":
            return self._custom("start", "end")
        today = timezone.localtime(at).date()
        if named == "all":
            table = history_data(version).table
            first = int(table.start.min()) if len(table) else 0
            begin = timezone.localtime(dt.datetime.fromtimestamp(first / 1e6, dt.UTC)).date()
            return _midnight(min(begin, today)), _midnight(today + dt.timedelta(days=1))
        begin, stop = preset(named, today)
        return _midnight(begin), _midnight(stop)

    def _custom(self, first: str, last: str) -> tuple[dt.datetime, dt.datetime]:
        for name in (first, last):
            if not self.get(name):
                raise JourneyError(
                    _("A range of your own needs its first day and the day it ends before."),
                    code="range_incomplete",
                    field=name,
                    remedy=_("Fill in both days, or choose one of the ranges with a name."),
                )
        return parse_instant(self.get(first), first), parse_instant(self.get(last), last)

    def compared(self, query: FunnelQuery) -> Compared | None:
        """The question figures are compared with. Raises ProblemError when it cannot be asked."""
        how = self.get("compare")
        if not how:
            return None
        start, end = self._custom("cstart", "cend") if how == "custom" else (None, None)
        version = None
        if how == "version" and self.get("cversion"):
            version = self.version(query.version.journey, "cversion")
        names = ("compare", "cstart", "cend", "clist", "cversion")
        other = compared_query(query, With(how, start, end, self.get("clist") or None, version, names))
        label = {
            "list": str(other.target_list),
            "version": f"v{other.version.number}",
        }.get(how, range_text(other.start, other.end))
        return Compared(other, label)

    def fixed(self, query: FunnelQuery) -> str:
        """The address that shows the same figures on any later day: with the days and the moment written out."""
        return self.url(
            range="custom",
            start=_written(query.start),
            end=_written(query.end),
            as_of=query.as_of.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            journey=query.version.journey.key,
            version=query.version.number,
        )


def preset(named: str, today: dt.date) -> tuple[dt.date, dt.date]:
    """The first day of a range by name and the day after its last. Quarters and years are those of the fiscal year."""
    tomorrow = today + dt.timedelta(days=1)
    if named.endswith("d"):
        return tomorrow - dt.timedelta(days=int(named[:-1])), tomorrow
    first = settings.FISCAL_YEAR_START_MONTH
    length = {"month": 1, "quarter": 3, "year": 12}[named.removeprefix("last_")]
    back = (today.month - first) % length if length > 1 else 0
    begin = _months(today.replace(day=1), -back)
    if named.startswith("last_"):
        return _months(begin, -length), begin
    return begin, tomorrow


def _months(day: dt.date, number: int) -> dt.date:
    years, month = divmod(day.month - 1 + number, 12)
    return day.replace(year=day.year + years, month=month + 1)


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


def _written(moment: dt.datetime) -> str:
    local = timezone.localtime(moment)
    return local.date().isoformat() if local.time() == dt.time() else moment.astimezone(dt.UTC).isoformat()


def _days(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise JourneyError(
            _("“%(value)s” is no number of days."),
            code="not_a_number",
            field=name,
            value=text,
            remedy=_("Give a number such as 90, or leave it empty."),
        ) from None


def range_text(start: dt.datetime, end: dt.datetime) -> str:
    """A range as people read it: its first and its last day."""
    last = end - dt.timedelta(microseconds=1)
    first, final = (date_format(timezone.localtime(moment), "SHORT_DATE_FORMAT") for moment in (start, last))
    return first if first == final else f"{first} – {final}"


def moment_text(moment: dt.datetime) -> str:
    """A moment as people read it."""
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


def scope_text(query: FunnelQuery) -> str:
    """The question in words: whose figures, of when, as of when."""
    parts = [
        str(query.version),
        range_text(query.start, query.end),
        gettext("as of %(moment)s") % {"moment": moment_text(query.as_of)},
    ]
    if query.known_at:
        parts.append(gettext("as it was known at %(moment)s") % {"moment": moment_text(query.known_at)})
    if query.target_list:
        parts.append(str(query.target_list))
    parts += [f"{dimension.label}: {', '.join(words)}" for dimension, words in query.where]
    return " · ".join(parts)

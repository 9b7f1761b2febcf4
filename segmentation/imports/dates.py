"""Moments and days in the cells of a file."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from segmentation.imports.faults import (
    NOT_A_DATE,
    OTHER_DATE,
    TOO_EARLY,
    TOO_LATE,
    UNKNOWN_ZONE,
    Fault,
    Faults,
    Options,
    as_mask,
    map_unique,
)
from segmentation.imports.fields import EARLIEST_YEAR, LATEST_YEAR, Kind, null_if_empty

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ISO = r"^(?:\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?)?$"
ISO_ZONED = r":.*(?:Z|[+-]\d{2}(?::?\d{2})?)$"
WRITTEN = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}(?::?\d{2})?|[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*)?",
    re.ASCII | re.IGNORECASE,
)


def read_instant(text: str, zone: ZoneInfo) -> datetime | Fault | None:
    """Read a date, with or without time and zone, year first."""
    if not text:
        return None
    found = WRITTEN.fullmatch(text)
    if not found:
        return NOT_A_DATE
    year, month, day, hour, minute, second, fraction, zone_text = found.groups()
    tz: Any = zone
    if zone_text:
        tz = read_zone(zone_text)
        if tz is None or hour is None:
            return UNKNOWN_ZONE if tz is None else NOT_A_DATE
    try:
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=tz,
        )
    except ValueError:
        return NOT_A_DATE


def read_zone(text: str) -> Any:
    """Return the zone of an offset or a name; None when there is none of that name."""
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    if text[0] in "+-":
        hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
        if hours > 14 or minutes > 59:
            return None
        return timezone(timedelta(hours=hours, minutes=minutes) * (1 if text[0] == "+" else -1))
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return None


def _limits(zone: ZoneInfo) -> tuple[int, int]:
    first, end = (datetime(year, 1, 1, tzinfo=zone) for year in (EARLIEST_YEAR, LATEST_YEAR))
    return (first - EPOCH) // MICROSECOND, (end - EPOCH) // MICROSECOND


@dataclass(frozen=True)
class Instant(Kind):
    """A moment; without zone it is of the mapping's."""

    sql = "timestamptz"
    arrow = pa.timestamp("us", "UTC")

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        fmt = options.date_format(name)
        instants = None if fmt else self._fast(values, options.zone)
        if instants is None:
            instants = map_unique(values, lambda text: self._read(text, fmt, options.zone), pa.int64(), faults)
        else:
            instants = instants.view(pa.int64())
        first, end = _limits(options.zone)
        early, late = as_mask(pc.less(instants, first)), as_mask(pc.greater_equal(instants, end))
        faults.add(early, TOO_EARLY)
        faults.add(late, TOO_LATE)
        if early.any() or late.any():  # so far off that the database might not hold them either
            instants = pc.if_else(pa.array(early | late), pa.scalar(None, pa.int64()), instants)
        return instants.view(pa.timestamp("us")).cast(self.arrow)

    @staticmethod
    def _fast(values: pa.Array, zone: ZoneInfo) -> pa.Array | None:
        if not pc.all(pc.match_substring_regex(values, ISO)).as_py():
            return None
        zoned = pc.match_substring_regex(values, ISO_ZONED)
        nothing = pa.scalar(None, pa.string())
        some = null_if_empty(values)
        try:
            naive = pc.cast(pc.if_else(zoned, nothing, some), pa.timestamp("us"))
            if zone.key != "UTC":
                naive = pc.assume_timezone(naive, zone.key, ambiguous="earliest", nonexistent="raise")
                naive = naive.cast(pa.timestamp("us", "UTC")).view(pa.int64()).view(pa.timestamp("us"))
            if not pc.any(zoned).as_py():
                return naive
            exact = (
                pc.cast(pc.if_else(zoned, some, nothing), pa.timestamp("us", "UTC"))
                .view(pa.int64())
                .view(pa.timestamp("us"))
            )
        except pa.ArrowInvalid:  # a day or an hour that does not exist, or a zone this machine's Arrow does not know
            return None
        return pc.coalesce(naive, exact)

    @staticmethod
    def _read(text: str, fmt: str, zone: ZoneInfo) -> int | Fault | None:
        if not text:
            return None
        moment: datetime | Fault | None
        if fmt:
            try:
                moment = datetime.strptime(text, fmt)  # noqa: DTZ007 - the zone follows
            except ValueError:
                return _other_date(fmt)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        else:
            moment = read_instant(text, zone)
        return (moment - EPOCH) // MICROSECOND if isinstance(moment, datetime) else moment


_OTHER: dict[str, Fault] = {}


def _other_date(fmt: str) -> Fault:
    return _OTHER.setdefault(fmt, Fault(OTHER_DATE.code, OTHER_DATE.message, OTHER_DATE.remedy, {"format": fmt}))


@dataclass(frozen=True)
class Day(Kind):
    """A date without time; the time of a cell is dropped."""

    sql = "date"
    arrow = pa.date32()

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        fmt = options.date_format(name)
        return map_unique(values, lambda text: self._read(text, fmt, options.zone), pa.date32(), faults)

    @staticmethod
    def _read(text: str, fmt: str, zone: ZoneInfo) -> date | Fault | None:
        if not text:
            return None
        moment: datetime | Fault | None
        if fmt:
            try:
                moment = datetime.strptime(text, fmt)  # noqa: DTZ007 - only the day is kept
            except ValueError:
                return _other_date(fmt)
        else:
            moment = read_instant(text, zone)
        if not isinstance(moment, datetime):
            return moment
        if moment.year < EARLIEST_YEAR:
            return TOO_EARLY
        return TOO_LATE if moment.year >= LATEST_YEAR else moment.date()

"""Fields of an import and how text becomes their values, a whole column at a time.

Text comes in as an Arrow array without nulls, "" for empty. What goes out is ready for COPY; nulls are empty values.
A kind of field is one class: add a subclass of `Kind` for a new one.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Choices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from segmentation.errors import closest
from segmentation.imports.csv_files import MAX_CELL_BYTES, REPLACEMENT

EARLIEST_YEAR, LATEST_YEAR = 1990, 2200  # [from, to) of every date
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Fault:
    """Why a value was refused: a code, a text with %(value)s in it and what to do."""

    code: str
    message: Any
    remedy: Any = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, value: str, **params: Any) -> str:
        filled = {"value": value, **self.params, **params}
        return " ".join(str(part) % filled for part in (self.message, self.remedy) if part)


@dataclass(frozen=True)
class Options:
    """What the mapping says about reading values."""

    zone: ZoneInfo
    date_formats: Mapping[str, str] = field(default_factory=dict)  # by field; "" for all others
    lookups: Mapping[str, "Lookup"] = field(default_factory=dict)  # by field

    def date_format(self, name: str) -> str:
        return self.date_formats.get(name) or self.date_formats.get("", "")


class Lookup:
    """Turns names of what the database knows (types, stages, teams) into ids, making them where that is wanted."""

    def find(self, names: Sequence[str]) -> list[int | Fault]:
        raise NotImplementedError


class Faults:
    """Refused values of one column: which rows, and why."""

    def __init__(self) -> None:
        self.found: list[tuple[np.ndarray, Fault]] = []

    def add(self, mask: np.ndarray, fault: Fault) -> None:
        if mask.any():
            self.found.append((mask, fault))


EMPTY_REQUIRED = Fault("required", _("This must not be empty."), _("Fill it in, or give the mapping a default."))
NUL = Fault("nul", _("“%(value)s” holds a NUL character."), _("Remove it; the file may be damaged."))
TOO_BIG = Fault(
    "cell_too_big", _("The cell is longer than 1 MB."), _("Shorten it; probably a quotation mark is not closed.")
)
UNDECODABLE = Fault(
    "undecodable", _("“%(value)s” holds bytes that are not of the file's encoding."), _("Save the file as UTF-8.")
)
TOO_LONG = Fault(
    "too_long",
    _("The text has more than %(limit)d characters: “%(value)s”."),
    _("Shorten it, or map the column to another field."),
)
NOT_A_NUMBER = Fault(
    "not_a_number", _("“%(value)s” is no number."), _("Write digits with a point for decimals, such as 1234.50.")
)
NOT_FINITE = Fault(
    "not_finite", _("“%(value)s” is no finite number."), _("Leave the cell empty if the number is not known.")
)
NOT_WHOLE = Fault(
    "not_whole", _("“%(value)s” is no whole number."), _("Write whole digits, or scale the column in the mapping.")
)
NEGATIVE = Fault("negative", _("“%(value)s” is negative."), _("Write 0 or more, or leave the cell empty."))
TOO_LARGE = Fault(
    "too_large", _("“%(value)s” is larger than %(limit)s."), _("Check the unit; the mapping can scale the column.")
)
NOT_A_DATE = Fault(
    "not_a_date",
    _("“%(value)s” is no date."),
    _("Write 2024-01-31 or 2024-01-31T09:30:00+08:00, or name the date_format in the mapping."),
)
OTHER_DATE = Fault(
    "not_a_date",
    _("“%(value)s” is no date of the form “%(format)s”."),
    _("Correct the cell, or the date_format of the mapping."),
)
TOO_EARLY = Fault(
    "date_too_early", _("“%(value)s” lies before 1990."), _("Correct the date, or leave it empty if it is not known.")
)
TOO_LATE = Fault(
    "date_too_late", _("“%(value)s” lies after 2199."), _("Correct the date, or leave it empty if it is not known.")
)
UNKNOWN_ZONE = Fault(
    "unknown_time_zone",
    _("“%(value)s” names an unknown time zone."),
    _("Use an offset such as +08:00 or a name such as Asia/Shanghai."),
)
UNKNOWN_CHOICE = Fault("unknown_choice", _("“%(value)s” is none of the values allowed."), _("Use one of %(choices)s."))
MEANT_CHOICE = Fault(
    "unknown_choice",
    _("“%(value)s” is none of the values allowed."),
    _("Did you mean “%(guess)s”? Use one of %(choices)s."),
)
NOT_YES_NO = Fault("not_yes_no", _("“%(value)s” is neither yes nor no."), _("Write yes or no."))
NOT_A_DOMAIN = Fault("not_a_domain", _("“%(value)s” is no domain."), _("Write it like example.com, or leave it empty."))


def as_mask(values: Any) -> np.ndarray:
    """Return Arrow booleans as a NumPy mask; null is no."""
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


def map_unique(values: pa.Array, convert: Callable[[str], Any], type_: pa.DataType, faults: Faults) -> pa.Array:
    """Convert each distinct text once. ``convert`` returns a value, None, or the Fault of the text."""
    encoded = values.dictionary_encode()
    results = [convert(text) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    if any(isinstance(result, Fault) for result in results):
        refused: dict[int, Fault] = {code: result for code, result in enumerate(results) if isinstance(result, Fault)}
        for fault in set(map(id, refused.values())):
            which = [code for code, result in refused.items() if id(result) == fault]
            faults.add(np.isin(codes, which), refused[which[0]])
        results = [None if isinstance(result, Fault) else result for result in results]
    return pa.array(results, type_).take(pa.array(codes))


def check_text(values: pa.Array, faults: Faults) -> None:
    """Refuse what no field may hold: NUL characters, huge cells, bytes that could not be decoded."""
    if not len(values):
        return
    if pc.max(pc.binary_length(values)).as_py() > MAX_CELL_BYTES:
        faults.add(as_mask(pc.greater(pc.binary_length(values), MAX_CELL_BYTES)), TOO_BIG)
    faults.add(as_mask(pc.match_substring(values, "\x00")), NUL)
    faults.add(as_mask(pc.match_substring(values, REPLACEMENT)), UNDECODABLE)


class Kind:
    """How a field is read. ``sql`` is its type in the database, ``arrow`` the type handed to COPY."""

    sql = "text"
    arrow: pa.DataType = pa.string()
    empty_is_null = True

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        raise NotImplementedError

    def from_json(self, value: Any) -> str:
        """Return a value of a JSON record as the text a file would hold."""
        if isinstance(value, datetime | date):
            return value.isoformat()
        return value if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Text(Kind):
    limit: int = 0
    empty_is_null = False

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        if self.limit and len(values) and pc.max(pc.utf8_length(values)).as_py() > self.limit:
            faults.add(
                as_mask(pc.greater(pc.utf8_length(values), self.limit)),
                Fault(TOO_LONG.code, TOO_LONG.message, TOO_LONG.remedy, {"limit": self.limit}),
            )
        return values


@dataclass(frozen=True)
class Key(Text):
    """Text that identifies: empty is null."""

    empty_is_null = True

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        return _null_if_empty(super().convert(name, values, options, faults))


@dataclass(frozen=True)
class Reference(Text):
    """Names another record; found in the database once all rows are there."""


@dataclass(frozen=True)
class Domain(Text):
    """A domain, taken from an address or a bare name."""

    limit: int = 253

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        return map_unique(values, bare_domain, pa.string(), faults)


def bare_domain(text: str) -> str | Fault:
    """Return the domain of a web address, a Markdown link among them: no scheme, user, port, path or leading www."""
    text = re.sub(r"^\[[^\]]*\]\(([^)]*)\)$", r"\1", text.strip())
    found = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.strip().lower())
    found = re.split(r"[/?#]", found)[0].rpartition("@")[2]
    found = re.sub(r":\d+$", "", found).removeprefix("www.").rstrip(".")
    if found and (len(found) > 253 or not re.fullmatch(r"[^\s.,;()\[\]]+(\.[^\s.,;()\[\]]+)+", found)):
        return NOT_A_DOMAIN
    return found


def _null_if_empty(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


CURRENCY_SIGNS = "$€£¥￥ \u00a0"
GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")


def read_number(text: str) -> Decimal | Fault | None:
    """Read a number written with an optional currency sign and commas between thousands."""
    bare = text.strip(CURRENCY_SIGNS)
    if not bare:
        return None if not text.strip() else NOT_A_NUMBER
    if bare[0] in "+-":
        bare = bare[0] + bare[1:].strip(CURRENCY_SIGNS)
    if GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    if bare.lower().lstrip("+-") in ("nan", "inf", "infinity", "-nan"):
        return NOT_FINITE
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", bare, re.ASCII):
        return NOT_A_NUMBER
    try:
        number = Decimal(bare)
    except InvalidOperation:
        return NOT_A_NUMBER
    return number if number.is_finite() and abs(number.adjusted()) < 400 else NOT_FINITE


@dataclass(frozen=True)
class Number(Kind):
    """A decimal number of at most ``digits`` before and ``places`` behind the point."""

    digits: int = 16
    places: int = 2
    minimum: int | None = 0

    @property
    def sql(self) -> str:  # type: ignore[override]
        return f"numeric({self.digits + self.places},{self.places})"

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        if self.digits >= 15 and pc.all(pc.match_substring_regex(values, r"^(\d{1,15}(\.\d{1,6})?)?$")).as_py():
            return _null_if_empty(values)
        return map_unique(values, self._read, pa.string(), faults)

    def _read(self, text: str) -> str | Fault | None:
        number = read_number(text)
        if number is None or isinstance(number, Fault):
            return number
        if self.minimum is not None and number < self.minimum:
            return NEGATIVE
        if abs(number) >= 10**self.digits:
            return self._too_large
        return format(number.quantize(Decimal(1).scaleb(-self.places), ROUND_HALF_UP), "f")

    @property
    def _too_large(self) -> Fault:
        return _too_large(f"{10**self.digits - 1:,}")


_LARGE: dict[str, Fault] = {}


def _too_large(limit: str) -> Fault:
    return _LARGE.setdefault(limit, Fault(TOO_LARGE.code, TOO_LARGE.message, TOO_LARGE.remedy, {"limit": limit}))


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from ``minimum`` to ``maximum``; ``factor`` turns a unit into that of the field (minutes: 60)."""

    maximum: int = 2_147_483_647
    minimum: int = 0
    factor: int = 1
    sql = "integer"
    arrow = pa.int64()

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        if self.factor == 1 and pc.all(pc.match_substring_regex(values, r"^\d{0,15}$")).as_py():
            numbers = pc.cast(_null_if_empty(values), pa.int64())
            faults.add(as_mask(pc.greater(numbers, self.maximum)), _too_large(f"{self.maximum:,}"))
            if self.minimum > 0:
                faults.add(as_mask(pc.less(numbers, self.minimum)), NEGATIVE)
            return numbers
        return map_unique(values, self._read, pa.int64(), faults)

    def _read(self, text: str) -> int | Fault | None:
        number = read_number(text)
        if number is None or isinstance(number, Fault):
            return number
        if self.factor != 1:
            number = (number * self.factor).quantize(Decimal(1), ROUND_HALF_UP) if abs(number) < 10**15 else number
        if number < self.minimum:
            return NEGATIVE
        if number > self.maximum:
            return _too_large(f"{self.maximum:,}")
        return int(number) if number == number.to_integral_value() else NOT_WHOLE


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
        some = _null_if_empty(values)
        try:
            naive = pc.cast(pc.if_else(zoned, nothing, some), pa.timestamp("us"))
            if zone.key != "UTC":
                naive = pc.assume_timezone(naive, zone.key, ambiguous="earliest", nonexistent="earliest")
                naive = naive.cast(pa.timestamp("us", "UTC")).view(pa.int64()).view(pa.timestamp("us"))
            if not pc.any(zoned).as_py():
                return naive
            exact = (
                pc.cast(pc.if_else(zoned, some, nothing), pa.timestamp("us", "UTC"))
                .view(pa.int64())
                .view(pa.timestamp("us"))
            )
        except pa.ArrowInvalid:  # a day that does not exist, or a zone this machine's Arrow does not know
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


@dataclass(frozen=True)
class Choice(Kind):
    """One of a closed list, by its value or its label in any of the site's languages."""

    choices: type[Choices]
    empty: str | None = ""

    @property
    def sql(self) -> str:  # type: ignore[override]
        return "smallint" if self._is_number else "text"

    @property
    def arrow(self) -> pa.DataType:  # type: ignore[override]
        return pa.int64() if self._is_number else pa.string()

    @property
    def empty_is_null(self) -> bool:  # type: ignore[override]
        return self._is_number

    @property
    def _is_number(self) -> bool:
        return issubclass(self.choices, int)

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        known: dict[str, Any] = {}
        for language in ("en", "zh-hans", "zh-hant"):
            with override(language):
                known |= {str(choice.label).casefold(): choice.value for choice in self.choices}
        known |= {str(choice.value).casefold(): choice.value for choice in self.choices}
        known |= {str(choice.value).casefold().replace("_", " "): choice.value for choice in self.choices}
        listed = ", ".join(str(choice.value) for choice in self.choices)

        def read(text: str) -> Any:
            if not text:
                return None if self._is_number else self.empty
            found = known.get(text.casefold())
            if found is None and self._is_number and isinstance(number := read_number(text), Decimal):
                found = known.get(f"{number.normalize():f}")  # spreadsheets write 2.0 for 2
            if found is not None:
                return found
            guess = closest(text, [str(choice.value) for choice in self.choices])
            base = MEANT_CHOICE if guess else UNKNOWN_CHOICE
            return Fault(base.code, base.message, base.remedy, {"choices": listed, "guess": guess})

        return map_unique(values, read, self.arrow, faults)


YES, NO = {"true", "yes", "y", "1", "是", "有", "on"}, {"false", "no", "n", "0", "否", "无", "無", "off"}


@dataclass(frozen=True)
class YesNo(Kind):
    sql = "boolean"
    arrow = pa.bool_()

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        def read(text: str) -> bool | Fault | None:
            word = text.casefold()
            if not word:
                return None
            return True if word in YES else False if word in NO else NOT_YES_NO

        return map_unique(values, read, self.arrow, faults)


LIST_SEPARATORS = re.compile(r"[;|；、\n]")


@dataclass(frozen=True)
class Many(Kind):
    """Several texts in one cell, separated by ; or |, or a JSON list."""

    limit: int = 300
    each: Callable[[str], str | Fault] | None = None
    sql = "varchar[]"
    empty_is_null = False

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        return map_unique(values, self._read, pa.string(), faults)

    def _read(self, text: str) -> str | Fault:
        parts: list[Any] = []
        if text.startswith("["):
            try:
                parts = json.loads(text)
            except ValueError:
                parts = LIST_SEPARATORS.split(text)
        else:
            parts = LIST_SEPARATORS.split(text)
        found: list[str] = []
        for part in parts:
            item: str | Fault = str(part).strip()
            if self.each and item:
                item = self.each(str(item))
            if isinstance(item, Fault):
                return item
            if len(item) > self.limit:
                return Fault(TOO_LONG.code, TOO_LONG.message, TOO_LONG.remedy, {"limit": self.limit})
            if item and item not in found:
                found.append(item)
        return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in found) + "}"

    def from_json(self, value: Any) -> str:
        return (
            json.dumps(list(value), ensure_ascii=False) if isinstance(value, list | tuple) else super().from_json(value)
        )


@dataclass(frozen=True)
class Known(Kind):
    """Something with a short list in the database (a type, a stage, a team), turned into its id by a `Lookup`."""

    sql = "bigint"
    arrow = pa.int64()

    def convert(self, name: str, values: pa.Array, options: Options, faults: Faults) -> pa.Array:
        names = [text for text in values.unique().to_pylist() if text]
        found: dict[str, Any] = dict(zip(names, options.lookups[name].find(names), strict=True)) if names else {}
        return map_unique(values, lambda text: found.get(text), self.arrow, faults)


@dataclass(frozen=True)
class Field:
    """One field of an import.

    Attributes:
        name: as in mappings, the API and reports; also the column of the table unless ``column`` says otherwise.
        label: as people read it.
        kind: how it is read.
        required: an empty value makes the row bad, a missing column is a fault of the file.
        synonyms: other headings by which a column is recognised, in any case, with or without spaces.
        column: the column of the table; empty when the field is worked out from something else.
    """

    name: str
    label: Any
    kind: Kind
    required: bool = False
    synonyms: tuple[str, ...] = ()
    column: str = "="
    help_text: Any = ""

    @property
    def table_column(self) -> str:
        return self.name if self.column == "=" else self.column

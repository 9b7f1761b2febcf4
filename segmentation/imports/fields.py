"""Fields of an import and how text becomes their values, a whole column at a time.

Text comes in as an Arrow array without nulls, "" for empty. What goes out is ready for COPY; nulls are empty values.
A kind of field is one class: add a subclass of `Kind` for a new one.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Choices
from django.utils.translation import override

from segmentation.errors import closest
from segmentation.imports.faults import (
    HALF_CHARACTER,
    MEANT_CHOICE,
    NEGATIVE,
    NOT_A_DOMAIN,
    NOT_A_NUMBER,
    NOT_FINITE,
    NOT_WHOLE,
    NOT_YES_NO,
    NUL,
    TOO_LARGE,
    TOO_LONG,
    UNKNOWN_CHOICE,
    Fault,
    Faults,
    Options,
    as_mask,
    map_unique,
)

EARLIEST_YEAR, LATEST_YEAR = 1990, 2200  # [from, to) of every date


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
        return null_if_empty(super().convert(name, values, options, faults))


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


def null_if_empty(values: pa.Array) -> pa.Array:
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
            return null_if_empty(values)
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
            numbers = pc.cast(null_if_empty(values), pa.int64())
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
        found: list[str] = []
        for part in _parts(text):
            item: str | Fault = "" if part is None else str(part).strip()
            if self.each and item:
                item = self.each(str(item))
            if isinstance(item, Fault):
                return item
            if "\x00" in item:  # as an escape it stands in a JSON list that is fine as a text
                return NUL
            if any("\ud800" <= sign <= "\udfff" for sign in item):
                return HALF_CHARACTER
            if len(item) > self.limit:
                return Fault(TOO_LONG.code, TOO_LONG.message, TOO_LONG.remedy, {"limit": self.limit})
            if item and item not in found:
                found.append(item)
        return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in found) + "}"

    def from_json(self, value: Any) -> str:
        return (
            json.dumps(list(value), ensure_ascii=False) if isinstance(value, list | tuple) else super().from_json(value)
        )


def _parts(text: str) -> list[Any]:
    """What stands in a cell with several texts."""
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except (ValueError, RecursionError):
            pass
    return LIST_SEPARATORS.split(text)


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

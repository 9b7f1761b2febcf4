"""What may be wrong with a cell, and gathering it for a column."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext_lazy as _

from segmentation.imports.csv_files import MAX_CELL_BYTES, REPLACEMENT


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
HALF_CHARACTER = Fault("invalid_text", _("“%(value)s” holds half of a character."), _("Send valid Unicode."))
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

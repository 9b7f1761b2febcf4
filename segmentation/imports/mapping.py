"""Mappings: which column of a file is which field, and what is done to its values on the way.

A mapping is written by people, so it is read strictly: unknown words are refused, with the one that was probably meant.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from segmentation.errors import closest, shorten
from segmentation.imports.errors import FileFaultError, MappingFaultError
from segmentation.imports.fields import Field, read_number

TOP_KEYS = (
    "target",
    "name",
    "columns",
    "expand",
    "ignore",
    "source_system",
    "time_zone",
    "date_format",
    "encoding",
    "delimiter",
    "crm_stages",
    "new_types",
    "custom_fields",
    "comment",
)
COLUMN_KEYS = ("column", "values", "default", "constant", "strip", "scale", "expect", "date_format")
EXPAND_KEYS = ("columns", "only_if", "skip_if_empty")
CUSTOM_KEYS = ("type", "label")
CUSTOM_TYPES = ("text", "number", "date", "yes_no")
CUSTOM = "custom."


@dataclass(frozen=True)
class ColumnRule:
    """Where the values of one field come from."""

    column: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    constant: str | None = None
    strip: bool = True
    scale: Decimal | None = None
    expect: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expansion:
    """One of several records made of a row: other columns, and the rows it is made of."""

    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    only_if: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skip_if_empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileMapping:
    """A mapping that was checked. ``columns`` is empty when the columns are to be found by their headings."""

    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    expand: tuple[Expansion, ...] = ()
    ignore: tuple[str, ...] = ()
    source_system: str = ""
    zone: ZoneInfo | None = None
    date_formats: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    delimiter: str = ""
    crm_stages: Mapping[str, str] = field(default_factory=dict)
    new_types: str = ""
    custom_fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def time_zone(self) -> ZoneInfo:
        return self.zone or ZoneInfo(settings.TIME_ZONE)


def read_mapping_file(path: Path) -> dict[str, Any]:
    """Return the JSON of a mapping file.

    Raises:
        MappingFaultError: it cannot be read or is no JSON object.
    """
    try:
        spec = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MappingFaultError(
            _("The mapping file “%(value)s” cannot be read: %(reason)s."),
            code="unreadable",
            value=path.name,
            params={"reason": error.strerror or error},
            remedy=_("Check the path and the rights."),
        ) from error
    except (ValueError, RecursionError) as error:
        raise MappingFaultError(
            _("The mapping file “%(value)s” is no JSON: %(reason)s."),
            code="not_json",
            value=path.name,
            params={"reason": error},
            remedy=_("See docs/importing.md for an example."),
        ) from error
    return dict(_object(spec, ""))


def refuse_unstorable(spec: Any) -> None:
    """Refuse what JSON can write and no database keeps: NUL, half a character, a number that is not finite.

    Raises:
        MappingFaultError: naming the place in the mapping, the value and what to do.
    """
    waiting: list[tuple[str, Any]] = [("", spec)]
    while waiting:
        here, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [(here, key) for key in value]
            waiting += [(f"{here}.{key}".lstrip("."), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(f"{here}.{place}".lstrip("."), item) for place, item in enumerate(value)]
        elif isinstance(value, str) and any(sign == "\x00" or "\ud800" <= sign <= "\udfff" for sign in value):
            raise MappingFaultError(
                _("“%(value)s” holds a character that cannot be stored."),
                code="bad_character",
                field=shorten(here),
                value=value,
                remedy=_("Remove it: NUL and halves of characters are no text."),
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise MappingFaultError(
                _("“%(value)s” is no finite number."),
                code="not_finite",
                field=shorten(here),
                value=value,
                remedy=_("Write a number such as 1000000."),
            )


def parse_mapping(spec: Mapping[str, Any] | None, target: str, fields: Iterable[Field]) -> FileMapping:
    """Check a mapping and return it in parts.

    Args:
        spec: the JSON of a mapping; None or empty finds the columns by their headings.
        target: what the file is said to hold.
        fields: the fields of the target; those of ``custom_fields`` come on top.

    Raises:
        MappingFaultError: naming the place in the mapping, the value and what to do.
    """
    spec = _object(spec or {}, "")
    refuse_unstorable(spec)
    _refuse_unknown(spec, TOP_KEYS, "")
    said = spec.get("target")
    if said is not None and said != target:
        raise MappingFaultError(
            _("The mapping is for “%(value)s”, the file is said to hold “%(target)s”."),
            code="wrong_target",
            field="target",
            value=said,
            params={"target": target},
            remedy=_("Use another mapping, or import the file as what the mapping is for."),
        )
    custom = _custom_fields(spec.get("custom_fields", {}))
    names = [known.name for known in fields]
    names += [f"{CUSTOM}{key}" for key in custom if f"{CUSTOM}{key}" not in names]
    formats: dict[str, str] = {}
    given = spec.get("date_format", "")
    if isinstance(given, Mapping):
        for name, value in given.items():
            _one_of(name, names, f"date_format.{name}", _("fields"))
            formats[name] = _date_format(value, f"date_format.{name}")
    elif given:
        formats[""] = _date_format(given, "date_format")
    columns = _columns(spec.get("columns", {}), "columns", names, formats)
    expand = _expand(spec.get("expand", []), names, formats)
    return FileMapping(
        columns=columns,
        expand=expand,
        ignore=tuple(_texts(spec.get("ignore", []), "ignore")),
        source_system=check_source_system(spec.get("source_system", "")),
        zone=_zone(spec.get("time_zone", "")),
        date_formats=formats,
        encoding=_text(spec.get("encoding", ""), "encoding"),
        delimiter=_text(spec.get("delimiter", ""), "delimiter"),
        crm_stages={
            key: _text(value, f"crm_stages.{key}")
            for key, value in _object(spec.get("crm_stages", {}), "crm_stages").items()
        },
        new_types=_text(spec.get("new_types", ""), "new_types"),
        custom_fields=custom,
    )


def _columns(spec: Any, place: str, names: Sequence[str], formats: dict[str, str]) -> dict[str, ColumnRule]:
    rules: dict[str, ColumnRule] = {}
    for name, value in _object(spec, place).items():
        here = f"{place}.{name}"
        if name.startswith(CUSTOM) and name not in names:
            raise MappingFaultError(
                _("There is no custom field “%(key)s”."),
                code="unknown_custom_field",
                field=here,
                value=name,
                params={"key": name.removeprefix(CUSTOM)},
                remedy=_("Declare it in the admin under Custom fields, or in the mapping under custom_fields."),
            )
        _one_of(name, names, here, _("fields"))
        rules[name] = _rule(value, here, name, formats)
    return rules


def _rule(value: Any, here: str, name: str, formats: dict[str, str]) -> ColumnRule:
    if isinstance(value, str):
        return ColumnRule(column=value)
    spec = _object(value, here)
    _refuse_unknown(spec, COLUMN_KEYS, here)
    if "column" not in spec and "constant" not in spec:
        raise MappingFaultError(
            _("The mapping of “%(value)s” names no column."),
            code="missing_column",
            field=here,
            value=name,
            remedy=_("Give it a “column”, or a “constant” value for every row."),
        )
    if "date_format" in spec:
        formats[name] = _date_format(spec["date_format"], f"{here}.date_format")
    scale: Decimal | None = None
    if "scale" in spec:
        number = read_number(str(spec["scale"]))
        scale = number if isinstance(number, Decimal) else None
        if scale is None or scale <= 0 or isinstance(spec["scale"], bool):
            raise MappingFaultError(
                _("“%(value)s” is no factor."),
                field=f"{here}.scale",
                value=spec["scale"],
                remedy=_("Use a positive number, such as 1000000."),
            )
    strip = spec.get("strip", True)
    if not isinstance(strip, bool):
        raise MappingFaultError(
            _("“%(value)s” is neither true nor false."),
            field=f"{here}.strip",
            value=strip,
            remedy=_("Use true or false."),
        )
    return ColumnRule(
        column=_text(spec.get("column", ""), f"{here}.column"),
        values={
            key: _scalar(new, f"{here}.values.{key}")
            for key, new in _object(spec.get("values", {}), f"{here}.values").items()
        },
        default=_scalar(spec.get("default", ""), f"{here}.default"),
        constant=_scalar(spec["constant"], f"{here}.constant") if "constant" in spec else None,
        strip=strip,
        scale=scale,
        expect=tuple(_texts(spec.get("expect", []), f"{here}.expect")),
    )


def _expand(spec: Any, names: Sequence[str], formats: dict[str, str]) -> tuple[Expansion, ...]:
    found = []
    for place, item in enumerate(_list(spec, "expand")):
        here = f"expand.{place}"
        part = _object(item, here)
        _refuse_unknown(part, EXPAND_KEYS, here)
        conditions = _object(part.get("only_if", {}), f"{here}.only_if")
        found.append(
            Expansion(
                columns=_columns(part.get("columns", {}), f"{here}.columns", names, formats),
                only_if={
                    column: tuple(_texts(wanted, f"{here}.only_if.{column}")) for column, wanted in conditions.items()
                },
                skip_if_empty=tuple(_texts(part.get("skip_if_empty", []), f"{here}.skip_if_empty")),
            )
        )
    return tuple(found)


def _custom_fields(spec: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for key, value in _object(spec, "custom_fields").items():
        here = f"custom_fields.{key}"
        part = {"type": value} if isinstance(value, str) else _object(value, here)
        _refuse_unknown(part, CUSTOM_KEYS, here)
        type_ = _text(part.get("type", "text"), f"{here}.type")
        _one_of(type_, CUSTOM_TYPES, f"{here}.type", _("types"))
        if not key.replace("-", "").replace("_", "").isalnum() or not key.isascii() or len(key) > 60:
            raise MappingFaultError(
                _("“%(value)s” is no key of a custom field."),
                field=here,
                value=key,
                remedy=_("Use letters, digits, - and _."),
            )
        found[key] = {
            "type": type_,
            "label": _text(part.get("label", key.replace("_", " ").capitalize()), f"{here}.label"),
        }
    return found


def check_source_system(value: Any) -> str:
    """Return the name of a source system; empty where none is named.

    Raises:
        MappingFaultError: it cannot be one.
    """
    text = _text(value, "source_system")
    if text and (len(text) > 40 or not text.replace("-", "").replace("_", "").isalnum() or not text.isascii()):
        raise MappingFaultError(
            _("“%(value)s” is no name of a source system."),
            field="source_system",
            value=text,
            remedy=_("Use at most 40 letters, digits, - and _."),
        )
    return text


def _zone(value: Any) -> ZoneInfo | None:
    name = _text(value, "time_zone")
    if not name:
        return None
    zones = available_timezones()
    if name not in zones:
        guess = closest(name, zones)
        raise MappingFaultError(
            _("There is no time zone “%(value)s”."),
            code="unknown_time_zone",
            field="time_zone",
            value=name,
            params={"guess": guess or "Asia/Shanghai"},
            remedy=_("Did you mean %(guess)s?") if guess else _("Use a name such as %(guess)s or UTC."),
        )
    return ZoneInfo(name)


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise MappingFaultError(
        _("“%(value)s” is no JSON object."),
        field=place,
        value=json.dumps(value, ensure_ascii=False, default=str),
        remedy=_("Write it in braces: {…}."),
    )


def _list(value: Any, place: str) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    raise MappingFaultError(
        _("“%(value)s” is no JSON list."),
        field=place,
        value=json.dumps(value, ensure_ascii=False, default=str),
        remedy=_("Write it in brackets: […]."),
    )


def _texts(value: Any, place: str) -> list[str]:
    return [_scalar(item, place) for item in _list(value, place)]


def _text(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    raise MappingFaultError(
        _("“%(value)s” is no text."),
        field=place,
        value=json.dumps(value, default=str),
        remedy=_("Write it in quotation marks."),
    )


def _date_format(value: Any, place: str) -> str:
    """Return a format in which a date can be written and read again."""
    fmt = _text(value, place)
    day = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 - only to be written and read
    try:
        fits = not fmt or datetime.strptime(day.strftime(fmt), fmt).year == day.year  # noqa: DTZ007
    except ValueError:
        fits = False
    if not fits:
        raise MappingFaultError(
            _("No date can be read by “%(value)s”."),
            field=place,
            value=fmt,
            remedy=_("Name year, month and day as they follow each other, such as %%d.%%m.%%Y or %%m/%%d/%%y."),
        )
    return fmt


def _scalar(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else "" if value is None else _text(value, place)


def _refuse_unknown(spec: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in spec:
        _one_of(key, known, f"{place}.{key}".lstrip("."), _("keys"))


def _one_of(value: str, known: Sequence[str], place: str, what: Any) -> None:
    if value in known:
        return
    guess = closest(value, known)
    raise MappingFaultError(
        _("“%(value)s” is none of the %(what)s a mapping can have here."),
        code="unknown_key",
        field=place,
        value=value,
        params={"guess": guess, "known": ", ".join(known), "what": what},
        remedy=_("Did you mean “%(guess)s”?") if guess else _("Use one of %(known)s."),
    )


def heading(text: str) -> str:
    """Return a heading as it is compared: without case, spaces and punctuation."""
    return "".join(character for character in text.casefold() if character.isalnum() or character == ".")


def suggest_columns(header: Sequence[str], fields: Sequence[Field]) -> dict[str, str]:
    """Return field -> column for the columns whose headings say what they are.

    A heading that is the field's name counts before its label, that before the synonyms; each column is used once.
    """
    free = {heading(column): column for column in reversed(header)}
    found: dict[str, str] = {}
    for names in (lambda f: [f.name], lambda f: [str(f.label)], lambda f: f.synonyms):
        for known in fields:
            if known.name in found:
                continue
            column = next((free.pop(heading(name)) for name in names(known) if heading(name) in free), None)
            if column is not None:
                found[known.name] = column
    return found


def with_header(mapping: FileMapping, header: Sequence[str], fields: Sequence[Field]) -> FileMapping:
    """Return the mapping with its columns found in the header, by name or else ignoring case and spaces.

    Raises:
        FileFaultError: a column it names is not in the file.
    """
    if not mapping.columns and not mapping.expand:
        rules = {name: ColumnRule(column=column) for name, column in suggest_columns(header, fields).items()}
        return replace(mapping, columns=rules)
    known = {heading(column): column for column in reversed(header)}

    def locate(column: str) -> str:
        found = column if column in header else known.get(heading(column))
        if found is None:
            guess = closest(column, header)
            raise FileFaultError(
                _("The file has no column “%(value)s”, which the mapping names."),
                code="missing_column",
                field=column,
                value=column,
                params={"guess": guess, "columns": ", ".join(header)},
                remedy=_("Did you mean “%(guess)s”?") if guess else _("Its columns are: %(columns)s."),
            )
        return found

    def located(rules: Mapping[str, ColumnRule]) -> dict[str, ColumnRule]:
        return {
            name: replace(rule, column=locate(rule.column)) if rule.column else rule for name, rule in rules.items()
        }

    expand = tuple(
        Expansion(
            columns=located(part.columns),
            only_if={locate(column): wanted for column, wanted in part.only_if.items()},
            skip_if_empty=tuple(locate(column) for column in part.skip_if_empty),
        )
        for part in mapping.expand
    )
    return replace(mapping, columns=located(mapping.columns), expand=expand)


def used_columns(mapping: FileMapping) -> set[str]:
    """Return the columns a located mapping reads."""
    rules = [*mapping.columns.values(), *(rule for part in mapping.expand for rule in part.columns.values())]
    conditions = [column for part in mapping.expand for column in (*part.only_if, *part.skip_if_empty)]
    return {rule.column for rule in rules if rule.column} | set(conditions)


def mapped_fields(mapping: FileMapping) -> list[str]:
    """Return the fields a located mapping fills."""
    names = list(mapping.columns)
    for part in mapping.expand:
        names += [name for name in part.columns if name not in names]
    if mapping.expand and "sequence" not in names:
        names.append("sequence")
    return names

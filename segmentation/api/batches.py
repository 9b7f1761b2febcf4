"""Batches of records on their way to the one writer: what JSON allows and the writer cannot take is refused."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from segmentation.api.errors import PROBLEM_TYPES, error_item
from segmentation.api.problems import type_address
from segmentation.errors import shorten
from segmentation.imports.fields import Field, Kind, Many, Reference, YesNo
from segmentation.imports.mapping import CUSTOM
from segmentation.imports.report import RowError, UpsertReport
from segmentation.imports.targets import get_target
from segmentation.services.records import upsert_records


def store(
    target: str,
    records: Sequence[Any],
    *,
    source_system: str = "",
    spec: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    strict: bool = False,
) -> UpsertReport:
    """Give records to the one writer and return its report, with those of the wrong JSON type among the bad ones.

    Raises:
        ProblemError: the mapping is wrong; nothing was stored.
    """
    fields = {field.name: field for field in get_target(target).all_fields()}
    good: list[Any] = []
    places: list[int] = []
    refused: list[RowError] = []
    for index, record in enumerate(records):
        read, fault = _plain(record, fields)
        if fault:
            name, value, code, text = fault
            refused.append(RowError(index, name, shorten(value), code, text))
        else:
            good.append(read)
            places.append(index)
    blocked = strict and bool(refused)
    report = upsert_records(
        target, good, source_system=source_system, spec=spec, dry_run=dry_run or blocked, strict=strict
    )
    moved = [RowError(places[e.index], e.field, e.value, e.code, _bare(e.message, e.field)) for e in report.errors]
    report.errors = sorted([*moved, *refused], key=lambda error: error.index)
    report.rows = len(records)
    report.bad += len(refused)
    return report


Fault = tuple[str, Any, str, str]  # field, value, code, text


def _plain(record: Any, fields: Mapping[str, Field]) -> tuple[Any, Fault | None]:
    """Return the record with references as text, or why it is refused."""
    if not isinstance(record, Mapping):
        return record, None
    read: dict[str, Any] = {}
    for name, value in record.items():
        field = fields.get(name)
        if field is not None and isinstance(value, Mapping) and isinstance(field.kind, Reference):
            # Records are shown with what they belong to as an object: it may be sent back as it came.
            value = value.get("external_id") or value.get("name") or ""
        if field is not None and (text := _type_fault(field.kind, value)):
            return record, (name, value, "wrong_type", text)
        if name == "custom" and isinstance(value, Mapping):
            for key, item in value.items():
                custom = fields.get(f"{CUSTOM}{key}")
                if custom is not None and (text := _type_fault(custom.kind, item)):
                    return record, (f"{CUSTOM}{key}", item, "wrong_type", text)
        read[name] = value
    return read, None


def _type_fault(kind: Kind, value: Any) -> str:
    """Return why a JSON value cannot be one of this kind; nothing when it can. Objects are left to the writer."""
    if isinstance(value, bool) and not isinstance(kind, YesNo):
        return _("The value is true or false. Give a text or a number.")
    if isinstance(value, list) and not isinstance(kind, Many):
        return _("The value is a list. Give one text or number.")
    if isinstance(kind, Many):
        return _list_fault(value)
    return ""


def _list_fault(value: Any) -> str:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _(
                "The text begins like a JSON list but is none. Send a list, or the values with semicolons between them."
            )
    if not isinstance(value, list):
        return ""
    if any(not isinstance(item, str | int | float) or isinstance(item, bool) for item in value):
        return _("The list holds something other than texts.")
    if any(isinstance(item, str) and "\x00" in item for item in value):
        return _("The list holds a NUL character. Remove it.")
    return ""


def _bare(message: str, field: str) -> str:
    return message.removeprefix(f"{field}: ") if field else message


# Answers ------------------------------------------------------------------------------------------------------------


def error_items(errors: Iterable[RowError], *, with_index: bool = False) -> list[dict[str, Any]]:
    """Return errors of rows for the `errors` of a problem."""
    items = []
    for error in errors:
        item = error_item(error.message, code=error.code, field=error.field, value=error.value)
        items.append({"index": error.index, **item} if with_index else item)
    return items


def report_document(report: UpsertReport, request: Any) -> dict[str, Any]:
    """Return what became of a batch, for the answer."""
    grouped: dict[int, list[RowError]] = defaultdict(list)
    for error in report.errors:
        grouped[error.index].append(error)
    kind = PROBLEM_TYPES["bad_records"]
    return {
        "stored": report.stored,
        "rows": report.rows,
        "inserted": report.inserted,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "duplicates": report.duplicates,
        "bad": report.bad,
        "flagged": dict(sorted(report.flagged.items())),
        "created": report.created,
        "problems": [
            {
                "index": index,
                "type": type_address(kind.code, request),
                "title": str(kind.title),
                "status": kind.status,
                "detail": " ".join(
                    f"{error.field}: {error.message}" if error.field else error.message for error in errors
                ),
                "errors": error_items(errors),
            }
            for index, errors in grouped.items()
        ],
    }

"""The one writer of accounts, contacts, activities, opportunities and their changes, for files and the API alike."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from django.utils.translation import gettext as _

from segmentation.errors import closest, shorten
from segmentation.imports.applying import Batch
from segmentation.imports.csv_files import BadLine
from segmentation.imports.fields import Field
from segmentation.imports.mapping import CUSTOM, parse_mapping
from segmentation.imports.report import RowError, UpsertReport
from segmentation.imports.staging import Run, run_import
from segmentation.imports.targets import get_target

__all__ = ["RowError", "UpsertReport", "upsert_records"]


def upsert_records(
    target: str,
    records: Iterable[Mapping[str, Any]],
    *,
    source_system: str = "",
    spec: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    strict: bool = False,
) -> UpsertReport:
    """Insert or update records by their external ids, in one transaction.

    The same records again change nothing: no row, no history, no replay.

    Args:
        target: `accounts`, `contacts`, `activities`, `opportunities` or `opportunity-changes`.
        records: field -> value; a field left out stays as it is, an empty one is emptied. Custom fields are given as
            `{"custom": {key: value}}` or as `custom.key`.
        source_system: whose external ids these are; that of the spec, else `crm`.
        spec: options of a mapping file (time_zone, crm_stages, new_types ...); columns mean nothing here.
        dry_run: count everything, store nothing.
        strict: store nothing if a record is bad; otherwise the good ones are stored.

    Returns:
        The counts, and the bad records with the reason.

    Raises:
        ProblemError: the target or the spec is wrong; nothing was stored.
    """
    started = time.perf_counter()
    found = get_target(target)
    mapping = parse_mapping(spec, target, found.all_fields())
    fields = {field.name: field for field in found.all_fields(mapping.custom_fields)}
    table = _Table(fields)
    for index, record in enumerate(records):
        table.add(index, record)
    run = Run(
        found,
        list(fields.values()),
        table.given(),
        mapping,
        source_system or mapping.source_system or "crm",
        by_record=table.by_record(),
        dry_run=dry_run,
    )
    run.report.rows = table.rows
    report = run_import(run, table.batches(), strict=strict)
    report.duplicates += table.merged
    if table.merged:
        report.flag("duplicate", table.merged, table.merged_rows)
    report.seconds = time.perf_counter() - started
    return report


class _Table:
    """Records turned into columns of text. Several records of one external id become one: later values win."""

    def __init__(self, fields: Mapping[str, Field]):
        self.fields = fields
        self.rows = 0
        self.merged = 0
        self.merged_rows: list[int] = []
        self.texts: list[dict[str, str]] = []
        self.indexes: list[int] = []
        self.bad: list[BadLine] = []
        self.counts: Counter[str] = Counter()
        self._place_of: dict[str, int] = {}

    def add(self, index: int, record: Any) -> None:
        self.rows += 1
        text = self._read(index, record)
        if text is None:
            return
        key = text.get("external_id", "")
        if key and key in self._place_of:
            place = self._place_of[key]
            self.merged += 1
            self.merged_rows.append(self.indexes[place])
            self.texts[place] |= text
            self.indexes[place] = index
            return
        if key:
            self._place_of[key] = len(self.texts)
        self.texts.append(text)
        self.indexes.append(index)

    def _read(self, index: int, record: Any) -> dict[str, str] | None:
        if not isinstance(record, Mapping):
            return self._refuse(
                index,
                "",
                record,
                "not_an_object",
                _("The record is no JSON object."),
                _("Give field names and values."),
            )
        values = {key: value for key, value in record.items() if key != "custom"}
        custom = record.get("custom")
        if custom is not None and not isinstance(custom, Mapping):
            return self._refuse(
                index, "custom", custom, "not_an_object", _("“custom” is no JSON object."), _("Give keys and values.")
            )
        values |= {f"{CUSTOM}{key}": value for key, value in (custom or {}).items()}
        texts: dict[str, str] = {}
        for name, value in values.items():
            field = self.fields.get(name)
            if field is None:
                guess = closest(str(name), self.fields)
                remedy = _("Did you mean “%(guess)s”?") if guess else _("Fields are: %(known)s.")
                params = {"value": shorten(name), "guess": guess, "known": ", ".join(self.fields)}
                return self._refuse(
                    index,
                    str(name),
                    value,
                    "unknown_field",
                    _("There is no field “%(value)s”.") % params,
                    remedy % params,
                )
            if isinstance(value, Mapping):
                return self._refuse(
                    index, name, value, "not_a_value", _("The value is a JSON object."), _("Give a text or a number.")
                )
            texts[name] = "" if value is None else field.kind.from_json(value).strip()
            try:
                texts[name].encode()
            except UnicodeEncodeError:
                return self._refuse(
                    index, name, "", "invalid_text", _("The text holds half of a character."), _("Send valid Unicode.")
                )
        return texts

    def _refuse(self, index: int, name: str, value: Any, code: str, message: str, remedy: str) -> dict[str, str] | None:
        prefix = f"{name}: " if name else ""
        self.bad.append(BadLine(index, 0, code, f"{prefix}{message} {remedy}", shorten(value), name))
        return None

    def given(self) -> list[str]:
        """Return the fields that any record has; those every record needs are always among them."""
        self.counts = Counter(name for text in self.texts for name in text)
        return [name for name, field in self.fields.items() if name in self.counts or field.required]

    def by_record(self) -> list[str]:
        """Return the fields that only some of the records have."""
        return [name for name in self.given() if self.counts[name] < len(self.texts)]

    def batches(self) -> Iterable[Batch | BadLine]:
        yield from self.bad
        if not self.texts:
            return
        some = self.by_record()
        yield Batch(
            columns={name: pa.array([text.get(name, "") for text in self.texts], pa.string()) for name in self.given()},
            rows=np.array(self.indexes, np.int64),
            lines=None,
            given={name: np.array([name in text for text in self.texts], bool) for name in some},
        )

"""Files imported: looked at, tried out, stored, and kept on record."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from segmentation.errors import ProblemError, closest
from segmentation.imports.applying import Applier, Batch
from segmentation.imports.csv_files import BadLine, CsvFile, inspect_csv, read_blocks
from segmentation.imports.errors import MappingFaultError
from segmentation.imports.mapping import (
    FileMapping,
    check_source_system,
    mapped_fields,
    parse_mapping,
    read_mapping_file,
    refuse_unstorable,
    suggest_columns,
    used_columns,
    with_header,
)
from segmentation.imports.report import ErrorSink, UpsertReport
from segmentation.imports.staging import Run, run_import
from segmentation.imports.targets import get_target
from segmentation.models import ImportMapping, ImportRun
from segmentation.services.users import Actor, author

STORED_ERRORS = 200  # bad rows kept with an import; the caller's sink gets all of them
PREVIEW_ROWS = 10


@dataclass
class FileLook:
    """What a file looks like before anything is done with it.

    Attributes:
        suggested: field -> column by the headings.
        sample: the first rows, as text.
    """

    file: CsvFile
    suggested: dict[str, str] = field(default_factory=dict)
    sample: list[list[str]] = field(default_factory=list)


def look_at_file(path: Path, target: str, *, spec: Mapping[str, Any] | None = None) -> FileLook:
    """Return how a file is written, its first rows, and which of its columns seem to be which field.

    Raises:
        ProblemError: the file cannot be read as CSV, or the mapping is wrong.
    """
    found = get_target(target)
    mapping = parse_mapping(spec, target, found.all_fields())
    file = inspect_csv(path, encoding=mapping.encoding, delimiter=mapping.delimiter)
    fields = found.all_fields(mapping.custom_fields)
    sample: list[list[str]] = []
    for block in islice(read_blocks(file), 1):
        columns = [block.columns[name][:PREVIEW_ROWS].to_pylist() for name in file.header]
        sample = [list(row) for row in zip(*columns, strict=True)]
    return FileLook(file, suggest_columns(file.header, fields), sample)


def spec_with(path: Path, target: str, spec: Mapping[str, Any] | None, **constants: str) -> dict[str, Any]:
    """Return a mapping in which fields have the same value in every row, such as the list all rows are for.

    Without a mapping the other columns are found by their headings, as they are without constants. Raises ProblemError
    when the file cannot be read.
    """
    columns = dict((spec or {}).get("columns") or {}) or look_at_file(path, target, spec=spec).suggested
    return {**(spec or {}), "columns": {**columns, **{name: {"constant": word} for name, word in constants.items()}}}


def import_file(
    target: str,
    path: Path,
    *,
    spec: Mapping[str, Any] | None = None,
    source_system: str = "",
    dry_run: bool = False,
    strict: bool = False,
    sink: ErrorSink | None = None,
    file_name: str = "",
    user: Actor = None,
    record: ImportRun | None = None,
) -> UpsertReport:
    """Import a CSV file, in one transaction, and keep a record of it.

    Args:
        target: what the file holds.
        path: where it lies.
        spec: the mapping; without one the columns are found by their headings.
        source_system: whose external ids these are; that of the mapping, else `crm`.
        dry_run: count everything, store nothing.
        strict: store nothing if a row is bad; otherwise the good ones are stored.
        sink: gets every bad row; the report keeps the first ones only.
        file_name: what to call the file, if not as on disk.
        user: who asked for it.
        record: where to keep what came of it; a new one is made when left out.

    Returns:
        The counts, and the first bad rows with line, value and reason.

    Raises:
        ProblemError: a fault of the file or the mapping; nothing was stored.
    """
    started = time.perf_counter()
    record = record or ImportRun(target=target, file_name=safe_file_name(file_name or path.name))
    record.requested_by = author(user)
    found = get_target(target)
    try:
        refuse_unstorable(spec)
        record.spec = dict(spec or {})
        check_source_system(source_system)
        mapping = parse_mapping(spec, target, found.all_fields())
        file = inspect_csv(path, encoding=mapping.encoding, delimiter=mapping.delimiter)
        record.file_sha256 = file.sha256
        fields = found.all_fields(mapping.custom_fields)
        mapping = with_header(mapping, file.header, fields)
        found.check_columns(mapped_fields(mapping), file.header)
        run = Run(
            found,
            fields,
            mapped_fields(mapping),
            mapping,
            source_system or mapping.source_system or "crm",
            from_file=True,
            columns={name: rule.column for name, rule in mapping.columns.items() if rule.column},
            sink=sink,
            dry_run=dry_run,
            context={"file": record.file_name, **({"user": record.requested_by.pk} if record.requested_by else {})},
        )
        with transaction.atomic():  # what was stored and the record of it, or neither
            report = _run(run, file, mapping, strict=strict)
            report.seconds = time.perf_counter() - started
            _keep(record, report, dry_run=dry_run)
    except ProblemError as error:
        record.state = ImportRun.State.PREVIEW if dry_run else ImportRun.State.FAILED
        record.report = {"fault": error.as_dict()}
        record.save()
        raise
    report.seconds = time.perf_counter() - started  # with the time the database took to commit
    return report


def _run(run: Run, file: CsvFile, mapping: FileMapping, *, strict: bool) -> UpsertReport:
    applier = Applier(mapping)

    def batches() -> Iterator[Batch | BadLine]:
        for block in read_blocks(file):
            run.report.rows += len(block.rows) + len(block.bad)
            yield from block.bad
            if len(block.rows):
                yield applier.apply(block)

    report = run_import(run, batches(), strict=strict)
    used = used_columns(mapping)
    report.unused_columns = [column for column in file.header if column not in used and column not in mapping.ignore]
    report.replaced, report.unexpected = applier.replaced(), applier.unexpected()
    report.flag("left_out", applier.left_out, applier.left_out_lines)
    report.flag("replaced_value", sum(item.rows for item in report.replaced))
    report.flag("unexpected_value", sum(item.rows for item in report.unexpected))
    return report


def _keep(record: ImportRun, report: UpsertReport, *, dry_run: bool) -> None:
    if dry_run:
        record.state = ImportRun.State.PREVIEW
    elif not report.stored:
        record.state = ImportRun.State.FAILED
    else:
        record.state = ImportRun.State.DONE_WITH_BAD_ROWS if report.bad else ImportRun.State.DONE
    record.report = report.as_dict()
    record.report["errors"] = record.report["errors"][:STORED_ERRORS]
    record.save()


def load_spec(reference: str) -> dict[str, Any]:
    """Return the mapping of that key, or of the file of that name.

    Raises:
        MappingFaultError: there is neither, or the file is no mapping.
    """
    path = Path(reference)
    if path.suffix == ".json" or path.is_file():
        return read_mapping_file(path)
    saved = ImportMapping.objects.filter(key=reference).first()
    if saved is not None:
        return {**saved.spec, "target": saved.target}
    keys = list(ImportMapping.objects.order_by("key").values_list("key", flat=True))
    guess = closest(reference, keys)
    raise MappingFaultError(
        _("There is no mapping “%(value)s”, neither as a file nor saved."),
        code="unknown_mapping",
        field="mapping",
        value=reference,
        params={"guess": guess, "known": ", ".join(keys) or "–"},
        remedy=_("Did you mean “%(guess)s”?")
        if guess
        else _("Give the path of a JSON file, or one of the saved ones: %(known)s."),
    )


def save_mapping(key: str, target: str, spec: Mapping[str, Any], *, name: str = "") -> ImportMapping:
    """Keep a mapping under a key, in place of one that is there.

    Raises:
        MappingFaultError: the mapping or the key cannot be used.
    """
    if not re.fullmatch(r"[-a-zA-Z0-9_]{1,60}", key):
        raise MappingFaultError(
            _("“%(value)s” is no key of a mapping."),
            code="bad_key",
            field="key",
            value=key,
            remedy=_("Use at most 60 letters, digits, - and _."),
        )
    parse_mapping(spec, target, get_target(target).all_fields())
    kept = {part: value for part, value in spec.items() if part not in ("target", "name")}
    title = name or str(spec.get("name") or "") or key
    return ImportMapping.objects.update_or_create(
        key=key, defaults={"name": title[:120], "target": target, "spec": kept}
    )[0]


def safe_file_name(name: str) -> str:
    """Return the last part of a file name without control characters, short enough to be kept."""
    last = re.split(r"[\\/]", name)[-1]
    clean = "".join(character for character in last if character.isprintable()).strip(" .")
    return clean[-200:] or "file.csv"

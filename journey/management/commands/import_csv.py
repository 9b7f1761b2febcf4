"""Import a CSV file of accounts, contacts, activities, opportunities or opportunity changes."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segmentation.errors import ProblemError
from segmentation.imports.bad_rows import bad_rows_file, write_matches
from segmentation.imports.errors import FileFaultError
from segmentation.imports.flags import flag_text, outcome_text
from segmentation.imports.report import ErrorSink, UpsertReport
from segmentation.imports.targets import targets
from segmentation.management.base import ProductCommand, fault
from segmentation.models import ImportTarget
from segmentation.services.imports import import_file, load_spec, safe_file_name, save_mapping, spec_with

FAULT, BAD_ROWS = 1, 3
SHOWN_ERRORS = 20


class Command(ProductCommand):
    help = "Import a CSV file. Exit code 1: a fault of the file, nothing stored; 3: bad rows, the good ones stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", choices=ImportTarget.values, help="what the file holds")
        parser.add_argument("file", type=Path, help="the CSV file")
        parser.add_argument("--mapping", metavar="FILE|KEY", help="a mapping file (JSON) or the key of a saved mapping")
        parser.add_argument(
            "--source-system", default="", help="whose external ids these are (default: the mapping's, else crm)"
        )
        parser.add_argument("--dry-run", action="store_true", help="count everything, store nothing")
        parser.add_argument("--strict", action="store_true", help="store nothing if a row is bad")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument("--save-mapping", metavar="KEY", help="keep the mapping for the next file of this kind")
        parser.add_argument(
            "--errors",
            metavar="FILE.csv",
            type=Path,
            help="write all bad rows with line, value and reason to this file",
        )

        parser.add_argument("--list", metavar="KEY", help="list-members: the target account list all rows are for")
        parser.add_argument(
            "--report", metavar="FILE.csv", type=Path, help="list-members: write what became of each row to this file"
        )

    def run(self, **options: Any) -> None:
        target, path = options["target"], options["file"]
        try:
            spec = load_spec(options["mapping"]) if options["mapping"] else None
            if options["list"] is not None:
                spec = spec_with(path, _of_lists(target, "list"), spec, list=options["list"])
            if options["report"] is not None:
                _of_lists(target, "report")
                _spare(options["report"], [path, Path(options["mapping"] or path), options["errors"] or path], "report")
            report = self._import(target, path, spec, options)
            if options["report"] is not None:
                write_matches(options["report"], report)
            if options["save_mapping"] and not options["dry_run"] and report.stored:
                save_mapping(options["save_mapping"], target, spec or {})
        except ProblemError as error:
            self._fault(error, options["json"], target, path)
            sys.exit(FAULT)
        if options["json"]:
            self.print_json({"file": safe_file_name(path.name), **report.as_dict()})
        else:
            self._tell(report, path, dry_run=options["dry_run"])
        if report.bad:
            sys.exit(BAD_ROWS)

    def _import(self, target: str, path: Path, spec: dict[str, Any] | None, options: dict[str, Any]) -> UpsertReport:
        targets()
        with ExitStack() as stack:
            sink: ErrorSink | None = None
            if options["errors"]:
                _spare(options["errors"], [path, Path(options["mapping"] or path)])
                sink = stack.enter_context(bad_rows_file(options["errors"]))
            return import_file(
                target,
                path,
                spec=spec,
                source_system=options["source_system"],
                dry_run=options["dry_run"],
                strict=options["strict"],
                sink=sink,
            )

    def _fault(self, error: ProblemError, as_json: bool, target: str, path: Path) -> None:
        if as_json:
            self.print_json({"target": target, "file": safe_file_name(path.name), **fault(error)})
        self.stderr.write(self.style.ERROR(str(error)))
        self.stderr.write(_("Nothing was stored."))

    def _tell(self, report: UpsertReport, path: Path, *, dry_run: bool) -> None:
        write = self.stdout.write
        rows = ngettext(
            "%(file)s: %(rows)s row read in %(seconds).1f s.",
            "%(file)s: %(rows)s rows read in %(seconds).1f s.",
            report.rows,
        )
        write(rows % {"file": safe_file_name(path.name), "rows": f"{report.rows:,}", "seconds": report.seconds})
        counts = {
            "new": report.inserted,
            "changed": report.updated,
            "same": report.unchanged,
            "double": report.duplicates,
            "bad": report.bad,
        }
        told = _("New %(new)s, changed %(changed)s, unchanged %(same)s, duplicates %(double)s, bad %(bad)s.")
        write(told % {name: f"{count:,}" for name, count in counts.items()})
        if report.matches:
            outcomes = report.as_dict()["outcomes"]
            write(", ".join(f"{outcome_text(name)}: {count:,}" for name, count in outcomes.items()))
        for kind, names in report.created.items():
            write(
                _("Made on the way (%(kind)s): %(names)s.")
                % {"kind": kind.replace("_", " "), "names": ", ".join(names[:20])}
            )
        for code, count in sorted(report.flagged.items()):
            write(_("Flagged %(count)s: %(what)s.") % {"count": f"{count:,}", "what": flag_text(code)})
        for item in report.replaced[:SHOWN_ERRORS]:
            said = _("Replaced in %(field)s: “%(old)s” by “%(new)s” on %(count)s rows.")
            write(said % {"field": item.field, "old": item.old, "new": item.new, "count": f"{item.rows:,}"})
        for item in report.unexpected[:SHOWN_ERRORS]:
            said = _("Not expected in %(field)s: “%(old)s” on %(count)s rows.")
            write(said % {"field": item.field, "old": item.old, "count": f"{item.rows:,}"})
        if report.unused_columns:
            write(_("Columns not used: %(columns)s.") % {"columns": ", ".join(report.unused_columns)})
        for error in report.errors[:SHOWN_ERRORS]:
            self.stderr.write(
                self.style.ERROR(_("Line %(line)s: %(message)s") % {"line": error.line, "message": error.message})
            )
        if len(report.errors) > SHOWN_ERRORS:
            self.stderr.write(_("The other bad rows are in the file that --errors FILE.csv writes."))
        if dry_run:
            write(_("This was a trial: nothing was stored."))
        elif not report.stored:
            write(_("Nothing was stored, because of the bad rows and --strict."))


def _of_lists(target: str, option: str) -> str:
    """Refuse an option that only means something for members of lists."""
    if target != ImportTarget.LIST_MEMBERS:
        raise FileFaultError(
            _("--%(field)s goes with list-members only, not with “%(value)s”."),
            code="option_not_fitting",
            field=option,
            value=target,
            remedy=_("Leave it out, or import list-members."),
        )
    return target


def _spare(errors: Path, read: list[Path], option: str = "errors") -> None:
    """Refuse to write a report over one of the files that are read."""
    if any(errors.exists() and file.exists() and errors.samefile(file) for file in read):
        raise FileFaultError(
            _("A report cannot be written to “%(value)s”: that file is being imported from."),
            code="same_file",
            field=option,
            value=errors.name,
            remedy=_("Give --%(field)s the name of another file."),
        )

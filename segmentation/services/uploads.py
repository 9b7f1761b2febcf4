"""Files uploaded in the admin: kept until they are imported, tried out, imported at once or as a job."""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from segmentation.errors import ConflictError, ProblemError
from segmentation.imports.bad_rows import bad_rows_file, write_matches
from segmentation.imports.report import UpsertReport
from segmentation.imports.targets import get_target
from segmentation.models import ImportRun, Job
from segmentation.services.imports import FileLook, import_file, look_at_file, safe_file_name, spec_with
from segmentation.services.jobs import Progress, request_job
from segmentation.services.users import Actor, author

IMPORT_JOB = "import"
LARGE_BYTES = 20 << 20  # larger files are imported in the background
CHECKED_BYTES = 5 << 20  # files up to this size are tried out as soon as they are uploaded
KEPT_SECONDS = 7 * 86_400  # uploads that nobody imported


def uploads_folder() -> Path:
    """Return the folder of uploads; nothing in it is served."""
    folder = Path(settings.MEDIA_ROOT) / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def upload_path(run: ImportRun) -> Path:
    """Return where the uploaded file lies.

    Raises:
        ConflictError: it is gone: imported, or too old.
    """
    path = uploads_folder() / Path(run.upload).name
    if not run.upload or not path.is_file():
        raise ConflictError(
            _("The uploaded file is not there any more."), code="upload_gone", remedy=_("Upload it once more.")
        )
    return path


def bad_rows_path(run: ImportRun) -> Path:
    """Return where the bad rows of an import are kept."""
    return uploads_folder() / f"bad-rows-{run.pk}.csv"


def match_report_path(run: ImportRun) -> Path:
    """Return where it is kept what became of each row of an import."""
    return uploads_folder() / f"match-report-{run.pk}.csv"


def store_upload(
    file: "UploadedFile[bytes]", *, target: str, spec: Mapping[str, Any], user: Actor, **constants: str
) -> ImportRun:
    """Keep an uploaded file and look at it.

    Args:
        constants: fields that have the same value in every row.

    Raises:
        ProblemError: it cannot be read as CSV; nothing is kept.
    """
    remove_old_uploads()
    get_target(target)
    name = f"{secrets.token_hex(16)}.csv"
    path = uploads_folder() / name
    with path.open("wb") as out:
        for chunk in file.chunks():
            out.write(chunk)
    try:
        look_at_file(path, target, spec=spec)
        spec = spec_with(path, target, spec, **constants) if constants else spec
    except ProblemError:
        path.unlink()
        raise
    return ImportRun.objects.create(
        target=target,
        file_name=safe_file_name(file.name or ""),
        upload=name,
        state=ImportRun.State.PREVIEW,
        spec=dict(spec),
        requested_by=author(user),
    )


def look_at_upload(run: ImportRun) -> FileLook:
    """Return how an uploaded file is written and its first rows."""
    return look_at_file(upload_path(run), run.target, spec=run.spec)


def is_large(run: ImportRun) -> bool:
    """Whether the file is imported in the background."""
    return upload_path(run).stat().st_size > LARGE_BYTES


def check_upload(run: ImportRun, *, spec: Mapping[str, Any], user: Actor) -> UpsertReport:
    """Try out an uploaded file: everything is counted, nothing is stored."""
    return _import(run, spec=spec, user=user, dry_run=True, strict=False)


def import_upload(run: ImportRun, *, spec: Mapping[str, Any], user: Actor, strict: bool = False) -> UpsertReport:
    """Import an uploaded file now. It is removed once it is stored."""
    path = upload_path(run)
    report = _import(run, spec=spec, user=user, dry_run=False, strict=strict)
    if report.stored:
        ImportRun.objects.filter(pk=run.pk).update(upload="")
        path.unlink(missing_ok=True)
    return report


def _import(run: ImportRun, *, spec: Mapping[str, Any], user: Actor, dry_run: bool, strict: bool) -> UpsertReport:
    path = upload_path(run)
    with bad_rows_file(bad_rows_path(run)) as sink:
        report = import_file(
            run.target, path, spec=spec, dry_run=dry_run, strict=strict, sink=sink, user=user, record=run
        )
    if not report.bad:
        bad_rows_path(run).unlink(missing_ok=True)
    if report.matches:
        write_matches(match_report_path(run), report)
    return report


def request_import(run: ImportRun, *, spec: Mapping[str, Any], user: Actor, strict: bool = False) -> Job:
    """Import an uploaded file in the background."""
    upload_path(run)
    run.spec = dict(spec)
    run.save(update_fields=["spec"])
    return request_job(
        kind=IMPORT_JOB,
        title=_("Import of %(file)s") % {"file": run.file_name},
        params={"import": run.pk, "strict": strict},
        user=user,
        unique_key=f"import:{run.pk}",
    )


def run_import_job(params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Import the file of a job. A second run finds the file gone and changes nothing."""
    run = ImportRun.objects.select_related("requested_by").get(pk=params["import"])
    progress(0.05, _("reading the file"))
    report = import_upload(run, spec=run.spec, user=run.requested_by, strict=bool(params.get("strict")))
    return {key: value for key, value in report.as_dict().items() if key not in ("errors", "examples")}


def remove_old_uploads() -> int:
    """Remove uploads nobody imported, and old lists of bad rows; returns how many."""
    removed = 0
    for path in uploads_folder().iterdir():
        if path.is_file() and path.stat().st_mtime < time.time() - KEPT_SECONDS:
            path.unlink(missing_ok=True)
            removed += 1
    return removed

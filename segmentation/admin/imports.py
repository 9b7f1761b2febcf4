"""Importing a file: upload it, look at it, say which column is what, try it out, store it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, ChoicesRadioFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from segmentation.admin.base import GREY, ReadOnlyAdmin, admin_url, chip, link
from segmentation.errors import ProblemError
from segmentation.imports.fields import Field
from segmentation.imports.flags import flag_text, outcome_text
from segmentation.imports.mapping import CUSTOM_TYPES
from segmentation.imports.targets import get_target, targets
from segmentation.models import ImportMapping, ImportRun, ImportTarget, Job, TargetList
from segmentation.selectors.access import is_closed
from segmentation.services.imports import FileLook, load_spec, save_mapping
from segmentation.services.uploads import (
    CHECKED_BYTES,
    bad_rows_path,
    check_upload,
    import_upload,
    is_large,
    look_at_upload,
    match_report_path,
    request_import,
    store_upload,
    upload_path,
)

COLOURS = {
    ImportRun.State.DONE: "#16a34a",
    ImportRun.State.DONE_WITH_BAD_ROWS: "#d97706",
    ImportRun.State.FAILED: "#dc2626",
    ImportRun.State.PREVIEW: "#94a3b8",
}
OUTCOME_COLOURS = {
    "added": "#16a34a",
    "changed": "#2563eb",
    "already": "#64748b",
    "ambiguous": "#d97706",
    "not_found": "#d97706",
    "refused": "#dc2626",
}
STORED = {ImportRun.State.DONE, ImportRun.State.DONE_WITH_BAD_ROWS}
SHOWN_ERRORS = 50
SHOWN_NAMES = 20
CREATED = {
    "teams": _("Sales teams"),
    "activity_types": _("Activity types"),
    "crm_stages": _("CRM stages"),
    "custom_fields": _("Custom fields"),
}
COUNTS = (
    ("rows", _("Rows")),
    ("inserted", _("New")),
    ("updated", _("Changed")),
    ("unchanged", _("Unchanged")),
    ("duplicates", _("Duplicates")),
    ("bad", _("Bad rows")),
)


def allowed_targets(request: HttpRequest) -> list[tuple[str, Any]]:
    """Return what the user may import: adding and changing the records is what an import does."""
    labels = dict(ImportTarget.choices)
    return [(key, labels[key]) for key in targets() if may_import(request, key)]


def may_import(request: HttpRequest, target: str) -> bool:
    """Whether the user may add and change the records of a target."""
    options = get_target(target).model._meta
    user = request.user
    return all(user.has_perm(f"{options.app_label}.{verb}_{options.model_name}") for verb in ("add", "change"))


class UploadForm(forms.Form):
    """A file and what it holds."""

    file = forms.FileField(label=_("CSV file"), widget=UnfoldAdminFileFieldWidget, max_length=300)
    target = forms.ChoiceField(label=_("What the file holds"), widget=UnfoldAdminSelectWidget)
    mapping = forms.ModelChoiceField(
        label=_("Saved mapping"),
        queryset=ImportMapping.objects.all(),
        to_field_name="key",
        required=False,
        empty_label=_("none: find the columns by their headings"),
        widget=UnfoldAdminSelectWidget,
    )

    target_list = forms.ModelChoiceField(
        label=_("Target account list"),
        queryset=TargetList.objects.filter(active=True),
        to_field_name="key",
        required=False,
        empty_label=_("a column of the file says it"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("For members of target account lists: the list all rows are for."),
    )

    def __init__(self, *args: Any, choices: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target"].choices = choices  # type: ignore[attr-defined]
        if ImportTarget.LIST_MEMBERS not in dict(choices):
            del self.fields["target_list"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        mapping, target = cleaned.get("mapping"), cleaned.get("target")
        if mapping and target and mapping.target != target:
            self.add_error(
                "mapping",
                gettext("This mapping is for %(target)s. Choose another, or none.")
                % {"target": mapping.get_target_display()},
            )
        if cleaned.get("target_list") and target and target != ImportTarget.LIST_MEMBERS:
            self.add_error("target_list", gettext("Only members of target account lists go onto one. Leave it empty."))
        return cleaned


class MappingForm(forms.Form):
    """Which column of the file is which field, and how the values are written."""

    source_system = forms.SlugField(
        label=_("Source system"),
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Whose external ids these are. Empty: crm."),
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        max_length=60,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Of times without zone, such as Asia/Shanghai. Empty: that of this site."),
    )
    date_format = forms.CharField(
        label=_("Form of dates"),
        max_length=60,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Such as %d/%m/%Y. Empty: year, month, day."),
    )
    new_types = forms.ChoiceField(
        label=_("Unknown activity types"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        choices=[
            ("", _("are bad rows")),
            ("marketing", _("are made, on the marketing side")),
            ("sales", _("are made, on the sales side")),
            ("product", _("are made, on the product side")),
        ],
    )
    strict = forms.BooleanField(
        label=_("Store nothing if a row is bad"), required=False, widget=UnfoldBooleanSwitchWidget
    )
    save_as = forms.CharField(
        label=_("Keep this mapping as"),
        max_length=60,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("A name for the next file of this kind. Empty: it is not kept."),
    )

    def __init__(self, data: Any = None, *, run: ImportRun, look: FileLook) -> None:
        self.spec, self.look = dict(run.spec), look
        self.target_fields = get_target(run.target).all_fields(self._custom())
        rules = self.spec.get("columns") or {}
        chosen = {name: _column_of(rule) for name, rule in rules.items()} or (
            {} if "expand" in self.spec else look.suggested
        )
        initial = {
            "source_system": self.spec.get("source_system", ""),
            "time_zone": self.spec.get("time_zone", ""),
            "date_format": self.spec["date_format"] if isinstance(self.spec.get("date_format"), str) else "",
            "new_types": self.spec.get("new_types", ""),
            **{f"field-{name}": column for name, column in chosen.items()},
        }
        super().__init__(data, initial=initial)
        if run.target != ImportTarget.ACTIVITIES:
            del self.fields["new_types"]
        columns = [("", "–"), *((column, column) for column in look.file.header)]
        for field in self.target_fields:
            self.fields[f"field-{field.name}"] = forms.ChoiceField(
                label=field.label, choices=columns, required=False, widget=UnfoldAdminSelectWidget
            )

    def _custom(self) -> Mapping[str, Mapping[str, str]]:
        """The custom fields a mapping declares, in the form the targets expect."""
        declared = self.spec.get("custom_fields") or {}
        full = {key: {"type": value} if isinstance(value, str) else value for key, value in declared.items()}
        return {
            key: {"type": value.get("type", CUSTOM_TYPES[0]), "label": value.get("label", key)}
            for key, value in full.items()
        }

    def column_rows(self) -> list[dict[str, Any]]:
        """Return each field with its select and with what the mapping does beside choosing a column."""
        return [
            {"field": field, "select": self[f"field-{field.name}"], "more": self._more(field)}
            for field in self.target_fields
        ]

    def _more(self, field: Field) -> str:
        rule = (self.spec.get("columns") or {}).get(field.name)
        if not isinstance(rule, Mapping):
            return ""
        if "constant" in rule:
            return gettext("always “%(value)s”") % {"value": rule["constant"]}
        told = []
        if rule.get("values"):
            told.append(gettext("%(number)s values replaced") % {"number": len(rule["values"])})
        if rule.get("scale"):
            told.append(gettext("times %(scale)s") % {"scale": rule["scale"]})
        if rule.get("default"):
            told.append(gettext("“%(value)s” where empty") % {"value": rule["default"]})
        return ", ".join(told)

    def new_spec(self) -> dict[str, Any]:
        """Return the mapping with what was chosen; what the page does not show of it stays."""
        spec, given = dict(self.spec), self.cleaned_data
        old = spec.get("columns") or {}
        columns: dict[str, Any] = {}
        for field in self.target_fields:
            column, rule = given.get(f"field-{field.name}"), old.get(field.name)
            if column:
                columns[field.name] = {**rule, "column": column} if isinstance(rule, Mapping) else column
            elif isinstance(rule, Mapping) and "constant" in rule:
                columns[field.name] = rule
        spec["columns"] = columns
        for name in ("source_system", "time_zone", "date_format", "new_types"):
            if given.get(name):
                spec[name] = given[name]
            elif name in given and isinstance(spec.get(name, ""), str):
                spec.pop(name, None)
        return spec


def _column_of(rule: Any) -> str:
    return rule if isinstance(rule, str) else str(rule.get("column", "")) if isinstance(rule, Mapping) else ""


def report_context(run: ImportRun) -> dict[str, Any]:
    """Return what the template of a report shows."""
    report = run.report or {}
    fault = report.get("fault")
    counts = [(label, report[name]) for name, label in COUNTS if isinstance(report.get(name), int)]
    if isinstance(report.get("rows"), dict):  # demo data: rows of each table
        labels = dict(ImportTarget.choices)
        tables = {name.replace("_", "-"): number for name, number in report["rows"].items()}
        counts = [(label, tables[name]) for name, label in labels.items() if name in tables]
    return {
        "report": report,
        "fault": fault,
        "counts": counts,
        "was_stored": bool(report.get("stored")) or (run.state in STORED and not fault),
        "flags": [
            {"text": flag_text(code), "count": count, "examples": report.get("examples", {}).get(code, [])[:10]}
            for code, count in report.get("flagged", {}).items()
        ],
        "created": [
            (CREATED.get(kind, kind), names[:SHOWN_NAMES], max(len(names) - SHOWN_NAMES, 0))
            for kind, names in report.get("created", {}).items()
        ],
        "outcomes": [
            (chip(outcome_text(name), OUTCOME_COLOURS.get(name, GREY)), count)
            for name, count in report.get("outcomes", {}).items()
        ],
        "matches": [
            {**match, "chip": chip(outcome_text(match["outcome"]), OUTCOME_COLOURS.get(match["outcome"], GREY))}
            for match in report.get("matches", [])[:SHOWN_ERRORS]
        ],
        "more_matches": max(sum(report.get("outcomes", {}).values()) - SHOWN_ERRORS, 0),
        "match_report_url": admin_url("segmentation_importrun_match_report", run.pk)
        if match_report_path(run).is_file()
        else None,
        "bad_rows": report.get("errors", [])[:SHOWN_ERRORS],  # "errors" is what a form of the admin has
        "more_bad_rows": max(report.get("bad", 0) - SHOWN_ERRORS, 0),
        "bad_rows_url": admin_url("segmentation_importrun_bad_rows", run.pk) if bad_rows_path(run).is_file() else None,
    }


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    """Files that were imported or tried out; adding one imports a file."""

    list_display = ["file_name", "target", "state_chip", "rows", "bad", "created_at", "requested_by"]
    list_select_related = ["requested_by"]
    list_filter = [("target", ChoicesRadioFilter), ("state", ChoicesCheckboxFilter)]
    search_fields = ["file_name"]
    sortable_by = ["created_at", "file_name"]
    empty_text = _(
        "Import a CSV file of accounts, contacts, activities, opportunities or their changes, or of target lists."
    )
    fieldsets = [
        (None, {"fields": [("file_name", "target"), ("state_chip", "next_step"), ("created_at", "requested_by")]}),
        (_("Details"), {"fields": ["spec", "file_sha256"], "classes": ["collapse"]}),
    ]
    readonly_fields = ["state_chip", "next_step"]
    change_form_outer_before_template = "admin/imports/report.html"

    class Media:
        css = {"all": ["segmentation/imports.css"]}

    @display(description=_("state"), ordering="state")
    def state_chip(self, run: ImportRun) -> Any:
        return chip(run.get_state_display(), COLOURS[ImportRun.State(run.state)])

    @display(description=_("rows"))
    def rows(self, run: ImportRun) -> Any:
        rows = run.report.get("rows")
        rows = sum(rows.values()) if isinstance(rows, dict) else rows
        return f"{rows:,}" if isinstance(rows, int) else "-"

    @display(description=_("bad rows"))
    def bad(self, run: ImportRun) -> Any:
        return run.report.get("bad") or "-"

    @display(description=_("next"))
    def next_step(self, run: ImportRun) -> Any:
        if run.upload and run.state != ImportRun.State.DONE:
            return link(admin_url("segmentation_importrun_preview", run.pk), _("Look at the file and import it"))
        return "-"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may_add(request) and any(may_import(request, key) for key in targets())

    def _may_add(self, request: HttpRequest) -> bool:
        return request.user.has_perm("segmentation.add_importrun") and not is_closed(ImportRun, request.user)

    def get_urls(self) -> list[URLPattern]:
        def page(name: str, view: Any) -> URLPattern:
            url = f"<int:run_id>/{name.replace('_', '-')}/"
            return path(url, self.admin_site.admin_view(view), name=f"segmentation_importrun_{name}")

        return [
            page("preview", self.preview_view),
            page("bad_rows", self.bad_rows_view),
            page("match_report", self.match_report_view),
            *super().get_urls(),
        ]

    def _run(self, request: HttpRequest, run_id: int) -> ImportRun:
        """Return an import the user may go on with."""
        if not self._may_add(request):
            raise PermissionDenied
        run = ImportRun.objects.filter(pk=run_id).first()
        if run is None:
            raise Http404
        if not may_import(request, run.target):
            raise PermissionDenied
        return run

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a file and what it holds."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(
            request.POST or None,
            request.FILES or None,
            choices=allowed_targets(request),
            initial={"target": request.GET.get("target", ""), "target_list": request.GET.get("list", "")},
        )
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            mapping = given["mapping"]
            try:
                spec = load_spec(mapping.key) if mapping else {}
                spec.pop("target", None)
                same = {"list": given["target_list"].key} if given.get("target_list") else {}
                run = store_upload(given["file"], target=given["target"], spec=spec, user=request.user, **same)
            except ProblemError as problem:
                form.add_error("file", str(problem))
            else:
                self._try_at_once(request, run)
                return HttpResponseRedirect(reverse("admin:segmentation_importrun_preview", args=[run.pk]))
        context = {"title": gettext("Import a file"), "form": form, **(extra_context or {})}
        return self._page(request, "admin/imports/upload.html", context)

    def _try_at_once(self, request: HttpRequest, run: ImportRun) -> None:
        if upload_path(run).stat().st_size > CHECKED_BYTES:
            return
        try:
            check_upload(run, spec=run.spec, user=request.user)
        except ProblemError:
            pass  # kept with the import and shown on its page, where the mapping can be mended

    def preview_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show the file, the mapping and what an import would do; try it out or import it."""
        run = self._run(request, run_id)
        try:
            look = look_at_upload(run)
        except ProblemError as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(reverse("admin:segmentation_importrun_change", args=[run.pk]))
        form = MappingForm(request.POST or None, run=run, look=look)
        if request.method == "POST" and form.is_valid():
            try:
                return self._act(request, run, form)
            except ProblemError as problem:
                messages.error(request, str(problem))
                return HttpResponseRedirect(request.path)
        columns = list(look.file.header)
        context = {
            "title": run.file_name,
            "run": run,
            "form": form,
            "look": look,
            "columns": columns,
            "sample": look.sample,
            "large": is_large(run),
            "expands": len(run.spec.get("expand") or []),
            **report_context(run),
        }
        return self._page(request, "admin/imports/preview.html", context)

    def _act(self, request: HttpRequest, run: ImportRun, form: MappingForm) -> HttpResponse:
        spec, action = form.new_spec(), request.POST.get("action")
        if form.cleaned_data.get("save_as"):
            name = form.cleaned_data["save_as"]
            key = slugify(name) or f"{run.target}-{run.pk}"
            save_mapping(key, run.target, spec, name=name)
            messages.success(request, gettext("The mapping is kept as “%(name)s”.") % {"name": name})
        if action != "import":
            check_upload(run, spec=spec, user=request.user)
            return HttpResponseRedirect(request.path)
        strict = bool(form.cleaned_data.get("strict"))
        if is_large(run):
            job: Job = request_import(run, spec=spec, user=request.user, strict=strict)
            messages.info(request, gettext("The file is imported in the background."))
            return HttpResponseRedirect(reverse("admin:segmentation_job_change", args=[job.pk]))
        report = import_upload(run, spec=spec, user=request.user, strict=strict)
        if report.stored:
            self.log_addition(request, run, gettext("File imported."))
            said = gettext("Imported: %(new)s new, %(changed)s changed, %(bad)s bad rows left out.")
            numbers = {"new": report.inserted, "changed": report.updated, "bad": report.bad}
            messages.success(request, said % {name: f"{number:,}" for name, number in numbers.items()})
            return HttpResponseRedirect(reverse("admin:segmentation_importrun_change", args=[run.pk]))
        messages.error(request, gettext("Nothing was stored, because there are bad rows."))
        return HttpResponseRedirect(request.path)

    def bad_rows_view(self, request: HttpRequest, run_id: int) -> FileResponse:
        """Hand out all bad rows of an import as CSV."""
        return self._file(request, run_id, bad_rows_path)

    def match_report_view(self, request: HttpRequest, run_id: int) -> FileResponse:
        """Hand out what became of each row of an import as CSV."""
        return self._file(request, run_id, match_report_path)

    def _file(self, request: HttpRequest, run_id: int, path_of: Callable[[ImportRun], Path]) -> FileResponse:
        run = ImportRun.objects.filter(pk=run_id).first()
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None or not path_of(run).is_file():
            raise Http404
        found = path_of(run)
        return FileResponse(found.open("rb"), as_attachment=True, filename=found.name, content_type="text/csv")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        run = ImportRun.objects.filter(pk=int(object_id)).first() if object_id and object_id.isdecimal() else None
        context = report_context(run) if run else {}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        shared = {**self.admin_site.each_context(request), "opts": self.model._meta}
        return TemplateResponse(request, template, {**shared, **context})

"""What all pages of the admin share: list sizes, counts that do not scan, who changed what, lists typed by line."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pghistory
from django import forms
from django.contrib.postgres.fields import ArrayField
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget

from segmentation.admin.access import VisibleAdmin, VisibleChangeList, VisibleInline
from segmentation.selectors.access import own_teams, visible_to
from segmentation.selectors.tables import estimated_rows

HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
GREY = "#94a3b8"
MOST_COUNTED = 10_000  # rows a list of a huge table counts and pages through
MOST_NAMED = 100  # objects the page that asks before deleting names


def admin_url(name: str, *args: Any) -> str | None:
    """Return the address of a page of the admin, or nothing where no such page exists."""
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return None


def link(url: str | None, text: Any) -> SafeString | str:
    """Return a link, or the bare text without an address."""
    return format_html('<a class="aj-link" href="{}">{}</a>', url, text) if url else text


def chip(text: Any, colour: str = GREY) -> SafeString:
    """Return a coloured label. A colour that is none is shown grey: it ends up in a style attribute."""
    return format_html(
        '<span class="aj-chip" style="--chip: {}">{}</span>',
        colour if HEX_COLOUR.fullmatch(colour or "") else GREY,
        text,
    )


def short_date(moment: dt.datetime | None) -> str:
    """Return the day of a moment, short enough for a column."""
    return formats.date_format(timezone.localtime(moment), "SHORT_DATE_FORMAT") if moment else "-"


def progress_bar(share: float, text: Any = "") -> SafeString:
    """Return a bar filled to `share` of its width, with a text beside it."""
    percent = round(min(max(share, 0.0), 1.0) * 100)
    return format_html(
        '<span class="aj-progress"><span class="aj-track"><span class="aj-fill" style="width: {}%"></span></span>'
        '<span class="aj-progress-text">{}</span></span>',
        percent,
        text or f"{percent} %",
    )


class CappedPaginator(Paginator):
    """Counts at most `MOST_COUNTED` rows: nobody pages further, and counting ten million takes seconds."""

    template_name = "admin/pagination_capped.html"

    @cached_property
    def count(self) -> int:
        rows = self.object_list.order_by().values("pk")[: MOST_COUNTED + 1]  # type: ignore[attr-defined]
        self.capped = (found := rows.count()) > MOST_COUNTED
        return min(found, MOST_COUNTED)

    @cached_property
    def estimate(self) -> int | None:
        """About how many rows the whole table has."""
        return estimated_rows(self.object_list.model)  # type: ignore[attr-defined]


class QuietChangeList(VisibleChangeList):
    """Says "12 results" only where something was searched or filtered, and counts no table twice for it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        is_whole = self.full_result_count is None and not (self.query or self.has_active_filters)
        if is_whole or getattr(self.paginator, "capped", False):  # a number that only says where counting ended
            self.full_result_count: int | None = self.result_count


class LinesField(forms.CharField):
    """A list of texts, one on each line."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, max_item_length: int | None = None, **kwargs: Any) -> None:
        self.max_item_length = max_item_length
        super().__init__(**kwargs)
        self.widget.attrs["rows"] = 3

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in (super().to_python(value) or "").splitlines()]
        return list(dict.fromkeys(line for line in lines if line))

    def validate(self, value: Any) -> None:
        super().validate(value)
        for line in value:
            if self.max_item_length and len(line) > self.max_item_length:
                raise forms.ValidationError(
                    _("“%(line)s…” has %(length)d characters; a line may have %(most)d."),
                    code="line_too_long",
                    params={"line": line[:40], "length": len(line), "most": self.max_item_length},
                )

    def run_validators(self, value: Any) -> None:
        """Validators of texts look at each line."""
        for line in value:
            super().run_validators(line)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.to_python(data)


class _LinesMixin:
    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, ArrayField):
            help_text = db_field.help_text or _("One on each line.")
            return LinesField(
                label=db_field.verbose_name.capitalize(),
                help_text=help_text,
                required=not db_field.blank,
                max_item_length=db_field.base_field.max_length,
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]


def uses(model: Any, objs: Any) -> Iterator[str]:
    """Say of each table how many of its rows forbid that these objects are deleted; counting stops early."""
    keys = [obj.pk for obj in objs]
    for relation in model._meta.related_objects:
        if relation.on_delete is not models.PROTECT:
            continue
        rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": keys}).order_by()
        found = rows.values("pk")[: MOST_COUNTED + 1].count()
        if found:
            options = relation.related_model._meta
            number = f"{MOST_COUNTED:,}+" if found > MOST_COUNTED else f"{found:,}"
            yield f"{number} {options.verbose_name if found == 1 else options.verbose_name_plural}"


def shortened(names: list[Any], most: int) -> tuple[list[Any], int]:
    """Return at most `most` entries of a list of lists, an ellipsis for the others, and how many are left of `most`."""
    kept: list[Any] = []
    for entry in names:
        if most <= 0:
            return [*kept, "…"], 0
        if isinstance(entry, list):
            entry, most = shortened(entry, most)
        else:
            most -= 1
        kept.append(entry)
    return kept, most


class ProductAdmin(VisibleAdmin, _LinesMixin, ModelAdmin):
    """The base of every page: what is changed here is kept in the field history with who did it.

    Users who are limited to their sales teams find only rows of these: `segmentation.selectors.access`.
    """

    formfield_overrides: Any = {models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})}}
    list_per_page = 25
    list_max_show_all = 200
    list_filter_submit = True
    list_disable_select_all = True
    show_facets: Any = None  # facets count every choice with a query of its own
    warn_unsaved_form = True
    empty_text: Any = ""  # where rows come from, for a list without any

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QuietChangeList

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Something that does not exist yet has no rows to look at."""
        inlines = super().get_inlines(request, obj)
        return [inline for inline in inlines if obj is not None or not issubclass(inline, ReadOnlyInline)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Something that does not exist yet has no values of the system's own to show."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None:
            return fieldsets
        hidden = set(self.get_readonly_fields(request, obj))
        kept = []
        for name, options in fieldsets:
            rows = [[row] if isinstance(row, str) else row for row in options["fields"]]
            rows = [tuple(field for field in row if field not in hidden) for row in rows]
            if any(rows):
                kept.append((name, {**options, "fields": [row for row in rows if row]}))
        return kept

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with pghistory.context(user=request.user.pk, source="admin"):
            return super().changeform_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with pghistory.context(user=request.user.pk, source="admin"):
            return super().changelist_view(request, *args, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what is in the way by its number, and a few of what goes: either may be a million rows."""
        if in_the_way := list(uses(self.model, objs)):
            return [], {}, set(), in_the_way
        deleted, numbers, perms_needed, protected = super().get_deleted_objects(objs, request)
        return shortened(deleted, MOST_NAMED)[0], numbers, perms_needed, protected[:MOST_NAMED]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if hasattr(obj, "updated_at"):
            obj.updated_at = timezone.now()
        super().save_model(request, obj, form, change)


class KeyedAdmin(ProductAdmin):
    """Things known by a key, made from the name when they are added and fixed from then on: others refer to it."""

    prepopulated_fields: Any = {"key": ["name"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *(["key"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)


class ReadOnlyAdmin(ProductAdmin):
    """Rows the system writes: to be looked at."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ProductInline(VisibleInline, _LinesMixin, TabularInline):
    """A table on the page of its parent, ten rows at a time, in a tab of its own."""

    extra = 0
    tab = True
    per_page = 10
    show_change_link = True
    hide_title = True


class ReadOnlyInline(ProductInline):
    """Rows of the parent to be looked at; they are edited on their own page."""

    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ValuesFilter(DropdownFilter):
    """The values a text column has, the most frequent first. Kept for a minute: finding them reads the whole column."""

    field = ""
    most = 200

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.title = model._meta.get_field(self.field).verbose_name
        self.parameter_name = self.field
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        def found() -> list[str]:
            rows = visible_to(model_admin.model._default_manager.exclude(**{self.field: ""}), request.user).order_by()
            counted = rows.values_list(self.field).annotate(rows=models.Count("pk")).order_by("-rows", self.field)
            return [value for value, _rows in counted[: self.most]]

        teams = own_teams(request.user)
        whose = "all" if teams is None else "-".join(map(str, sorted(teams)))
        values = cache.get_or_set(f"values:{model_admin.model._meta.label_lower}:{self.field}:{whose}", found, 60) or []
        return [(value, value) for value in values]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


def values_filter(field: str) -> type[ValuesFilter]:
    """Return a filter by the values of a text column."""
    return type(f"{field.title()}Filter", (ValuesFilter,), {"field": field})


__all__ = [
    "CappedPaginator",
    "KeyedAdmin",
    "LinesField",
    "ProductAdmin",
    "ProductInline",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "StackedInline",
    "ValuesFilter",
    "admin_url",
    "chip",
    "link",
    "progress_bar",
    "short_date",
    "values_filter",
]

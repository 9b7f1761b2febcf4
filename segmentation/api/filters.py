"""Filters of lists: made from the models, strict about names and values."""

from collections.abc import Iterable, Mapping
from typing import Any

import django_filters
from django import forms
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.plumbing import build_array_type
from drf_spectacular.utils import set_override
from rest_framework.request import Request

from segmentation.api.errors import Problem, error_item
from segmentation.api.filter_fields import (
    DayField,
    InstantField,
    KnownField,
    NumberField,
    OneOfField,
    SeveralField,
    TextField,
    WholeField,
    YesNoField,
)
from segmentation.errors import closest, shorten
from segmentation.selectors.access import is_limited, only_visible_link, reaches_hidden

Column = Any  # a field of a model; Django's own type takes no parameters at run time

RANGE = {
    "gte": _("%(name)s: this or more."),
    "gt": _("%(name)s: more than this."),
    "lte": _("%(name)s: this or less."),
    "lt": _("%(name)s: less than this."),
}
TIMES = {
    "gte": _("%(name)s: at this moment or later."),
    "gt": _("%(name)s: later than this."),
    "lte": _("%(name)s: at this moment or before."),
    "lt": _("%(name)s: before this moment."),
}


class StrictFilter(django_filters.Filter):
    """A filter whose field refuses what it does not understand; the description of the API shows `schema`."""

    def __init__(
        self, field_name: str, lookup: str, form_field: forms.Field, schema: Mapping[str, Any], help_text: Any
    ):
        super().__init__(field_name, lookup, help_text=help_text)
        self._field = form_field
        form_field.required = False
        set_override(self, "field", {**schema, "description": help_text})

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if value is None or value == "":
            return qs
        return self._narrow(qs, value)

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__{self.lookup_expr}": value})


class TextFilter(StrictFilter):
    """A text a column holds: exactly this, or by another lookup."""

    def __init__(self, field_name: str, help_text: Any, lookup: str = "exact"):
        super().__init__(field_name, lookup, TextField(), {"type": "string"}, help_text)


class AccountIdFilter(TextFilter):
    """The external id of the account a row belongs to."""

    def __init__(self) -> None:
        super().__init__("account__external_id", _("External id of the account."))


class EmptyFilter(StrictFilter):
    """Whether a field is empty: null, or a text or list without content."""

    def __init__(self, field: Column, help_text: Any):
        super().__init__(field.name, "isempty", YesNoField(), {"type": "boolean"}, help_text)
        self.condition = (
            Q(**{f"{field.name}__isnull": True})
            if field.null
            else Q(**{field.name: []})
            if isinstance(field, ArrayField)
            else Q(**{field.name: ""})
        )

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.filter(self.condition if value else ~self.condition)


class SearchFilter(StrictFilter):
    """Text anywhere in one of several fields, whatever the case."""

    def __init__(self, *fields: str, lists: tuple[str, ...] = (), help_text: Any):
        super().__init__("search", "icontains", TextField(min_length=2), {"type": "string", "minLength": 2}, help_text)
        self.fields, self.lists = fields, lists

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        found = Q()
        for name in (*self.fields, *self.lists):
            found |= Q(**{f"{name}__icontains": value})
        return qs.filter(found)


class ExternalIdFilter(StrictFilter):
    """The external id of a fact, kept in its source key together with the source system."""

    def __init__(self) -> None:
        super().__init__(
            "source_key",
            "exact",
            TextField(),
            {"type": "string"},
            _("External id: exactly this; of the source system “crm” unless source_system is given."),
        )

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.filter(source_key=f"{self.parent.data.get('source_system', 'crm')}:{value}")


class SourceSystemFilter(StrictFilter):
    """Whose external id is meant; alone it would look through all facts."""

    def __init__(self) -> None:
        super().__init__(
            "source_key",
            "startswith",
            TextField(),
            {"type": "string"},
            _("Source system of the external id; only together with external_id."),
        )

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if "external_id" not in self.parent.data:
            raise Problem(
                "invalid",
                _t("Give external_id too, or filter by account, contact or time."),
                code="incomplete",
                field="source_system",
                value=value,
            )
        return qs


def _form_field(field: Column) -> tuple[type[forms.Field], dict[str, Any], dict[str, Any], Mapping[str, Any]]:
    """Return the class of form field for a column, its arguments, the schema of a value and the texts of its ranges."""
    values = [value for value, _label in field.flatchoices if value not in ("", None)]
    if values:
        return (
            OneOfField,
            {"values": values},
            {"type": "integer" if isinstance(values[0], int) else "string", "enum": values},
            {},
        )
    if isinstance(field, models.BooleanField):
        return YesNoField, {}, {"type": "boolean"}, {}
    if isinstance(field, models.ForeignKey | models.IntegerField):
        return (
            WholeField,
            {},
            {"type": "integer"},
            RANGE if not isinstance(field, models.ForeignKey | models.BigAutoField) else {},
        )
    if isinstance(field, models.DecimalField):
        return NumberField, {}, {"type": "number"}, RANGE
    if isinstance(field, models.DateTimeField):
        return InstantField, {}, {"type": "string", "format": "date-time"}, TIMES
    if isinstance(field, models.DateField):
        return DayField, {}, {"type": "string", "format": "date"}, TIMES
    if isinstance(field, models.CharField | models.TextField):
        return TextField, {}, {"type": "string"}, {}
    raise TypeError(f"No filter is known for the column {field}.")


def _described(text: Any, name: Any) -> Promise:
    return format_lazy("{}", _Filled(text, name))


class _Filled:
    """A lazy text with %(name)s in it, filled when it is shown."""

    def __init__(self, text: Any, name: Any):
        self.text, self.name = text, name

    def __str__(self) -> str:
        return str(self.text) % {"name": capfirst(str(self.name))}


def filters_of(field: Column, keyed: Mapping[str, str], most: Iterable[str] | None = None) -> dict[str, StrictFilter]:
    """Return the filters of one column: exact, several values, ranges, empty or not.

    Args:
        field: the column.
        keyed: foreign keys that are named by a field of the other table instead of its primary key.
        most: only these of the kinds (exact, in, gte, gt, lte, lt, isempty).
    """
    name, label = field.name, field.verbose_name
    found: dict[str, StrictFilter] = {}
    if isinstance(field, ArrayField):
        text = _described(_("%(name)s: this is one of them."), label)
        found[name] = StrictFilter(name, "contains", SeveralField(one=TextField()), {"type": "string"}, text)
    elif name in keyed:
        model: Any = field.related_model
        arguments = {"model": model, "key": keyed[name]}
        schema = {"type": "string"}
        found[name] = StrictFilter(
            f"{name}_id",
            "exact",
            KnownField(**arguments),
            schema,
            _described(_("%(name)s, by its key or name."), label),
        )
        found[f"{name}__in"] = StrictFilter(
            f"{name}_id",
            "in",
            SeveralField(one=KnownField(**arguments)),
            build_array_type(schema),
            _described(_("%(name)s: one of these, with commas."), label),
        )
    else:
        found |= _plain_filters(field)
    if field.null or (field.blank and isinstance(field, ArrayField | models.CharField)):
        found[f"{name}__isempty"] = EmptyFilter(field, _described(_("%(name)s: is it empty?"), label))
    return (
        found
        if most is None
        else {key: item for key, item in found.items() if (key.removeprefix(name).lstrip("_") or "exact") in most}
    )


def _plain_filters(field: Column) -> dict[str, StrictFilter]:
    form_field, arguments, schema, ranges = _form_field(field)
    name, label = field.attname, field.verbose_name
    public = field.name
    exact = _("%(name)s, by primary key.") if isinstance(field, models.ForeignKey) else _("%(name)s: exactly this.")
    found = {}
    if not isinstance(field, models.DateTimeField):
        found[public] = StrictFilter(name, "exact", form_field(**arguments), schema, _described(exact, label))
    if form_field not in (YesNoField, InstantField, DayField, NumberField):
        several = SeveralField(one=form_field(**arguments))
        found[f"{public}__in"] = StrictFilter(
            name,
            "in",
            several,
            build_array_type(dict(schema)),
            _described(_("%(name)s: one of these, with commas."), label),
        )
    for lookup, text in ranges.items():
        found[f"{public}__{lookup}"] = StrictFilter(
            name, lookup, form_field(**arguments), schema, _described(text, label)
        )
    return found


def make_filterset(
    model: type[models.Model],
    *,
    keyed: Mapping[str, str] | None = None,
    also: Mapping[str, StrictFilter] | None = None,
    without: Mapping[str, str] | None = None,
    only: Mapping[str, Iterable[str]] | None = None,
) -> type[django_filters.FilterSet]:
    """Return a filter set with filters for every column of a model.

    Args:
        model: whose rows are listed.
        keyed: foreign keys that are named by a field of the other table instead of its primary key.
        also: further filters by parameter.
        without: columns that have no filter, each with the reason.
        only: columns for which not all filters are made.
    """
    without, only = dict(without or {}), dict(only or {})
    filters: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.name not in without:
            filters |= filters_of(field, keyed or {}, only.get(field.name))
    filters |= also or {}
    meta = type("Meta", (), {"model": model, "fields": []})
    return type(f"{model.__name__}FilterSet", (StrictFilterSet,), {**filters, "Meta": meta, "without": without})


class StrictFilterSet(django_filters.FilterSet):
    """Filters of which `without` says which columns have none, and why."""

    without: Mapping[str, str] = {}

    def get_form_class(self) -> Any:
        """Return the form whose fields know who asks: names of rows are looked up among those the user may see."""
        form_class = super().get_form_class()
        for field in form_class.base_fields.values():
            if isinstance(field, KnownField | SeveralField):
                field.user = getattr(self.request, "user", None)
        return form_class


class StrictFilterBackend(DjangoFilterBackend):
    """Lists the filters for the description of the API; names are checked by `check_parameters`."""

    filterset_base = StrictFilterSet

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Narrow the rows as asked. What lies behind a link a limited user may not follow cannot be asked for."""
        rows = super().filter_queryset(request, queryset, view)
        filterset = self.get_filterset_class(view, queryset)
        for name, item in filterset.base_filters.items() if filterset and is_limited(request.user) else ():
            if name in request.query_params and not isinstance(item, EmptyFilter):
                paths = getattr(item, "fields", (item.field_name,))
                for link in sorted({reaches_hidden(rows.model, path, request.user) for path in paths} - {""}):
                    rows = only_visible_link(rows, link, request.user)
        return rows


def check_parameters(request: Request, known: Iterable[str]) -> None:
    """Refuse parameters that mean nothing, are given twice or are empty: ignored, they would give a wrong answer.

    Raises:
        Problem: naming each of them, with the one that was probably meant.
    """
    known = list(known)
    errors = []
    for name, values in request.query_params.lists():
        if name not in known:
            guess = closest(name, known)
            if guess:
                text = _t("There is no parameter “%(name)s”. Did you mean “%(guess)s”?")
            elif known:
                text = _t("There is no parameter “%(name)s”. There are: %(known)s.")
            else:
                text = _t("There is no parameter “%(name)s”; this address takes none.")
            filled = text % {"name": shorten(name), "guess": guess, "known": ", ".join(sorted(known))}
            errors.append(error_item(filled, code="unknown_parameter", field=shorten(name), value=values[-1]))
        elif len(values) > 1:
            text = _t("The parameter is given %(count)d times. Give several values to “%(name)s__in”, with commas.")
            errors.append(
                error_item(
                    text % {"count": len(values), "name": name}, code="given_twice", field=name, value=", ".join(values)
                )
            )
        elif not values[0]:
            text = _t("The parameter has no value. Leave it out, or ask for empty fields with “__isempty=true”.")
            errors.append(error_item(text, code="empty_parameter", field=name))
    if errors:
        raise Problem("invalid", errors[0]["detail"], code=errors[0]["code"], errors=errors)

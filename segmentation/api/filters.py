"""Filters of lists: made from the models, strict about names and values."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import django_filters
from django import forms
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.plumbing import build_array_type
from drf_spectacular.utils import set_override
from rest_framework.request import Request

from segmentation.api.errors import Problem, error_item
from segmentation.errors import closest, shorten

EARLIEST, LATEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
Column = Any  # a field of a model; Django's own type takes no parameters at run time
MOST_VALUES = 500  # of one filter with several values

# Values -------------------------------------------------------------------------------------------------------------


class StrictField(forms.Field):
    """A field whose `to_python` sees what was given, and never nothing."""

    def clean(self, value: Any) -> Any:
        return None if value in (None, "") else super().clean(value)


class InstantField(StrictField):
    """A moment: ISO 8601; a day is its beginning, and without offset it is of the site's time zone."""

    def to_python(self, value: Any) -> Any:
        # A plus sign in an address that was not encoded arrives as a space.
        text = re.sub(r" (\d\d:?\d\d)$", r"+\1", str(value)) if re.search(r"[T ]\d\d:\d\d.* \d\d:?\d\d$", str(value)) else value
        try:
            moment = parse_datetime(text)
            if moment is not None and timezone.is_naive(moment):
                moment = timezone.make_aware(moment)
            usable = moment is not None and EARLIEST <= moment < LATEST
        except (ValueError, OverflowError):
            usable = False
        if not usable:
            raise ValidationError(
                _("This is no moment from 1990 to 2199. Write 2024-01-31 or 2024-01-31T09:30:00Z."), code="not_a_date"
            )
        return moment


class DayField(forms.DateField):
    """A date: ISO 8601."""

    def __init__(self, **kwargs: Any):
        super().__init__(input_formats=["%Y-%m-%d"], **kwargs)
        self.error_messages["invalid"] = _("This is no date. Write 2024-01-31.")


class YesNoField(StrictField):
    """true or false, and nothing else."""

    def to_python(self, value: Any) -> Any:
        known = {"true": True, "1": True, "false": False, "0": False}
        if str(value).lower() not in known:
            raise ValidationError(_("Write true or false."), code="not_yes_no")
        return known[str(value).lower()]


class WholeField(forms.IntegerField):
    """A whole number that a column of the database can hold."""

    def __init__(self, **kwargs: Any):
        super().__init__(min_value=-(2**63), max_value=2**63 - 1, **kwargs)


class NumberField(forms.DecimalField):
    """A decimal number."""

    def __init__(self, **kwargs: Any):
        super().__init__(min_value=Decimal("-1e20"), max_value=Decimal("1e20"), **kwargs)


class TextField(forms.CharField):
    """Text as it is: spaces count."""

    def __init__(self, **kwargs: Any):
        super().__init__(strip=False, max_length=1000, **kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValidationError(_("The text holds half of a character."), code="invalid_text") from None
        return text


class OneOfField(StrictField):
    """One of a closed list."""

    def __init__(self, *, values: Iterable[Any], **kwargs: Any):
        self.values = {str(value): value for value in values}
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        if value not in self.values:
            raise _unknown(str(value), self.values)
        return self.values[value]


class KnownField(StrictField):
    """The name of a row of a short table, turned into its primary key."""

    def __init__(self, *, model: type[models.Model], key: str, **kwargs: Any):
        self.model, self.key = model, key
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        known = dict(self.model._default_manager.values_list(self.key, "pk"))
        if value not in known:
            raise _unknown(str(value), known)
        return known[value]


class SeveralField(StrictField):
    """Several values with commas between them."""

    def __init__(self, *, one: forms.Field, **kwargs: Any):
        self.one = one
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        parts = str(value).split(",")
        if len(parts) > MOST_VALUES:
            raise ValidationError(_("At most %(limit)d values."), code="too_many", params={"limit": MOST_VALUES})
        if any(part == "" for part in parts):
            raise ValidationError(_("There is an empty value between the commas."), code="empty")
        known = _looked_up(self.one, parts)
        return known if known is not None else [self.one.clean(part) for part in parts]


def _looked_up(one: forms.Field, parts: list[str]) -> list[Any] | None:
    """Look the names of a short table up once for all of them."""
    if not isinstance(one, KnownField):
        return None
    known = dict(one.model._default_manager.values_list(one.key, "pk"))
    for part in parts:
        if part not in known:
            raise _unknown(part, known)
    return [known[part] for part in parts]


def _unknown(value: str, known: Iterable[str]) -> ValidationError:
    names = [str(name) for name in known]
    guess = closest(value, names)
    text = _("“%(value)s” is not known. Did you mean “%(guess)s”?") if guess else _("“%(value)s” is not known. Use one of: %(known)s.")
    listed = ", ".join(names[:30]) + (" …" if len(names) > 30 else "")
    return ValidationError(text, code="unknown", params={"value": shorten(value), "guess": guess, "known": listed or "–"})


# Filters ------------------------------------------------------------------------------------------------------------

RANGE = {"gte": _("%(name)s: this or more."), "gt": _("%(name)s: more than this."), "lte": _("%(name)s: this or less."), "lt": _("%(name)s: less than this.")}
TIMES = {
    "gte": _("%(name)s: at this moment or later."),
    "gt": _("%(name)s: later than this."),
    "lte": _("%(name)s: at this moment or before."),
    "lt": _("%(name)s: before this moment."),
}


class StrictFilter(django_filters.Filter):
    """A filter whose field refuses what it does not understand; the description of the API shows `schema`."""

    def __init__(self, field_name: str, lookup: str, form_field: forms.Field, schema: Mapping[str, Any], help_text: Any):
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


class EmptyFilter(StrictFilter):
    """Whether a field is empty: null, or a text or list without content."""

    def __init__(self, field: Column, help_text: Any):
        super().__init__(field.name, "isempty", YesNoField(), {"type": "boolean"}, help_text)
        self.condition = Q(**{f"{field.name}__isnull": True}) if field.null else Q(**{field.name: []}) if isinstance(field, ArrayField) else Q(**{field.name: ""})

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
        super().__init__("source_key", "exact", TextField(), {"type": "string"}, _("External id: exactly this; of the source system “crm” unless source_system is given."))

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return qs.filter(source_key=f"{self.parent.data.get('source_system', 'crm')}:{value}")


class SourceSystemFilter(StrictFilter):
    """Whose external id is meant; alone it would look through all facts."""

    def __init__(self) -> None:
        super().__init__("source_key", "startswith", TextField(), {"type": "string"}, _("Source system of the external id; only together with external_id."))

    def _narrow(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        if "external_id" not in self.parent.data:
            raise Problem("invalid", _t("Give external_id too, or filter by account, contact or time."), code="incomplete", field="source_system", value=value)
        return qs


def _form_field(field: Column) -> tuple[type[forms.Field], dict[str, Any], dict[str, Any], Mapping[str, Any]]:
    """Return the class of form field for a column, its arguments, the schema of a value and the texts of its ranges."""
    values = [value for value, _label in field.flatchoices if value not in ("", None)]
    if values:
        return OneOfField, {"values": values}, {"type": "integer" if isinstance(values[0], int) else "string", "enum": values}, {}
    if isinstance(field, models.BooleanField):
        return YesNoField, {}, {"type": "boolean"}, {}
    if isinstance(field, models.ForeignKey | models.IntegerField):
        return WholeField, {}, {"type": "integer"}, RANGE if not isinstance(field, models.ForeignKey | models.BigAutoField) else {}
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
        found[name] = StrictFilter(f"{name}_id", "exact", KnownField(**arguments), schema, _described(_("%(name)s, by its key or name."), label))
        found[f"{name}__in"] = StrictFilter(
            f"{name}_id", "in", SeveralField(one=KnownField(**arguments)), build_array_type(schema), _described(_("%(name)s: one of these, with commas."), label)
        )
    else:
        found |= _plain_filters(field)
    if field.null or (field.blank and isinstance(field, ArrayField | models.CharField)):
        found[f"{name}__isempty"] = EmptyFilter(field, _described(_("%(name)s: is it empty?"), label))
    return found if most is None else {key: item for key, item in found.items() if (key.removeprefix(name).lstrip("_") or "exact") in most}


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
        found[f"{public}__in"] = StrictFilter(name, "in", several, build_array_type(dict(schema)), _described(_("%(name)s: one of these, with commas."), label))
    for lookup, text in ranges.items():
        found[f"{public}__{lookup}"] = StrictFilter(name, lookup, form_field(**arguments), schema, _described(text, label))
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


class StrictFilterBackend(DjangoFilterBackend):
    """Lists the filters for the description of the API; names are checked by `check_parameters`."""

    filterset_base = StrictFilterSet


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
            text = _t("The parameter is given %(count)d times. Give several values with commas to “%(name)s__in” where there is one.")
            errors.append(error_item(text % {"count": len(values), "name": name}, code="given_twice", field=name, value=", ".join(values)))
        elif not values[0]:
            text = _t("The parameter has no value. Leave it out, or ask for empty fields with “__isempty=true” where there is one.")
            errors.append(error_item(text, code="empty_parameter", field=name))
    if errors:
        raise Problem("invalid", errors[0]["detail"], code=errors[0]["code"], errors=errors)

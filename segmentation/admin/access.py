"""What limited users see of the admin: rows of their own sales teams, in lists, menus, forms and dialogs alike."""

from functools import cache
from typing import Any

from django import forms
from django.contrib.admin import RelatedFieldListFilter
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.contrib.filters.admin.mixins import AutocompleteMixin
from unfold.views import ChangeList

from segmentation.selectors.access import (
    hidden_links,
    is_closed,
    is_limited,
    only_visible_link,
    reaches_hidden,
    sees,
    visible_to,
)


def narrow_choices(form: forms.BaseForm, user: Any) -> None:
    """Let a form offer only rows the user may see."""
    for field in form.fields.values() if is_limited(user) else ():
        if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
            field.queryset = visible_to(field.queryset.all(), user)


class _KeepsHidden:
    """Mixed into forms: a link that reads as empty because its other end is hidden stays when it is left empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        instance: Any = self.instance  # type: ignore[attr-defined]
        links = [field for field in instance._meta.concrete_fields if field.name in self.fields and field.is_relation]  # type: ignore[attr-defined]
        self._kept = {
            field: getattr(instance, field.attname)
            for field in links
            if field.get_cached_value(instance, default=instance) is None  # as `visible_to` leaves them
            and getattr(instance, field.attname) is not None
        }
        for field in self._kept:
            self.initial[field.name] = None  # type: ignore[attr-defined]

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        for field, value in self._kept.items():
            if self.cleaned_data.get(field.name) is None:  # type: ignore[attr-defined]
                setattr(self.instance, field.attname, value)  # type: ignore[attr-defined]


def keeping_hidden(form_class: Any, user: Any) -> Any:
    """Return a model form that lets a limited user overwrite hidden links but not drop them unseen."""
    return type(form_class.__name__, (_KeepsHidden, form_class), {}) if is_limited(user) else form_class


class _VisibleChoices:
    """Mixed into filters by a related row: offers and names only rows the user may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        if isinstance(self, AutocompleteMixin):  # offers nothing beforehand
            return super().field_choices(field, request, model_admin)  # type: ignore[misc]
        rows = visible_to(field.remote_field.model._default_manager.order_by(), request.user)
        ordering = self.field_admin_ordering(field, request, model_admin)  # type: ignore[attr-defined]
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=Q(pk__in=rows.values("pk")))

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):  # type: ignore[misc]
            if "form" in choice:  # it would name whatever row the address asks for
                narrow_choices(choice["form"], self.request.user)  # type: ignore[attr-defined]
            yield choice


@cache
def visible_choices(filter_class: Any) -> Any:
    """Return a filter by a related row that offers only rows the user may see."""
    if not issubclass(filter_class, RelatedFieldListFilter) or issubclass(filter_class, _VisibleChoices):
        return filter_class
    return type(filter_class.__name__, (_VisibleChoices, filter_class), {})


class VisibleChangeList(ChangeList):
    """A list that cannot be asked about rows behind a link the user may not follow."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        rows = super().get_queryset(request, exclude_parameters)
        links = {reaches_hidden(self.model, name, request.user) for name in request.GET} - {""}
        for link in sorted(links):
            rows = only_visible_link(rows, link, request.user)
        return rows


class _VisibleFields:
    """Choices of a form and rows of a table: only what the user may see."""

    def get_queryset(self, request: HttpRequest) -> Any:
        return visible_to(super().get_queryset(request), request.user)  # type: ignore[misc]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return self._narrowed(super().formfield_for_foreignkey(db_field, request, **kwargs), request)  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return self._narrowed(super().formfield_for_manytomany(db_field, request, **kwargs), request)  # type: ignore[misc]

    def _narrowed(self, field: Any, request: HttpRequest) -> Any:
        if isinstance(field, forms.ModelChoiceField) and is_limited(request.user) and field.queryset is not None:
            field.queryset = visible_to(field.queryset.all(), request.user)
        return field


class _OwnRows:
    """Rights of a limited user end where the rows of others begin."""

    counts_everything = False  # the page shows figures of all accounts: it is closed to limited users

    def _is_own(self, request: HttpRequest, obj: Any = None) -> bool:
        if is_closed(self.model, request.user) or (self.counts_everything and is_limited(request.user)):  # type: ignore[attr-defined]
            return False
        return obj is None or not isinstance(obj, self.model) or obj.pk is None or sees(request.user, obj)  # type: ignore[attr-defined]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self._is_own(request, obj)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_own(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_own(request, obj)  # type: ignore[misc]


class VisibleInline(_VisibleFields):
    """Mixed into tables on the page of something."""

    def get_formset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        formset = super().get_formset(request, *args, **kwargs)  # type: ignore[misc]
        formset.form = keeping_hidden(formset.form, request.user)
        return formset


class VisibleAdmin(_OwnRows, _VisibleFields):
    """Mixed into the base of every page."""

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return keeping_hidden(super().get_form(request, *args, **kwargs), request.user)  # type: ignore[misc]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) and self._is_own(request)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self._is_own(request)  # type: ignore[misc]

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)  # type: ignore[misc]
        if not is_limited(request.user):
            return filters
        return [(one[0], visible_choices(one[1])) if isinstance(one, tuple) else one for one in filters]

    def get_search_fields(self, request: HttpRequest) -> Any:
        fields = super().get_search_fields(request)  # type: ignore[misc]
        return [name for name in fields if not reaches_hidden(self.model, name.lstrip("^=@"), request.user)]  # type: ignore[attr-defined]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        names = super().get_sortable_by(request)  # type: ignore[misc]
        hidden = hidden_links(self.model, request.user)  # type: ignore[attr-defined]
        return [name for name in names if name not in hidden] if hidden else names

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        paginator = super().get_paginator(request, *args, **kwargs)  # type: ignore[misc]
        if is_limited(request.user):
            paginator.estimate = None  # of the whole table
        return paginator

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: Any) -> HttpResponse:
        """What is not there and what is not for this user answer alike."""
        raise Http404(_("There is no such %(what)s.") % {"what": opts.verbose_name})


__all__ = ["VisibleAdmin", "VisibleChangeList", "VisibleInline", "narrow_choices"]

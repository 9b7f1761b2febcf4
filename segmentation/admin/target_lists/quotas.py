"""Places of teams and reps, and how many of them are held."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from segmentation.admin.base import ProductAdmin, progress_bar
from segmentation.models import SalesQuota
from segmentation.models.choices import USUAL_PLACES, QuotaKind
from segmentation.selectors.quotas import with_places


class SalesQuotaForm(forms.ModelForm):  # type: ignore[type-arg]
    """Places left empty are what is usual for the kind of team."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("places") is None and "places" not in self.errors and cleaned.get("kind"):
            cleaned["places"] = USUAL_PLACES[QuotaKind(cleaned["kind"])]
        return cleaned


@admin.register(SalesQuota)
class SalesQuotaAdmin(ProductAdmin):
    """Places of teams and reps, and how many of them are held."""

    empty_text = _("Give each sales team one: without it the team cannot propose accounts.")
    form = SalesQuotaForm
    list_display = ["team", "rep", "kind", "places", "held", "remaining"]
    list_select_related = ["team", "rep"]
    list_filter = [("team", RelatedDropdownFilter), "kind"]
    search_fields = ["team__name", "rep__username"]
    autocomplete_fields = ["team", "rep"]
    fieldsets = [(None, {"fields": [("team", "rep"), ("kind", "places")]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_places(super().get_queryset(request))

    @display(description=_("held"), ordering="n_held")
    def held(self, quota: Any) -> Any:
        return progress_bar(quota.n_held / quota.places, f"{quota.n_held} / {quota.places}")

    @display(description=_("remaining"), ordering="n_left")
    def remaining(self, quota: Any) -> int:
        return quota.n_left

    def get_readonly_fields(self, request: HttpRequest, obj: SalesQuota | None = None) -> list[str]:
        return ["team", "rep"] if obj else []

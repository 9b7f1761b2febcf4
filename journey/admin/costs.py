"""What was spent, and what currencies are worth."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RangeDateFilter
from unfold.decorators import display

from journey.models import Cost, ExchangeRate
from segmentation.admin.base import ProductAdmin, chip

KIND_COLOURS = {Cost.Kind.MEDIA: "#38bdf8", Cost.Kind.LABOUR: "#f59e0b", Cost.Kind.TECHNOLOGY: "#a855f7"}


@admin.register(Cost)
class CostAdmin(ProductAdmin):
    list_display = ["first_day", "last_day", "kind_chip", "amount", "currency", "campaign", "channel"]
    list_display_links = ["first_day"]
    list_filter = [("kind", ChoicesCheckboxFilter), ("first_day", RangeDateFilter)]
    list_filter_submit = True
    search_fields = ["campaign", "channel", "note", "external_id"]
    date_hierarchy = "first_day"
    fieldsets = (
        (
            None,
            {"fields": ["kind", ("first_day", "last_day"), ("amount", "currency"), ("campaign", "channel"), "note"]},
        ),
        (_("Where it comes from"), {"fields": [("source_system", "external_id")], "classes": ["collapse"]}),
    )

    @display(description=_("kind"), ordering="kind")
    def kind_chip(self, cost: Cost) -> Any:
        return chip(cost.get_kind_display(), KIND_COLOURS[Cost.Kind(cost.kind)])


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ProductAdmin):
    list_display = ["currency", "into", "day", "rate"]
    list_filter = ["currency", "into"]
    search_fields = ["currency", "into"]
    fields = [("currency", "into"), ("day", "rate")]

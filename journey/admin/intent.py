"""The page of accounts in surge, and what an account looks into."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext

from journey.admin.timeline import when
from journey.selectors.intent import Interest, interests, surge_of, surges
from scoring.admin.intent import IntentTopicAdmin as PlainTopicAdmin
from scoring.admin.intent import topic_chip
from scoring.models import IntentSignal, IntentTopic
from segmentation.admin.base import admin_url
from segmentation.models import Account
from segmentation.selectors.access import visible_to

MOST_OF_A_TOPIC = 50

admin.site.unregister(IntentTopic)


@admin.register(IntentTopic)
class IntentTopicAdmin(PlainTopicAdmin):
    """The topics with the accounts that surge."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.surges_view)
        return [path("surges/", view, name="scoring_intenttopic_surges"), *super().get_urls()]

    def surges_view(self, request: HttpRequest) -> HttpResponse:
        """Accounts that surge now, by topic, with why. `?topic=` is the key of one topic."""
        if not (self.has_view_permission(request) and request.user.has_perm("scoring.view_intentsignal")):  # type: ignore[union-attr]
            raise PermissionDenied
        topics = list(IntentTopic.objects.all())
        asked = request.GET.get("topic", "")
        chosen = [topic for topic in topics if topic.key == asked] or topics
        now = timezone.now()
        found = surges(now, request.user, chosen)
        shown = {row.account_id for rows in found.values() for row in rows[:MOST_OF_A_TOPIC]}
        accounts = visible_to(Account.objects.select_related("team"), request.user).in_bulk(list(shown))
        return TemplateResponse(
            request,
            "admin/scoring/intenttopic/surges.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.model._meta,
                "title": gettext("Surging accounts"),
                "topics": topics,
                "asked": asked if len(chosen) == 1 else "",
                "number": len({row.account_id for rows in found.values() for row in rows}),
                "cards": [
                    {
                        "topic": topic,
                        "chip": topic_chip(topic),
                        "kind": topic.get_kind_display(),
                        "number": len(rows),
                        "more": max(len(rows) - MOST_OF_A_TOPIC, 0),
                        "rows": [
                            {**_row(row), "account": accounts[row.account_id]}
                            for row in rows[:MOST_OF_A_TOPIC]
                            if row.account_id in accounts
                        ],
                    }
                    for topic, rows in sorted(found.items(), key=lambda item: -len(item[1]))
                ],
                "rule": surge_of(chosen[0]).sentence().split(",")[0] if chosen else "",
                "has_signals": IntentSignal.objects.exists(),
                "may_add": self.has_add_permission(request),
                "add_url": admin_url("scoring_intenttopic_add"),
                "topics_url": admin_url("scoring_intenttopic_changelist"),
                "signals_url": admin_url("scoring_intentsignal_changelist"),
                "imports_url": admin_url("segmentation_importrun_changelist"),
            },
        )


def _row(row: Interest) -> dict[str, Any]:
    return {
        "interest": row,
        "url": admin_url("segmentation_account_change", row.account_id),
        "times": row.recent / row.expected if row.expected else None,
        "since": when(row.since) if row.since else "",
        "until": when(row.until) if row.until else "",
    }


def interest_rows(account: Account) -> list[dict[str, Any]]:
    """What an account looks into, for its page."""
    return [{**_row(row), "chip": topic_chip(row.topic)} for row in interests(account, timezone.now())]

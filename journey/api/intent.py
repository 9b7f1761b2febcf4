"""Accounts in surge, worked out at a moment."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from journey.api.parameters import asked_moment
from journey.selectors.intent import Interest, surges
from scoring.models import IntentTopic
from segmentation.api.records import StrictViewSet
from segmentation.api.serializers import AccountReference
from segmentation.errors import closest
from segmentation.models import Account

MOST = 1000


class SurgeSerializer(serializers.Serializer[Any]):
    """An account whose interest in a topic surges, compared with its own weeks before."""

    account = AccountReference(help_text=_("The account."))
    topic = serializers.CharField(source="interest.topic.key", help_text=_("Key of the topic."))
    since = serializers.DateTimeField(source="interest.since", help_text=_("When the surge began."))
    until = serializers.DateTimeField(
        source="interest.until", allow_null=True, help_text=_("When it ends if nothing else happens.")
    )
    recent = serializers.IntegerField(source="interest.recent", help_text=_("Signals within the recent window."))
    earlier = serializers.IntegerField(source="interest.earlier", help_text=_("Signals of the baseline before it."))
    expected = serializers.FloatField(
        source="interest.expected", help_text=_("Signals the baseline lets expect in the recent window.")
    )
    chance = serializers.FloatField(
        source="interest.chance", help_text=_("How likely so many are at a steady rate, from 0 to 1.")
    )
    own = serializers.IntegerField(source="interest.own", help_text=_("Recent signals made of own activities."))
    keywords = serializers.ListField(
        source="interest.keywords", child=serializers.CharField(), help_text=_("Of the recent signals.")
    )
    why = serializers.CharField(source="interest.words", help_text=_("The figures in a sentence."))


class IntentSurgeViewSet(StrictViewSet):
    """Accounts that surge at a moment, by topic; of each topic the 1000 least likely by chance."""

    api_tag = "intent-surges"
    queryset = IntentTopic.objects.all()
    pagination_class = None
    serializer_class = SurgeSerializer
    also_needed = ("scoring.view_intentsignal", "segmentation.view_account")
    parameters = {"surging": ("topic", "as_of")}
    summaries = {"surging": _("List accounts in surge")}
    answers = {"surging": SurgeSerializer(many=True)}

    @extend_schema(
        parameters=[
            OpenApiParameter("topic", OpenApiTypes.STR, description=_("Key of one topic; all when left out.")),
            OpenApiParameter("as_of", OpenApiTypes.DATETIME, description=_("The moment; now when left out.")),
        ]
    )
    def surging(self, request: Request) -> Response:
        """Return the accounts in surge with the figures of each."""
        at: dt.datetime = asked_moment(request, "as_of") or timezone.now()
        topics = list(IntentTopic.objects.all())
        asked = request.query_params.get("topic")
        if asked is not None:
            known = [topic.key for topic in topics]
            if asked not in known:
                text = _t("There is no intent topic “%(value)s”.") % {"value": asked[:80]}
                guess = closest(asked[:80], known)
                more = _t("Did you mean “%(guess)s”?") % {"guess": guess} if guess else ", ".join(known)
                raise ValidationError({"topic": [f"{text} {more}"]}, code="unknown_choice")
            topics = [topic for topic in topics if topic.key == asked]
        found: list[Interest] = [row for rows in surges(at, request.user, topics).values() for row in rows[:MOST]]
        accounts = Account.objects.in_bulk({row.account_id for row in found})
        rows = [{"interest": row, "account": accounts[row.account_id]} for row in found if row.account_id in accounts]
        return Response(SurgeSerializer(rows, many=True).data)

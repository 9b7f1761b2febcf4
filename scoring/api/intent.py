"""Intent topics and the signals of accounts."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from scoring.models import IntentSignal, IntentTopic
from scoring.services.intent import MOST_KEYWORDS, assign_signals, delete_topic, save_topic
from segmentation.api.bodies import BodySerializer, Words, YesNo
from segmentation.api.filters import AccountIdFilter, ExternalIdFilter, SourceSystemFilter, make_filterset
from segmentation.api.idempotency import once
from segmentation.api.records import FactViewSet
from segmentation.api.serializers import (
    AccountReference,
    FactSerializer,
    ShownSerializer,
    record_serializer,
    upsert_serializer,
)
from segmentation.api.settings import SettingsViewSet

NO_INDEX = "has no index: it would look through all signals"
SIGNAL_EXAMPLE = {
    "external_id": "S-1",
    "domain": "example.com",
    "topic": "network-security",
    "keyword": "zero trust",
    "occurred_at": "2026-03-31T09:30:00+02:00",
    "number": 3,
    "strength": 72,
    "source": "Review site",
}


class IntentTopicSerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")

    class Meta:
        model = IntentTopic
        fields = ["id", "key", "name", "kind", "description", "keywords", "match_activities"]


class IntentTopicBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    kind = serializers.ChoiceField(
        choices=IntentTopic.Kind.choices, required=False, help_text=_("What it is about: brand, category, competitor.")
    )
    description = Words(required=False, allow_blank=True, max_length=500, help_text=_("What an interest tells you."))
    keywords = serializers.ListField(
        child=serializers.JSONField(),  # whatever it is: the service says what is wrong with it
        required=False,
        max_length=10 * MOST_KEYWORDS,
        help_text=_("Texts of at least two letters, or of one Chinese character."),
    )
    match_activities = YesNo(required=False, help_text=_("Whether activities whose texts hold a keyword count."))


class IntentTopicViewSet(SettingsViewSet):
    """What accounts look into before they buy. A change applies to the whole past."""

    api_tag = "intent-topics"
    queryset = IntentTopic.objects.all()
    serializer_class = IntentTopicSerializer
    filterset_class = make_filterset(
        IntentTopic, without={"name": "shown in the reader's language", "description": "a text to read"}
    )
    ordering = ("id",)
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = IntentTopicBody
    fixed = ("key",)

    def store(self, values: dict[str, Any], instance: Any = None) -> IntentTopic:
        return save_topic(topic=instance, **values)

    def remove(self, instance: IntentTopic) -> None:
        delete_topic(topic=instance)


class IntentSignalSerializer(FactSerializer):
    account = AccountReference(allow_null=True)
    topic = serializers.CharField(source="topic.key")
    domain = serializers.SerializerMethodField(help_text=_("How the source names the company, where it is a domain."))

    class Meta:
        model = IntentSignal
        fields = [
            "id",
            "source_system",
            "external_id",
            "account",
            "company",
            "domain",
            "topic",
            "keyword",
            "occurred_at",
            "recorded_at",
            "number",
            "strength",
            "source",
            "url",
            "source_key",
        ]

    def get_domain(self, signal: IntentSignal) -> str | None:
        return signal.company if "." in signal.company and " " not in signal.company else None


class AssignedSerializer(serializers.Serializer[Any]):
    """What looking for accounts again did."""

    assigned = serializers.IntegerField(help_text=_("Signals that have found their account."))
    without_account = serializers.IntegerField(help_text=_("Signals of companies that are no account yet."))


class IntentSignalViewSet(FactViewSet):
    """Signs that accounts look into a topic, the newest first. Those made of activities are not among them."""

    target = "intent-signals"
    queryset = IntentSignal.objects.select_related("topic", "account")
    serializer_class = IntentSignalSerializer
    filterset_class = make_filterset(
        IntentSignal,
        keyed={"topic": "key"},
        also={
            "external_id": ExternalIdFilter(),
            "source_system": SourceSystemFilter(),
            "account__external_id": AccountIdFilter(),
        },
        without=dict.fromkeys(("recorded_at", "number", "strength", "keyword", "source", "url", "company"), NO_INDEX),
        only={"source_key": ("exact", "in"), "id": ("exact", "in")},
    )
    ordering = ("-occurred_at", "-id")
    record_serializer = record_serializer("intent-signals", SIGNAL_EXAMPLE)
    upsert_serializer = upsert_serializer("intent-signals", record_serializer, SIGNAL_EXAMPLE)
    carried = ("occurred_at", "topic")
    links = ("account", "topic", "domain")
    rights = {"assign": ("scoring.change_intentsignal",)}
    summaries = {"assign": _("Look again for the accounts of signals without one")}
    answers = {"assign": AssignedSerializer}

    @action(detail=False, methods=["post"])
    def assign(self, request: Request) -> Any:
        def work() -> Response:
            assigned, left = assign_signals()
            return Response({"assigned": assigned, "without_account": left})

        return once(request, work)

"""Plays, what they suggest, and what became of it."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from journey.selectors.plays import PlayFigures, play_figures
from segmentation.api.bodies import BodySerializer, KeyField, UserField, WholeNumber, Words, YesNo, keys_field, rows_of
from segmentation.api.filters import AccountIdFilter, make_filterset
from segmentation.api.idempotency import once
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import AccountReference, ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import Play, PlaySuggestion, Segment
from segmentation.models.plays import LONGEST_COOL_DOWN
from segmentation.services.plays import (
    accept_suggestions,
    delete_play,
    dismiss_suggestions,
    finish_suggestions,
    save_play,
)

CHANGE = "segmentation.change_playsuggestion"
TEXT = "a text to read"


class PlaySerializer(ShownSerializer):
    name = serializers.CharField(source="__str__")
    trigger = serializers.CharField(source="trigger.key", help_text=_("Key of the segment whose rule is the trigger."))
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)

    class Meta:
        model = Play
        fields = [
            "id",
            "key",
            "name",
            "trigger",
            "observed",
            "wanted",
            "action",
            "content",
            "goal",
            "owner",
            "cool_down_days",
            "include_present",
            "active",
            "started_at",
            "created_at",
        ]


class PlayBody(BodySerializer):
    key = Words(max_length=60, help_text=_("Small letters, digits and hyphens. It does not change."))
    name = Words(max_length=120, help_text=_("Name, as people read it."))
    trigger = KeyField(Segment, "segment", help_text=_("Key of the segment whose rule is the trigger."))
    observed = Words(required=False, allow_blank=True, max_length=300, help_text=_("What the trigger means, in words."))
    wanted = Words(required=False, allow_blank=True, max_length=300, help_text=_("What the account should do next."))
    action = Words(max_length=500, help_text=_("What is to be done, and by whom."))
    content = Words(required=False, allow_blank=True, max_length=500, help_text=_("What to send, show or invite to."))
    goal = Words(required=False, allow_blank=True, max_length=300, help_text=_("By what you see that it worked."))
    owner = UserField(required=False, allow_null=True, help_text=_("Who keeps the play up to date."))
    cool_down_days = WholeNumber(
        required=False, min_value=0, max_value=LONGEST_COOL_DOWN, help_text=_("Days until the same account again.")
    )
    include_present = YesNo(required=False, help_text=_("Whether accounts count that met the trigger before."))
    active = YesNo(required=False, help_text=_("Whether it makes new suggestions."))


class PlayRateSerializer(serializers.Serializer[Any]):
    """A share from 0 to 1 with Wilson's interval of 95 %."""

    rate = serializers.FloatField(help_text=_("The share."))
    low = serializers.FloatField(help_text=_("Lower limit."))
    high = serializers.FloatField(help_text=_("Upper limit."))


class PlayFiguresSerializer(serializers.Serializer[Any]):
    """What became of the suggestions of a play."""

    suggested = serializers.IntegerField(help_text=_("All suggestions."))
    open = serializers.IntegerField(help_text=_("Nobody has answered yet."))
    accepted = serializers.IntegerField(help_text=_("Being acted on."))
    done = serializers.IntegerField(help_text=_("Acted on."))
    dismissed = serializers.IntegerField(help_text=_("Not acted on, with a reason."))
    lapsed = serializers.IntegerField(help_text=_("The trigger ceased to hold before anybody answered."))
    reached = serializers.IntegerField(help_text=_("Done, and the goal was reached."))
    not_reached = serializers.IntegerField(help_text=_("Done, and it was not."))
    acceptance_rate = PlayRateSerializer(allow_null=True, help_text=_("Accepted or done of all that are not open."))
    outcome_rate = PlayRateSerializer(allow_null=True, help_text=_("Goal reached of those with a known result."))


class PlayViewSet(SettingsViewSet):
    """What to do when accounts begin to do something."""

    api_tag = "plays"
    queryset = Play.objects.select_related("trigger", "owner")
    serializer_class = PlaySerializer
    filterset_class = make_filterset(
        Play,
        keyed={"trigger": "key"},
        without={
            "name": "shown in the reader's language",
            **dict.fromkeys(("observed", "wanted", "action", "content", "goal"), TEXT),
            "owner": "shown",
            "cool_down_days": "a setting",
            "include_present": "a setting",
        },
    )
    ordering = ("id",)
    lookup_field = "key"
    lookup_value_regex = r"[-\w]+"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = PlayBody
    fixed = ("key",)
    rights = {"figures": ("segmentation.view_play", "segmentation.view_playsuggestion")}
    answers = {"figures": PlayFiguresSerializer}
    summaries = {"figures": _("What became of its suggestions")}

    def store(self, values: dict[str, Any], instance: Any = None) -> Play:
        return save_play(play=instance, **values)

    def remove(self, instance: Play) -> None:
        delete_play(play=instance)

    @action(detail=True)
    def figures(self, request: Request, key: str) -> Response:
        play = self.get_object()
        found: PlayFigures = play_figures([play], request.user)[play.pk]
        return Response(found.as_dict())


class PlaySuggestionSerializer(ShownSerializer):
    play = serializers.CharField(source="play.key")
    account = AccountReference()
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)

    class Meta:
        model = PlaySuggestion
        fields = [
            "id",
            "play",
            "account",
            "state",
            "trigger_at",
            "made_at",
            "accepted_at",
            "closed_at",
            "decided_by",
            "result",
            "note",
        ]


class AnswerBody(BodySerializer):
    suggestions = keys_field(_("Primary keys of up to 1000 suggestions."))
    note = Words(required=False, allow_blank=True, max_length=500, help_text=_("In your own words."))


class FinishBody(AnswerBody):
    result = serializers.CharField(help_text=_("reached, not_reached or unknown."))


class DismissBody(AnswerBody):
    note = Words(max_length=500, help_text=_("Why nothing is done."))


class AnsweredSuggestionsSerializer(serializers.Serializer[Any]):
    """The suggestions that were answered."""

    changed = PlaySuggestionSerializer(many=True, help_text=_("As they are now."))


class PlaySuggestionViewSet(ListMixin, StrictViewSet):
    """What plays suggest for accounts. Made by the system; answered here, a batch as a whole or not at all."""

    api_tag = "play-suggestions"
    queryset = PlaySuggestion.objects.select_related("play", "account", "decided_by")
    serializer_class = PlaySuggestionSerializer
    filterset_class = make_filterset(
        PlaySuggestion,
        keyed={"play": "key"},
        also={"account__external_id": AccountIdFilter()},
        without={"note": TEXT, "decided_by": "shown"},
    )
    ordering = ("-made_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = dict.fromkeys(("accept", "finish", "dismiss"), (CHANGE,))
    bodies = {"accept": AnswerBody, "finish": FinishBody, "dismiss": DismissBody}
    answers = dict.fromkeys(("accept", "finish", "dismiss"), AnsweredSuggestionsSerializer)
    summaries = {
        "list": _("List"),
        "accept": _("Somebody will act on them"),
        "finish": _("They were acted on, with a result"),
        "dismiss": _("Nothing is done, and why"),
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def _answer(self, body: type[BodySerializer], verb: Callable[..., list[PlaySuggestion]]) -> Response | HttpResponse:
        def work() -> Response:
            given = body.read(self.request)
            given["suggestions"] = rows_of(self.get_queryset(), given["suggestions"], "suggestions")
            keys = [row.pk for row in verb(**given, user=self.request.user)]
            rows = self.get_queryset().filter(Q(pk__in=keys)).order_by("pk")
            return Response({"changed": PlaySuggestionSerializer(rows, many=True).data})

        return once(self.request, work)

    @action(detail=False, methods=["post"])
    def accept(self, request: Request) -> Response | HttpResponse:
        return self._answer(AnswerBody, accept_suggestions)

    @action(detail=False, methods=["post"])
    def finish(self, request: Request) -> Response | HttpResponse:
        return self._answer(FinishBody, finish_suggestions)

    @action(detail=False, methods=["post"])
    def dismiss(self, request: Request) -> Response | HttpResponse:
        return self._answer(DismissBody, dismiss_suggestions)

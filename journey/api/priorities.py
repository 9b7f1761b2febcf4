"""How people judge segments; the ranking and its weights are below `segments/`."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from journey.selectors.priorities import CONSIDERATIONS
from segmentation.api.bodies import BodySerializer, KeyField, WholeNumber, Words
from segmentation.api.filters import make_filterset
from segmentation.api.serializers import ShownSerializer
from segmentation.api.settings import SettingsViewSet
from segmentation.models import PriorityAnswer, Segment
from segmentation.services.priorities import answer_consideration, withdraw_answer


class PriorityAnswerSerializer(ShownSerializer):
    segment = serializers.CharField(source="segment.key", help_text=_("Key of the segment."))
    answered_by = serializers.CharField(source="answered_by.username", default=None, help_text=_("Who answered."))

    class Meta:
        model = PriorityAnswer
        fields = ["id", "segment", "consideration", "score", "reason", "answered_at", "answered_by"]


class PriorityAnswerBody(BodySerializer):
    segment = KeyField(Segment, "segment", help_text=_("Key of the segment. It does not change."))
    consideration = Words(max_length=40, help_text=_("One of: %(known)s.") % {"known": ", ".join(CONSIDERATIONS)})
    score = WholeNumber(help_text=_("1 (much speaks against it) to 5 (much speaks for it)."))
    reason = Words(max_length=300, help_text=_("What it rests on."))


class PriorityAnswerViewSet(SettingsViewSet):
    """Judgements of segments by consideration. One counts instead of what is measured, until it is removed."""

    api_tag = "priority-answers"
    queryset = PriorityAnswer.objects.select_related("segment", "answered_by")
    serializer_class = PriorityAnswerSerializer
    filterset_class = make_filterset(
        PriorityAnswer, keyed={"segment": "key"}, without={"reason": "a text to read", "answered_by": "shown"}
    )
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ("get", "post", "patch", "delete", "head", "options")
    body = PriorityAnswerBody
    fixed = ("segment", "consideration")
    summaries = {"create": _("Judge a segment; the same consideration again replaces the judgement")}

    def store(self, values: dict[str, Any], instance: Any = None) -> PriorityAnswer:
        if instance is not None:
            present = {name: getattr(instance, name) for name in ("segment", "consideration", "score", "reason")}
            values = present | values
        return answer_consideration(**values, known=CONSIDERATIONS, user=self.request.user)

    def remove(self, instance: PriorityAnswer) -> None:
        withdraw_answer(answer=instance)

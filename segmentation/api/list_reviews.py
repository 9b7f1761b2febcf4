"""Reviews of target account lists at their cadence: who went through one, when, and what was found."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from segmentation.api.bodies import BodySerializer, KeyField, Words
from segmentation.api.filters import make_filterset
from segmentation.api.idempotency import once
from segmentation.api.records import ListMixin, StrictViewSet
from segmentation.api.serializers import KeyOf, NameOf, ShownSerializer
from segmentation.models import ListReview, TargetList
from segmentation.services.target_lists import record_list_review


class ListReviewSerializer(ShownSerializer):
    target_list = KeyOf()
    reviewed_by = NameOf()

    class Meta:
        model = ListReview
        fields = ["id", "target_list", "reviewed_at", "reviewed_by", "note"]


class ListReviewBody(BodySerializer):
    target_list = KeyField(TargetList, "list", help_text=_("Key of the list."))
    note = Words(
        required=False,
        default="",
        allow_blank=True,
        max_length=ListReview._meta.get_field("note").max_length,
        help_text=_("What was found, what was changed."),
    )


class ListReviewViewSet(ListMixin, StrictViewSet):
    """Reviews of lists. One is recorded as of now: the next is due when the days of the list's setting are over."""

    api_tag = "list-reviews"
    queryset = ListReview.objects.select_related("target_list", "reviewed_by")
    serializer_class = ListReviewSerializer
    filterset_class = make_filterset(
        ListReview, keyed={"target_list": "key"}, without={"note": "a text to read", "reviewed_by": "shown"}
    )
    ordering = ("-reviewed_at", "-id")
    lookup_value_regex = r"\d{1,18}"
    rights = {"create": ("segmentation.add_listreview",)}
    bodies = {"create": ListReviewBody}
    answers = {"create": {201: ListReviewSerializer}}
    summaries = {"create": _("Record that a list was reviewed now")}

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def create(self, request: Request) -> Response | HttpResponse:
        def work() -> Response:
            review = record_list_review(**ListReviewBody.read(request), user=request.user)
            address = reverse("list-review-detail", args=[review.pk], request=request)
            return Response(ListReviewSerializer(review).data, status.HTTP_201_CREATED, headers={"Location": address})

        return once(request, work)

"""Audiences in the admin, mixed into the admin of segments: the list, and what is taken along as CSV."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from journey.admin.ready_made import make_ready_made
from journey.ready_made_audiences import install_audiences
from journey.selectors.audiences import audience_export, reachable
from journey.selectors.segments import sizes_at
from segmentation.admin.base import ProductAdmin, admin_url
from segmentation.errors import ProblemError
from segmentation.models import Segment
from segmentation.selectors.access import visible_accounts
from segmentation.selectors.segments import current_segment_history, of_purpose, versions_in_force
from segmentation.services.exports import record_export


class AudiencePages(ProductAdmin):
    """The pages of audiences, below those of segments."""

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_segment_{name}")

        return [
            page("audiences/", self.audiences_view, "audiences"),
            page("audiences/examples/", self.audience_examples_view, "audience_examples"),
            page("<int:pk>/audience.csv", self.audience_csv_view, "audience_csv"),
            *super().get_urls(),
        ]

    def audiences_view(self, request: HttpRequest) -> HttpResponse:
        """The audiences with their sizes, to be taken along as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, visible = timezone.now(), visible_accounts(request.user)
        sizes, versions = sizes_at(now, visible), versions_in_force()
        rows = []
        for segment in of_purpose(Segment.Purpose.AUDIENCE):
            found, history = sizes.get(segment.key), current_segment_history(segment)
            rows.append(
                {
                    "segment": segment,
                    "url": admin_url("segmentation_segment_change", segment.pk),
                    "size": found["members"] if found else None,
                    "contacts": reachable(segment, now, request.user).count() if found else None,
                    "is_waiting": history is None or history.version_id != versions[segment.key].pk,
                    "csv_url": admin_url("segmentation_segment_audience_csv", segment.pk),
                }
            )
        return self._page(
            request,
            "audiences",
            title=gettext("Audiences"),
            rows=rows,
            may_see_contacts=request.user.has_perm("segmentation.view_contact"),  # type: ignore[union-attr]
            add_url=f"{admin_url('segmentation_segment_add')}?purpose=audience",
            examples_url=admin_url("segmentation_segment_audience_examples"),
        )

    def audience_examples_view(self, request: HttpRequest) -> HttpResponse:
        """Make the ready-made audiences that are missing."""
        return make_ready_made(
            request,
            install_audiences,
            is_allowed=self.has_add_permission(request),
            said=lambda n: ngettext("%(n)s audience was made.", "%(n)s audiences were made.", n) % {"n": n},
            nothing_said=gettext("All ready-made audiences are there already."),
            back="segmentation_segment_audiences",
        )

    def audience_csv_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The accounts of a segment, or the people in them, as advertising and mail tools take them."""
        segment = self._segment(request, pk)
        try:
            asked = audience_export(
                segment, level=request.GET.get("level", "accounts"), emails=request.GET.get("emails", "hashed")
            )
        except ProblemError as problem:
            messages.error(request, str(problem))
            return HttpResponseRedirect(admin_url("segmentation_segment_audiences") or "")
        if not request.user.has_perms(asked.rights):  # type: ignore[union-attr]
            raise PermissionDenied
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{asked.file_name}"'
        number = asked.write(response, timezone.now(), request.user)
        record_export(user=request.user, of=segment, file=asked.file_name, rows=number)
        return response

"""Comparing the versions of a segment, and putting an earlier one in force again; mixed into the admin of segments."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from journey.admin.downloads import csv_response
from journey.selectors.comparisons import how_many, term_words
from journey.selectors.segments import compare_segment_versions, part_name
from segmentation.admin.base import admin_url
from segmentation.engine.memberships import PARTS
from segmentation.errors import ProblemError
from segmentation.models import Segment, SegmentVersion
from segmentation.selectors.access import is_limited
from segmentation.services.segments import save_rules

PER_PAGE = 25
MOVES = {"entering": _("Come in"), "leaving": _("Leave"), "staying": _("Stay")}


class VersionPages:
    """The versions of a segment side by side."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"segmentation_segment_{name}")

        return [
            page("<int:pk>/compare/", self.compare_view, "compare"),
            page("<int:pk>/restore/", self.restore_view, "restore"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Which accounts come in and leave from one version to another, counted now; `?format=csv` gives them all."""
        segment = self._segment(request, pk)  # type: ignore[attr-defined]
        if is_limited(request.user):  # rules may name accounts
            raise PermissionDenied
        versions = list(segment.versions.select_related("segment").order_by("-number"))
        one, other = _chosen(versions, request)
        move = request.GET.get("move", "")
        context: dict[str, Any] = {"versions": versions, "one": one, "other": other, "problem": None}
        if one and other:
            try:
                found = compare_segment_versions(one, other, request.user)
            except ProblemError as problem:
                context["problem"] = problem
                if request.GET.get("format") == "csv":
                    return csv_response("", None, problem)
            else:
                if request.GET.get("format") == "csv":
                    return csv_response(
                        f"{segment.key}-v{one.number}-v{other.number}.csv",
                        (
                            {"move": name, "id": account.pk, "name": account.name, "domain": account.domain}
                            for name in ("entering", "leaving")
                            for account in found.rows(name)
                        ),
                        user=request.user,
                        of=segment,
                    )
                if move not in MOVES:
                    move = next((name for name in MOVES if found.count(name)), "entering")
                page = Paginator(found.rows(move), PER_PAGE).get_page(request.GET.get("p"))
                base = {"one": one.number, "other": other.number}
                context |= {
                    "found": found,
                    "before": found.count("leaving") + found.count("staying"),
                    "after": found.count("entering") + found.count("staying"),
                    "move": move,
                    "moves": [
                        {
                            "key": name,
                            "label": label,
                            "number": found.count(name),
                            "url": f"?{urlencode({**base, 'move': name})}",
                        }
                        for name, label in MOVES.items()
                    ],
                    "page": page,
                    "move_url": f"?{urlencode({**base, 'move': move})}&p=",
                    "rows": [
                        {"account": account, "url": admin_url("segmentation_account_change", account.pk)}
                        for account in page
                    ],
                    "csv_url": f"?{urlencode({**base, 'format': 'csv'})}",
                }
            context["rules"] = _differences(one, other)
        return self._page(  # type: ignore[attr-defined, no-any-return]
            request,
            "compare",
            title=gettext("Compare versions of %(segment)s") % {"segment": segment},
            segment=segment,
            newest=versions[0].number,
            page_url=admin_url("segmentation_segment_change", segment.pk),
            restore_url=admin_url("segmentation_segment_restore", segment.pk),
            **context,
        )

    def restore_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put the rules of an earlier version in force again, as a new version."""
        segment = self._segment(request, pk)  # type: ignore[attr-defined]
        if not self.has_change_permission(request, segment):  # type: ignore[attr-defined]
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        wanted, basis = request.POST.get("version", ""), request.POST.get("basis", "")
        version = _numbered(list(segment.versions.all()), wanted)
        if version is None:
            raise Http404
        try:
            made = save_rules(
                segment=segment,
                rules=version.rules,
                parent=version.parent,
                note=gettext("As version %(number)s was.") % {"number": version.number},
                user=request.user,
                expected=int(basis) if basis.isascii() and basis.isdecimal() and len(basis) < 9 else None,
            )
        except ProblemError as problem:
            messages.error(request, str(problem))
            back = f"{admin_url('segmentation_segment_compare', pk)}?{urlencode({'other': version.number})}"
            return HttpResponseRedirect(back)
        self.log_change(request, segment, gettext("Rules changed."))  # type: ignore[attr-defined]
        messages.success(
            request, gettext("%(version)s is in force. Who is in it is being worked out.") % {"version": made}
        )
        return HttpResponseRedirect(admin_url("segmentation_segment_change", pk) or "")


def _numbered(versions: list[SegmentVersion], text: str) -> SegmentVersion | None:
    return next((version for version in versions if str(version.number) == text), None)


def _chosen(
    versions: list[SegmentVersion], request: HttpRequest
) -> tuple[SegmentVersion | None, SegmentVersion | None]:
    """The versions to compare: those asked for, else the one before and the newest. Raises Http404 for none."""
    named = {name: request.GET.get(name, "") for name in ("one", "other")}
    found = {name: _numbered(versions, text) for name, text in named.items()}
    if any(text and not found[name] for name, text in named.items()):
        raise Http404
    other = found["other"] or versions[0]
    if found["one"]:
        return found["one"], other
    if other == versions[0]:
        return (versions[1], other) if len(versions) > 1 else (None, other)
    return versions[0], other  # what would come of putting an earlier version in force


def _differences(one: SegmentVersion, other: SegmentVersion) -> list[dict[str, Any]]:
    """The criteria of both versions by part, and whether they are the same."""
    rows = []
    for part in PARTS:
        sides = [_words(version, part) for version in (one, other)]
        if sides[0] or sides[1]:
            rows.append({"name": part_name(part), "sides": sides, "same": sides[0] == sides[1]})
    if one.parent != other.parent:
        names = dict(Segment.objects.filter(key__in=[one.parent, other.parent]).values_list("key", "name"))
        parents = [[gettext(names.get(version.parent, version.parent) or "–")] for version in (one, other)]
        rows.insert(0, {"name": gettext("Part of"), "sides": parents, "same": False})
    return rows


def _words(version: SegmentVersion, part: str) -> list[str]:
    rule = version.rules.get(part)
    if not rule:
        return []
    many = [how_many(rule)] if len(rule["criteria"]) > 1 else []
    return [*map(str, many), *(str(term_words(term)) for term in rule["criteria"])]

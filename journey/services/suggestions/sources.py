"""Sources of suggestions: the ready-made ones, and storing those people make."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from journey.models import Journey, SuggestionSource
from journey.selectors.lookalikes import check_attributes
from journey.selectors.suggestions import Kind
from journey.selectors.versions import published_versions
from scoring.models import ActivityType
from segmentation.errors import InvalidValueError
from segmentation.models import Segment
from segmentation.services.columns import refuse_bad_row
from segmentation.services.segments import create_segment
from segmentation.services.users import Actor

INTEREST = "showing-interest"
ALIKE = "like-customers"


def check_source(source: SuggestionSource) -> None:
    """Raise InvalidValueError for a source that could not find anything as it is, naming field, value and remedy."""
    check_attributes(source.attributes)
    if source.journey is not None and source.journey.unit != Journey.Unit.ACCOUNT:
        raise InvalidValueError(
            _("The journey “%(value)s” is not one of accounts, so its stages say nothing of an account."),
            code="wrong_unit",
            field="journey",
            value=source.journey.key,
            remedy=_("Choose a journey of accounts."),
        )
    if source.kind == Kind.BEHAVIOUR and source.segment is None:
        raise InvalidValueError(
            _("The source names no segment, so nobody could show interest."),
            code="segment_missing",
            field="segment",
            remedy=_("Choose the segment whose members are to be suggested."),
        )


@transaction.atomic
def store_source(*, values: Mapping[str, Any], source: SuggestionSource | None = None) -> SuggestionSource:
    """Make a source of suggestions, or change one. Raises InvalidValueError naming the first field that is wrong."""
    row = source or SuggestionSource()
    for name, value in values.items():
        setattr(row, name, value)
    check_source(row)
    refuse_bad_row(row, values)
    row.save()
    return row


@transaction.atomic
def install_sources(*, user: Actor = None, build: bool = True) -> list[SuggestionSource]:
    """Make the two ready-made sources, and the segment one of them reads, where they are missing.

    build: ask for the members of the segment in the background. Returns the sources that are new.
    """
    segment = Segment.objects.filter(key=INTEREST).first()
    if segment is None:
        segment = create_segment(
            key=INTEREST,
            name=gettext_noop("Showing interest"),
            description=gettext_noop(
                "Two signs of interest within 30 days: time, several people, something hot, or MQA."
            ),
            rules={"trigger": {"criteria": _interest(), "at_least": 2}},
            order=190,
            active=False,
            user=user,
            build=build,
        ).segment
    wanted = (
        {"key": ALIKE, "name": gettext_noop("Look like your customers"), "kind": Kind.LOOKALIKE},
        {
            "key": INTEREST,
            "name": gettext_noop("Show interest but are on no list"),
            "kind": Kind.BEHAVIOUR,
            "segment": segment,
        },
    )
    known = set(SuggestionSource.objects.values_list("key", flat=True))
    return [store_source(values=values) for values in wanted if values["key"] not in known]


def _interest() -> list[dict[str, Any]]:
    """Signs of interest; those that name what does not exist here are left out."""
    found: list[tuple[str, dict[str, Any]]] = [
        ("engaged_minutes", {"minutes": 30, "window_days": 30}),
        ("engaged_people", {"people": 2, "minutes": 5, "window_days": 30}),
    ]
    hot = list(ActivityType.objects.filter(is_hot=True).order_by("key").values_list("key", flat=True))
    if hot:
        found.append(("activity_count", {"times": 1, "window_days": 30, "types": hot}))
    for version in published_versions():
        if version.journey.unit == Journey.Unit.ACCOUNT and version.stages.filter(key="mqa").exists():
            found.append(("stage", {"journey": version.journey.key, "stage": "mqa"}))
            break
    return [{"kind": kind, "params": params, "negate": False} for kind, params in found]

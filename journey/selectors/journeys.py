"""Finding journeys and the things that move through them by the words people use."""

from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.models import Journey, Opportunity
from segmentation.models import Account, Contact


def find_journey(key: str | None) -> Journey:
    """A journey by key; None: the first one. Raises JourneyError with the nearest key."""
    journeys = {journey.key: journey for journey in Journey.objects.all()}
    if key is None and journeys:
        return next(iter(journeys.values()))
    if key not in journeys:
        close = get_close_matches(str(key), journeys, n=1)
        raise JourneyError(
            _("There is no journey “%(value)s”."),
            code="unknown_journey",
            field="journey",
            value=key,
            remedy=_("Did you mean “%(close)s”?") if close else _("There are: %(known)s."),
            params={"close": close[0] if close else "", "known": ", ".join(journeys) or "–"},
        )
    return journeys[key]


_MODELS: dict[str, Any] = {"account": Account, "contact": Contact, "opportunity": Opportunity}


def find_entity(unit: str, words: str) -> Any:
    """An account (contact, opportunity) by external id, domain or e-mail address, name, or primary key.

    The first of these ways that finds any decides. Raises JourneyError when nothing or more than one is found.
    """
    model = _MODELS[unit]
    ways: list[dict[str, Any]] = [{"external_id": words}]
    if unit == "account":
        ways += [{"domain": words.lower()}, {"other_domains__contains": [words.lower()]}, {"name__iexact": words}]
    elif unit == "contact":
        ways += [{"email__iexact": words}, {"name__iexact": words}]
    else:
        ways += [{"name__iexact": words}]
    if words.isdecimal() and len(words) < 19:
        ways.append({"pk": int(words)})
    for way in ways:
        found = list(model.objects.filter(**way).order_by("pk")[:6])
        if len(found) == 1:
            return found[0]
        if found:
            raise JourneyError(
                _("“%(value)s” fits more than one: %(found)s."),
                code="ambiguous",
                field=unit,
                value=words,
                remedy=_("Use the external id or the primary key."),
                params={
                    "found": ", ".join(f"{item} (#{item.pk})" for item in found[:5]) + (" …" if len(found) > 5 else "")
                },
            )
    raise JourneyError(
        _("Nothing is found for “%(value)s”."),
        code="not_found",
        field=unit,
        value=words,
        remedy=_("Use the external id, the domain, the exact name or the primary key."),
    )

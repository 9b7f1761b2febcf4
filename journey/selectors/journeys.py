"""Finding journeys and the things that move through them by the words people use."""

from difflib import get_close_matches
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.models import Journey, Opportunity
from segmentation.engine.params import is_storable
from segmentation.errors import AmbiguousError, NotFoundError
from segmentation.models import Account, Contact
from segmentation.selectors.access import visible_to
from segmentation.selectors.account_references import find_account


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


_MODELS: dict[str, Any] = {"contact": Contact, "opportunity": Opportunity}


def find_entity(unit: str, words: str, user: Any = None) -> Any:
    """An account (contact, opportunity) by external id, domain or e-mail address, name, or primary key.

    Words that fit several, whichever way, are refused; `id:7` is the external id 7 and `#7` the primary key 7, and
    nothing else. A user finds what this user may see; None finds everything. Raises NotFoundError or AmbiguousError
    when nothing or more than one is found.
    """
    if unit == "account":
        return find_account(words, visible_to(Account.objects.all(), user))
    model = _MODELS[unit]
    found = []
    if words.strip() and is_storable(words):
        found = list(visible_to(model.objects.filter(_ways(unit, words)), user).order_by("pk")[:6])
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousError(
            _("“%(value)s” fits more than one: %(found)s."),
            field=unit,
            value=words,
            remedy=_("Write id:… with the external id, or # and the primary key."),
            params={
                "found": ", ".join(f"{item} (#{item.pk})" for item in found[:5]) + (" …" if len(found) > 5 else "")
            },
        )
    raise NotFoundError(
        _("Nothing is found for “%(value)s”."),
        field=unit,
        value=words,
        remedy=_("Use the external id, the exact name, the mail address of a person, or the primary key."),
    )


def _ways(unit: str, words: str) -> Q:
    """What the words may mean."""
    ways = Q(external_id=words)
    if words.startswith("id:") and words != "id:":
        ways |= Q(external_id=words.removeprefix("id:"))
    number = words.removeprefix("#")
    if number.isdecimal() and len(number) < 19:
        ways |= Q(pk=int(number))
    if unit == "contact":
        ways |= Q(email__iexact=words)
    return ways | Q(name__iexact=words)

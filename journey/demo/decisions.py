"""A few decisions about suggestions, so that every part of their page has something to show."""

from django.contrib.auth.models import User
from django.utils.text import slugify

from journey.demo.curation import MARKETERS
from journey.models import Suggestion
from journey.selectors.suggestions import State, suggestions_in
from journey.services.suggestions import accept_suggestions, decline_suggestions
from segmentation.models import TargetList

ACCEPTED = (2, 5)  # places of the suggestions, in the order of all sources
DECLINED = {3: "Served by a partner of ours.", 6: "No budget before next year.", 8: "Too small for what we offer."}


def decide_some() -> None:
    """Accept some suggestions and decline others, unless somebody has decided already."""
    if Suggestion.objects.exclude(state=State.OPEN).exists():
        return
    waiting = list(suggestions_in().order_by("place", "source_id")[:12])
    marketer = User.objects.filter(username=slugify(MARKETERS[0], allow_unicode=True).replace("-", ".")).first()
    target_list = TargetList.objects.filter(active=True).order_by("-tier", "name").first()
    by_account = {row.account_id: row for row in reversed(waiting)}
    chosen = [row for number, row in enumerate(by_account.values()) if number in ACCEPTED]
    if target_list and chosen:
        accept_suggestions(suggestions=chosen, target_list=target_list, user=marketer)
    for number, row in enumerate(by_account.values()):
        if number in DECLINED:
            decline_suggestions(suggestions=[row], note=DECLINED[number], user=marketer)

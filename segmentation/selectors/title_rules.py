"""What each job title rule does. Queries only."""

from collections import Counter
from typing import cast

from django.db.models import Count

from segmentation.engine.titles import Match, Rule, Sets, TitleClassifier
from segmentation.errors import ProblemError
from segmentation.models import Contact, TitleRule

MOST_TITLES = 1000  # the most frequent ones; reading all of a large company's lists takes seconds


def contacts_decided() -> dict[int, int]:
    """Return how many contacts each active rule decides, by the rule's key.

    The rules are read by the classifier that reads them everywhere; it is only asked for the rule instead of its value.
    """
    rules = TitleRule.objects.filter(active=True).order_by("sets", "order", "id")
    try:
        classifier = TitleClassifier(
            Rule(cast(Sets, rule.sets), cast(Match, rule.match), rule.pattern, str(rule.pk)) for rule in rules
        )
    except ProblemError:  # a pattern that cannot be used; the form of that rule says so
        return {}
    titles = Contact.objects.filter(classified_by_hand=False).exclude(job_title="").order_by()
    counted = titles.values_list("job_title").annotate(number=Count("pk")).order_by("-number")[:MOST_TITLES]
    decided: Counter[int] = Counter()
    for title, number in counted:
        for key in classifier.classify(title):
            if key:
                decided[int(key)] += number
    return dict(decided)

"""The ideal customer profile a new installation has. Texts are marked for translation, translated where shown."""

from typing import Any

from django.utils.translation import gettext_noop

PROFILE_NAME = gettext_noop("Ideal customer")
PROFILE_DESCRIPTION = gettext_noop(
    "What our best customers have in common. Make a draft of it, enter your own ideals, and publish that."
)


def _item(section: str, key: str, text: str, help_text: str = "", **fields: Any) -> dict[str, Any]:
    return {"section": section, "key": key, "text": text, "help": help_text, **fields}


_OWN = gettext_noop("Room for what matters in your business: write it down and give it a weight.")
_DESCRIBE = gettext_noop("Describe it with the answer.")

ITEMS: list[dict[str, Any]] = [
    _item(
        "considerations",
        "not-yet-customer",
        gettext_noop("The company has not signed with us yet"),
        gettext_noop("No opportunity was won and it is not marked as a customer."),
        kind="rule",
        rule={
            "criteria": [
                {"kind": "opportunity_won", "negate": True},
                {
                    "kind": "field",
                    "params": {"field": "relationship", "operator": "is", "value": "customer"},
                    "negate": True,
                },
            ]
        },
    ),
    _item(
        "considerations",
        "ideal-industry",
        gettext_noop("It works in one of our ideal industries"),
        gettext_noop("Better as a rule: the field industry is one of yours."),
        weight=2,
    ),
    _item(
        "considerations",
        "ideal-revenue",
        gettext_noop("Its annual revenue is in our ideal range"),
        gettext_noop("Better as a rule: the field annual revenue is at least, and at most, so much."),
        weight=2,
    ),
    _item(
        "considerations",
        "ideal-employees",
        gettext_noop("Its number of employees is in our ideal range"),
        gettext_noop("Better as a rule: the field employees is at least, and at most, so many."),
        weight=2,
    ),
    _item(
        "considerations",
        "minimum-score",
        gettext_noop("Its qualification score reaches our minimum"),
        gettext_noop("The score of a prediction or of lead scoring; never the fit that this checklist itself gives."),
    ),
    _item(
        "considerations",
        "strategic-direction",
        gettext_noop("What we offer goes the way its strategy goes"),
    ),
    _item(
        "considerations",
        "business-goals",
        gettext_noop("What we offer serves its business purposes and goals"),
    ),
    _item(
        "considerations",
        "need",
        gettext_noop("We have the product, solution or service it needs"),
        weight=2,
    ),
    _item(
        "considerations",
        "no-market-shift",
        gettext_noop("No recent shift in its market speaks against it"),
    ),
    _item(
        "considerations",
        "sellable",
        gettext_noop("We are able and allowed to sell to it"),
        gettext_noop("For example region, law, conflicts with partners, credit."),
        knock_out=True,
    ),
    _item("considerations", "other-consideration", gettext_noop("Another consideration of yours"), _OWN, weight=0),
    _item("loyalty", "similar-pains", gettext_noop("It has pains like those of our best customers"), _DESCRIBE),
    _item("loyalty", "similar-customers", gettext_noop("It serves customers like theirs"), _DESCRIBE),
    _item("loyalty", "similar-competitors", gettext_noop("It has competitors like theirs"), _DESCRIBE),
    _item("loyalty", "similar-values", gettext_noop("It has values and goals like theirs"), _DESCRIBE),
    _item(
        "loyalty",
        "similar-products",
        gettext_noop("Its products and solutions are like theirs, or go with ours"),
        _DESCRIBE,
    ),
    _item(
        "loyalty",
        "similar-teams",
        gettext_noop("It is organised like them: functions, operations and teams"),
        _DESCRIBE,
    ),
    _item("loyalty", "other-trait-1", gettext_noop("Another trait of those who stay with you"), _OWN, weight=0),
    _item("loyalty", "other-trait-2", gettext_noop("One more trait of those who stay with you"), _OWN, weight=0),
]


def install_profile(profiles: Any, versions: Any, items: Any, published_at: Any, key: str = "default") -> None:
    """Bring the ready-made profile, published; an existing one of that key stays as it is. Takes the models."""
    if profiles.objects.filter(key=key).exists():
        return
    profile = profiles.objects.create(key=key, name=PROFILE_NAME, description=PROFILE_DESCRIPTION)
    version = versions.objects.create(profile=profile, number=1)
    items.objects.bulk_create(items(version=version, order=order, **item) for order, item in enumerate(ITEMS, start=1))
    versions.objects.filter(pk=version.pk).update(state="published", published_at=published_at)

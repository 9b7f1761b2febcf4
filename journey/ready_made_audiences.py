"""Ready-made audiences and plays: those of the segmentation handbook, in words of their own.

They are ordinary segments and plays, made when somebody asks for them; those that are there already are left alone.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from journey.segment_examples import _field, _rule, _term
from segmentation.errors import ProblemError
from segmentation.models import Play, Segment
from segmentation.services.plays import save_play
from segmentation.services.segments import create_segment, request_memberships
from segmentation.services.users import Actor

AUDIENCE, TRIGGER = Segment.Purpose.AUDIENCE, Segment.Purpose.TRIGGER
PAGES = ["page_view", "product_page_view", "price_page_view", "case_study_view"]
VISIT: dict[str, Any] = {"categories": ["web"]}
SURGE = _term("intent_surge")
# Accounts in surge are for sales: they leave what mail and advertising address.
CALM = _term("intent_surge", negate=True)
# Nobody spends money on who was ruled out.
IN_PLAY = _term("flag", negate=True, flag="disqualified")
PROSPECT, CUSTOMER = _field("relationship", "is", "prospect"), _field("relationship", "is", "customer")


def audiences() -> list[dict[str, Any]]:
    """The audiences, as segments. None of them holds disqualified accounts."""
    return [spec | {"rules": _in_play(spec["rules"])} for spec in _audiences()]


def _in_play(rules: dict[str, Any]) -> dict[str, Any]:
    base = rules.get("base", {"criteria": []})
    return rules | {"base": base | {"criteria": [*base["criteria"], IN_PLAY]}}


def _audiences() -> list[dict[str, Any]]:
    return [
        {
            "key": "audience-dormant",
            "name": gettext_noop("Dormant"),
            "description": gettext_noop("They visited before, but not within 90 days: wake them up."),
            "rules": {
                "base": _rule(_term("activity_count", window_days=None, **VISIT)),
                "trigger": _rule(_term("activity_count", negate=True, window_days=90, **VISIT), CALM),
            },
        },
        {
            "key": "audience-never-visited",
            "name": gettext_noop("Never visited"),
            "description": gettext_noop("Prospects who were never on your site: make yourself known."),
            "rules": {
                "base": _rule(PROSPECT),
                "trigger": _rule(_term("activity_count", negate=True, window_days=None, **VISIT), CALM),
            },
        },
        {
            "key": "audience-engaged",
            "name": gettext_noop("Engaged"),
            "description": gettext_noop("Three page views or more within 90 days: show them what interests them next."),
            "rules": {"trigger": _rule(_term("activity_count", times=3, window_days=90, types=PAGES), CALM)},
        },
        {
            "key": "audience-mqa",
            "name": gettext_noop("Qualified accounts (MQA)"),
            "description": gettext_noop("In the stage MQA: case studies and proof by third parties move them on."),
            "rules": {"trigger": _rule(_term("stage", journey="standard", stage="mqa"), CALM)},
        },
        {
            "key": "audience-surging",
            "name": gettext_noop("Surging, for sales"),
            "description": gettext_noop(
                "Their interest surges now. Not for mail or advertising: sales talk to them in person."
            ),
            "rules": {"trigger": _rule(SURGE)},
        },
        {
            "key": "audience-intent-not-engaged",
            "name": gettext_noop("Looking around, not with you yet"),
            "description": gettext_noop("Intent within 30 days and no visit: bring them to your site."),
            "rules": {
                "base": _rule(PROSPECT),
                "trigger": _rule(
                    _term("intent", window_days=30), _term("activity_count", negate=True, window_days=30, **VISIT), CALM
                ),
            },
        },
        {
            "key": "audience-stalled",
            "name": gettext_noop("Stalled opportunities"),
            "description": gettext_noop("An open deal that has not moved for 30 days: give its buyers a reason to."),
            "rules": {"trigger": _rule(_term("opportunity_stalled", days=30), CALM)},
        },
        {
            "key": "audience-expansion",
            "name": gettext_noop("Customers to expand"),
            "description": gettext_noop("Customers without an open deal who look at product pages or show intent."),
            "rules": {
                "base": _rule(CUSTOMER, _term("opportunity_open", negate=True), CALM),
                "trigger": _rule(
                    _term("activity_count", window_days=90, types=["product_page_view", "price_page_view"]),
                    _term("intent", window_days=30),
                    at_least=1,
                ),
            },
        },
    ]


def plays() -> list[dict[str, Any]]:
    """The plays with the rules of their triggers: the handbook's table, and what surges call for."""
    return [
        {
            "key": "surge-to-sales",
            "name": gettext_noop("Surge: sales talk to them"),
            "rules": {"trigger": _rule(SURGE)},
            "observed": gettext_noop("Interest surges above what is usual for the account."),
            "wanted": gettext_noop("A conversation with sales."),
            "action": gettext_noop("Call the account within two days and name what it looks into."),
            "content": gettext_noop("A short answer to the topic it surges on."),
            "goal": gettext_noop("A meeting is held."),
            "cool_down_days": 30,
        },
        {
            "key": "intent-to-visit",
            "name": gettext_noop("Looking around: bring them to the site"),
            "rules": {
                "trigger": _rule(
                    _term("intent", times=2, window_days=30),
                    _term("activity_count", negate=True, window_days=30, **VISIT),
                )
            },
            "observed": gettext_noop("Buying intent elsewhere, no visit yet."),
            "wanted": gettext_noop("It comes to the website."),
            "action": gettext_noop("Address it with advertising and an invitation."),
            "content": gettext_noop("Thought leadership, webinars, e-books."),
            "goal": gettext_noop("Awareness: more target accounts on the site, more visitors and visits of them."),
            "cool_down_days": 60,
        },
        {
            "key": "visit-to-engagement",
            "name": gettext_noop("Visiting: let them stay longer"),
            "rules": {
                "trigger": _rule(
                    _term("activity_count", window_days=30, **VISIT),
                    _term("activity_count", negate=True, times=6, window_days=30, **VISIT),
                )
            },
            "observed": gettext_noop("It visits the website."),
            "wanted": gettext_noop("It reads more and stays longer."),
            "action": gettext_noop("Show the next content on the site and by mail."),
            "content": gettext_noop("White papers, how-to videos, live events."),
            "goal": gettext_noop("Engagement: more page views, longer visits, fewer that leave at once."),
            "cool_down_days": 60,
        },
        {
            "key": "engagement-to-funnel",
            "name": gettext_noop("Engaged: lead them into the funnel"),
            "rules": {
                "trigger": _rule(
                    _term("activity_count", times=6, window_days=30, **VISIT), _term("opportunity_open", negate=True)
                )
            },
            "observed": gettext_noop("It is engaged on the website."),
            "wanted": gettext_noop("It enters the funnel."),
            "action": gettext_noop("Hand it to sales with what it read, and offer a demonstration."),
            "content": gettext_noop("Analyst reports, best-practice guides, templates for requests for proposals."),
            "goal": gettext_noop("Conversion: more qualified leads, accepted leads and opportunities."),
            "cool_down_days": 60,
        },
    ]


def _make(key: str, spec: dict[str, Any], purpose: str, order: int, user: Actor) -> Segment:
    description = spec.get("description") or spec.get("observed", "")
    return create_segment(
        key=key,
        name=spec["name"],
        rules=spec["rules"],
        description=description,
        purpose=purpose,
        order=order,
        active=False,
        user=user,
        build=False,
    ).segment


@transaction.atomic
def install_audiences(*, user: Actor = None, build: bool = True) -> tuple[list[str], dict[str, str]]:
    """Make the ready-made audiences that are missing. Returns the new keys, and why others cannot be made, by key.

    build: ask for their members in the background.
    """
    known = set(Segment.objects.values_list("key", flat=True))
    made, refused = [], {}
    for place, spec in enumerate(audiences()):
        if spec["key"] in known:
            continue
        try:
            _make(spec["key"], spec, AUDIENCE, 400 + place, user)
        except ProblemError as error:
            refused[spec["key"]] = str(error)
        else:
            made.append(spec["key"])
    if made and build:
        request_memberships(user=user)
    return made, refused


@transaction.atomic
def install_plays(
    *, user: Actor = None, build: bool = True, include_present: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Make the ready-made plays that are missing, with their triggers. Returns as `install_audiences` does."""
    known = set(Play.objects.values_list("key", flat=True))
    made, refused = [], {}
    for place, spec in enumerate(plays()):
        if spec["key"] in known:
            continue
        words = {name: value for name, value in spec.items() if name not in ("key", "rules")}
        key = f"trigger-{spec['key']}"
        try:
            trigger = Segment.objects.filter(key=key).first() or _make(key, spec, TRIGGER, 300 + place, user)
            save_play(key=spec["key"], trigger=trigger, include_present=include_present, **words)
        except ProblemError as error:
            refused[spec["key"]] = str(error)
        else:
            made.append(spec["key"])
    if made and build:
        request_memberships(user=user)
    return made, refused

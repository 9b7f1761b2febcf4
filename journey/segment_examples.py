"""The ready-made segments: the examples of the segmentation handbook, in words of their own.

They are ordinary segments, made when somebody asks for them; those that are there already are left alone.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from segmentation.errors import ProblemError
from segmentation.models import Account, CustomField, Segment, SegmentVersion
from segmentation.services.segments import create_segment, request_memberships
from segmentation.services.users import Actor

SERVES = "serves"  # a custom field: whom a company serves


def _term(kind: str, negate: bool = False, **params: Any) -> dict[str, Any]:
    return {"kind": kind, "params": params, "negate": negate}


def _field(field: str, operator: str, value: Any = None, negate: bool = False) -> dict[str, Any]:
    return _term("field", negate, field=field, operator=operator, value=value)


def _rule(*terms: dict[str, Any], at_least: int | None = None) -> dict[str, Any]:
    return {"criteria": list(terms), "at_least": at_least}


RETAIL = ["Retail", "零售"]
FINANCE = ["Financial services", "Finance", "Banking", "Insurance", "金融服务", "金融"]
SOFTWARE = ["Software", "Software and services", "Software and technology", "Technology", "软件", "软件和技术服务"]
SERVICES = ["Business services", "Professional services", "企业服务"]
HEALTH = ["Healthcare", "Health care", "医疗保健"]
CITIES = ["Beijing", "Shanghai", "北京", "上海"]
CUSTOMER, PROSPECT = _field("relationship", "is", "customer"), _field("relationship", "is", "prospect")
ENTERPRISE = _field("employees", "at_least", 1000)
MIDDLE = [_field("employees", "at_least", 100), _field("employees", "below", 1000)]


def _in(key: str, negate: bool = False) -> dict[str, Any]:
    return _term("segment", negate, segment=key)


def examples(products: tuple[str, str]) -> list[dict[str, Any]]:
    """What to make, parents first. products: two of the user's own, for the examples about what was bought."""
    one, other = products
    has_one = _field("products", "contains", one)
    made: list[dict[str, Any]] = [
        {
            "key": "bought-a-not-b",
            "name": gettext_noop("Customers of one product and not of the other"),
            "description": gettext_noop("They know you and may need more: a reason to cross-sell."),
            "rules": {
                "base": _rule(
                    CUSTOMER, _field("products", "contains", one), _field("products", "contains", other, True)
                )
            },
        },
        {
            "key": "solution-visitors",
            "name": gettext_noop("Prospects who looked at three solution pages"),
            "description": gettext_noop("They viewed product pages three times within 90 days."),
            "rules": {
                "base": _rule(PROSPECT),
                "trigger": _rule(_term("activity_count", times=3, window_days=90, types=["product_page_view"])),
            },
        },
        {
            "key": "business-services-prospects",
            "name": gettext_noop("Prospects in business services"),
            "description": gettext_noop("One industry with needs of its own."),
            "rules": {"base": _rule(PROSPECT, _field("industry", "in", SERVICES))},
        },
        {
            "key": "industry-software",
            "name": gettext_noop("Software and technology"),
            "description": gettext_noop("A simple segment: one attribute. They look for innovation and adoption."),
            "rules": {"base": _rule(_field("industry", "in", SOFTWARE))},
        },
        {
            "key": "industry-health",
            "name": gettext_noop("Health care"),
            "description": gettext_noop("A simple segment: one attribute."),
            "rules": {"base": _rule(_field("industry", "in", HEALTH))},
        },
        {
            "key": "industry-finance",
            "name": gettext_noop("Financial services"),
            "description": gettext_noop("A simple segment: one attribute. They are cautious and mind compliance."),
            "rules": {"base": _rule(_field("industry", "in", FINANCE))},
        },
        {
            "key": "software-beijing-shanghai",
            "name": gettext_noop("Software and services for enterprises in Beijing and Shanghai"),
            "description": gettext_noop(
                "Several attributes: they serve enterprises, have revenue of 5 million or more, and sit there."
            ),
            "rules": {
                "base": _rule(
                    _field("industry", "in", [*SOFTWARE, *SERVICES]),
                    _field(f"custom.{SERVES}", "is", "enterprises"),
                    _field("revenue", "at_least", 5_000_000),
                    _field("city", "in", CITIES),
                )
            },
        },
        {
            "key": "ready-to-talk",
            "name": gettext_noop("Good fit and showing interest"),
            "description": gettext_noop("Base, fit and trigger: enterprises with a good fit whose buyers are engaged."),
            "rules": {
                "base": _rule(ENTERPRISE),
                "fit": _rule(_term("icp_fit", profile="default", grades=["A", "B"])),
                "trigger": _rule(
                    _term("engaged_minutes", minutes=10, window_days=90),
                    _term("engaged_people", people=2, window_days=90),
                    at_least=1,
                ),
            },
        },
    ]
    for group, name, base, goals in (
        (
            "enterprise-customers",
            gettext_noop("Enterprise customers"),
            [CUSTOMER, ENTERPRISE],
            (
                gettext_noop("Goal: 2 million of revenue through the funnel this quarter."),
                gettext_noop("Goal: engagement up by 25 % this half-year."),
                gettext_noop("Goal: visits to the website up by 30 % this half-year."),
            ),
        ),
        (
            "enterprise-prospects",
            gettext_noop("Enterprise prospects"),
            [PROSPECT, ENTERPRISE],
            (
                gettext_noop("Goal: 16 new prospects this quarter."),
                gettext_noop("Goal: engagement up by 15 % this half-year."),
                gettext_noop("Goal: visits to the website up by 15 % this half-year."),
            ),
        ),
    ):
        made.append({"key": group, "name": name, "rules": {"base": _rule(*base)}})
        retail, finance, others = f"{group}-retail", f"{group}-finance", f"{group}-others"
        rest = _rule(_in(retail, True), _in(finance, True))
        for key, title, rules, goal in (
            (retail, gettext_noop("Retail"), {"base": _rule(_field("industry", "in", RETAIL))}, goals[0]),
            (finance, gettext_noop("Financial services"), {"base": _rule(_field("industry", "in", FINANCE))}, goals[1]),
            (others, gettext_noop("All others"), {"base": rest}, goals[2]),
        ):
            made.append({"key": key, "name": title, "parent": group, "rules": rules, "description": goal})
    users, others = "mid-market-customers-users", "mid-market-customers-others"
    made += [
        {
            "key": "mid-market-customers",
            "name": gettext_noop("Mid-market customers"),
            "rules": {"base": _rule(CUSTOMER, *MIDDLE)},
        },
        {
            "key": users,
            "name": gettext_noop("Users of the first product"),
            "parent": "mid-market-customers",
            "description": gettext_noop("Goal: 8 million of additional sales of the second product this year."),
            "rules": {"base": _rule(has_one)},
        },
        {
            "key": others,
            "name": gettext_noop("All others"),
            "parent": "mid-market-customers",
            "description": gettext_noop("Goal: 5 million of additional sales opportunities this quarter."),
            "rules": {"base": _rule(_in(users, True))},
        },
    ]
    return made


def two_products() -> tuple[str, str]:
    """The two products most accounts use; letters to be changed where there are none."""
    counts: Counter[str] = Counter()
    for products in Account.objects.exclude(products=[]).values_list("products", flat=True).iterator():
        counts.update(products)
    names = [name for name, _number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    one, other = [*names, "A", "B"][:2] if len(names) != 1 else (names[0], "B")
    return one, other


@transaction.atomic
def install_examples(
    *, user: Actor = None, build: bool = True, active: Collection[str] = ()
) -> tuple[list[SegmentVersion], dict[str, str]]:
    """Make the ready-made segments that are missing, not active until somebody makes them so.

    build: ask for their memberships in the background. active: keys of those that are active at once.
    The custom field “serves” is made where it is missing: one example asks whom a company serves. Returns the new ones,
    and why others cannot be made here (an activity type that does not exist), by key.
    """
    CustomField.objects.get_or_create(
        of=CustomField.Of.ACCOUNT,
        key=SERVES,
        defaults={"label": "Serves", "type": CustomField.Type.TEXT, "help_text": "enterprises or consumers"},
    )
    known = set(Segment.objects.values_list("key", flat=True))
    made, refused = [], {}
    for order, example in enumerate(examples(two_products())):
        if example["key"] in known:
            continue
        details = {"description": example.get("description", ""), "order": 200 + order}
        details["active"] = example["key"] in active
        try:
            version = create_segment(
                key=example["key"],
                name=example["name"],
                rules=example["rules"],
                parent=example.get("parent", ""),
                user=user,
                build=False,
                **details,
            )
        except ProblemError as error:
            refused[example["key"]] = str(error)
        else:
            made.append(version)
    if made and build:
        request_memberships(user=user)
    return made, refused

"""A rep walks every address there is with the ids and names of another team, and finds nothing of it.

Addresses are taken from the resolver: a new one is walked by itself, or the test says what it lacks. Everything of the
other team carries `MARK`; a manager who walks the same way must find it.
"""

import datetime as dt
import json
import re

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import connection
from django.db.models import ForeignKey
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from journey.models import (
    Cost,
    CustomerPeriod,
    ExchangeRate,
    History,
    Journey,
    JourneyVersion,
    LookalikeModel,
    StageInterval,
    Suggestion,
    SuggestionSource,
)
from scoring.models import IntentSignal, IntentTopic
from segmentation.models import (
    Account,
    AccountFlag,
    Contact,
    CustomField,
    DisqualificationRequest,
    DuplicateCandidate,
    FlagType,
    IcpAnswer,
    IcpAssessment,
    IcpProfile,
    IcpVersion,
    ImportMapping,
    ImportRun,
    Job,
    ListMembership,
    ListReview,
    MembershipReason,
    Play,
    PlaySuggestion,
    PriorityAnswer,
    SalesQuota,
    SalesTeam,
    Segment,
    SegmentGoal,
    TargetList,
    TitleRule,
)
from segmentation.selectors.access import EVERY_TEAM, OWN_TEAMS, is_closed
from segmentation.services.merging import merge_accounts
from segmentation.services.roles import MANAGER, REP
from segmentation.services.segments import create_segment
from tests.journey import worlds
from tests.journey.worlds import DAY0, day

pytestmark = pytest.mark.django_db

MARK = "zzsecretq7"
ASKED = MARK[:-1]  # pages repeat what was asked for
MISSING = 987_654_321
# Addresses that end the session or are no pages.
SKIPPED = {"logout", "logout-all", "login", "password_change", "password_change_done", "set_language", "jsi18n"}
# Parameters that are no ids of rows. A new address with another one must be declared here.
WORDS = {
    "key": "ours", "number": "1", "code": "not_found", "app_label": "segmentation", "url": "nothing", "rest": "nothing",
}  # fmt: skip
CLOSED = {ListReview, Job, ImportRun, ImportMapping, TitleRule, IcpProfile}


# --- The world -----------------------------------------------------------------------------------------------------


def team_world(team, mark, stages, history, version, everybody):
    """Everything there is about one account of a team; every text in it carries the mark."""
    one = worlds.account(
        f"{mark} AG", team=team, domain=f"{mark}.example", industry=mark, region=mark, owner=mark, source=mark,
        other_names=[f"{mark} other"], custom={"note": mark}, products=[mark],
    )  # fmt: skip
    Account.objects.filter(pk=one.pk).update(external_id=f"{mark}-A")
    person = worlds.contact(one, email=f"ann@{mark}.example", job_title=mark)
    Contact.objects.filter(pk=person.pk).update(name=f"{mark} Ann", external_id=f"{mark}-C")
    done = worlds.activity(one, "webinar", 10, by=person, content=mark, campaign=mark, source_key=f"crm:{mark}-E")
    deal = worlds.deal(one, ("Discovery", 20), team=team, product=mark, owner=mark, contact=person)
    type(deal).objects.filter(pk=deal.pk).update(name=f"{mark} deal", external_id=f"{mark}-O")
    change = deal.changes.get()
    user = get_user_model().objects.create_user(f"{mark}-rep", password="pass")
    listed, reason = TargetList.objects.get(key="key-accounts"), MembershipReason.objects.first()
    common = {"target_list": listed, "account": one, "team": team, "reason": reason, "note": mark}
    member = ListMembership.objects.create(state="proposed", start_at=DAY0, set_by=user, rep=user, **common)
    asked = DisqualificationRequest.objects.create(asked_by=user, asked_at=DAY0, **common)
    kind = FlagType.objects.get(key="disqualified")
    signal = IntentSignal.objects.create(
        account=one, topic=IntentTopic.objects.get(key="topic"), company=mark, keyword=mark, source=mark,
        occurred_at=timezone.now() - dt.timedelta(hours=1), number=5, source_key=f"crm:{mark}-S",
    )  # fmt: skip
    made = PlaySuggestion.objects.create(
        play=Play.objects.get(key="own"), account=one, trigger_at=DAY0, made_at=DAY0, note=mark
    )
    flag = AccountFlag.objects.create(account=one, flag_type=kind, start_at=DAY0, end_at=day(1), reason=mark)
    period = CustomerPeriod.objects.create(account=one, product=mark, started_at=day(1))
    answer = IcpAnswer.objects.create(
        profile=version.profile, item_key="x", account=one, kind="yes_no", value=1, note=mark
    )
    fit = IcpAssessment.objects.create(
        version=version, account=one, score=50, grade="C", coverage=100, fingerprint=1, made_at=DAY0
    )
    quota = SalesQuota.objects.create(team=team, places=15)
    StageInterval.objects.create(
        history=history, entity_id=one.pk, account=one, stage=stages[mark == MARK], start_at=DAY0, is_first=True
    )
    suggestion = Suggestion.objects.create(
        source=SuggestionSource.objects.get(key="ours"), account=one, place=1, score=2, found_at=DAY0, note=mark,
        state="declined", decided_at=DAY0, decided_by=user, evidence={"effects": [["industry", mark, 2.0]]},
    )  # fmt: skip
    everybody += [one, person, done, deal, change, member, asked, flag, period, answer, fit, quota, team, signal]
    everybody += [suggestion, made]
    return one, person


@pytest.fixture
def world():
    """Two teams with an account each; links from the first to the second. Returns the second's rows by model."""
    cache.clear()
    worlds.install()
    TargetList.objects.get_or_create(key="key-accounts", defaults={"name": "Key accounts"})
    MembershipReason.objects.get_or_create(key="fits", defaults={"name": "Fits"})
    create_segment(key="own", name="Own", rules={"base": {"criteria": [{"kind": "former_customer"}]}}, build=False)
    Play.objects.create(key="own", name="Own", trigger=Segment.objects.get(key="own"), action="Call")
    IntentTopic.objects.create(key="topic", name="Topic", keywords=["topic"])
    CustomField.objects.create(of="account", key="note", label="Note")
    version = IcpVersion.objects.select_related("profile").filter(state="published").first()
    journey = Journey.objects.create(key="ours", name="Ours", order=0)
    ours = JourneyVersion.objects.create(journey=journey, number=1)
    stages = [ours.stages.create(key=key, name=key.title(), precedence=n, position=n) for n, key in enumerate("xy")]
    JourneyVersion.objects.filter(pk=ours.pk).update(state="published")
    history = History.objects.create(version=ours, state="current", built_at=DAY0)
    with connection.cursor() as cursor:
        table = f"journey_stageinterval_{history.pk}"
        cursor.execute(f"CREATE TABLE {table} PARTITION OF journey_stageinterval FOR VALUES IN ({history.pk})")
    source = SuggestionSource.objects.create(key="ours", name="Ours", kind="lookalike")
    told = {"auc": 0.7, "low": 0.6, "high": 0.8, "lift": 2.0, "base": 0.1, "precision": {}, "tenths": []}
    LookalikeModel.objects.create(
        source=source, number=1, made_at=DAY0, checked_at=DAY0, accounts=2, customers=1, evaluation=told, levels=[],
        parameters={"attributes": ["industry"]},
    )  # fmt: skip
    mine, theirs = [], []
    own, foreign = (SalesTeam.objects.create(key=f"{mark}-team", name=f"{mark} team") for mark in ("own", MARK))
    account, _person = team_world(own, "own", stages, history, version, mine)
    other, stranger = team_world(foreign, MARK, stages, history, version, theirs)
    Account.objects.filter(pk=account.pk).update(parent=other)
    worlds.activity(account, "webinar", 11, by=stranger)  # who worked here then
    deal = worlds.deal(account, contact=stranger, team=foreign)
    type(deal).objects.filter(pk=deal.pk).update(name="own second deal")
    ListMembership.objects.filter(account=account).update(end_at=day(50))
    ListMembership.objects.create(
        target_list=TargetList.objects.get(key="key-accounts"), account=account, state="active", start_at=day(50),
        team=foreign,
    )  # fmt: skip
    JourneyVersion.objects.create(journey=journey, number=2)
    Cost.objects.create(kind="media", first_day=DAY0.date(), last_day=DAY0.date(), amount=5)
    ExchangeRate.objects.create(currency="EUR", into="USD", day=DAY0.date(), rate=1)
    owned = Segment.objects.get(key="own")
    SegmentGoal.objects.create(
        segment=owned, kind="revenue", target=5, first_day=DAY0.date(), last_day=DAY0.date(), baseline=5,
        baseline_source="given", baseline_reason=MARK, note=MARK,
    )  # fmt: skip
    PriorityAnswer.objects.create(segment=owned, consideration="fit", score=3, reason=MARK)
    theirs += [
        DuplicateCandidate.objects.create(
            first=other, second=worlds.account(f"{MARK} SE", team=foreign), score="0.9", reasons=[["same_name", MARK]],
            fingerprint=1, note=MARK,
        ),
        merge_accounts(survivor=other, absorbed=worlds.account(f"{MARK} GmbH", team=foreign)),
        Job.objects.create(kind="import", title=MARK, error=MARK, result={"text": MARK}),
        ImportRun.objects.create(target="accounts", file_name=f"{MARK}.csv", state="done"),
        ImportMapping.objects.create(key="secret", name=MARK, target="accounts", spec={}),
        TitleRule.objects.create(sets="seniority", pattern=MARK, value="vp"),
        IcpProfile.objects.create(key="secret", name=MARK),
        ListReview.objects.create(target_list=TargetList.objects.get(key="key-accounts"), reviewed_at=DAY0, note=MARK),
    ]  # fmt: skip
    return {type(row): row for row in theirs}, own


def make_rep(team, *, every_right=False):
    """A rep with the role; or, worse, one limited to own teams who was given every other right there is."""
    user = get_user_model().objects.create_user("rep", password="pass", is_staff=True)
    user.sales_teams.add(team)
    if every_right:
        user.user_permissions.set(Permission.objects.exclude(codename=EVERY_TEAM.split(".")[1]))
    else:
        user.groups.add(Group.objects.get(name=REP))
    return user


def client_of(user):
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture(params=["role", "every right"])
def rep(world, request):
    user = make_rep(world[1], every_right=request.param == "every right")
    assert get_user_model().objects.get(pk=user.pk).has_perm(OWN_TEAMS)
    return client_of(user)


@pytest.fixture
def strong(world):
    """Who reaches every page a limited user may reach."""
    return client_of(make_rep(world[1], every_right=True))


# --- The addresses -------------------------------------------------------------------------------------------------


def patterns(resolver=None, prefix="/"):
    for item in (resolver or get_resolver()).url_patterns:
        address = prefix + str(item.pattern).removeprefix("^")
        if hasattr(item, "url_patterns"):
            yield from patterns(item, address)
        else:
            yield address.rstrip("$"), item


def model_of(address, item):
    """The model an address is about, if it is about one."""
    found = re.match(r"/admin/(\w+)/(\w+)/", address)
    for model in admin.site._registry:
        if found and (model._meta.app_label, model._meta.model_name) == found.groups():
            return model
    rows = getattr(getattr(item.callback, "cls", None), "queryset", None)
    return rows.model if rows is not None else None


PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^()]*\)")


def filled(address, words):
    return PARAMETER.sub(lambda found: str(words[found[1] or found[2]]), address)


def addresses(theirs):
    """Every address, filled: for those of one row that of the other team, and beside it one that does not exist."""
    for address, item in patterns():
        if item.name in SKIPPED:
            continue
        names = [one or two for one, two in PARAMETER.findall(address)]
        ids = {name for name in names if name in ("pk", "id") or name.endswith("_id")} - {"content_type_id"}
        unknown = set(names) - ids - {"content_type_id"} - set(WORDS)
        assert not unknown, f"{address}: say in WORDS what {unknown} is"
        model = model_of(address, item)
        row = theirs.get(model)
        words = {**WORDS, "content_type_id": ContentType.objects.get_for_model(Account).pk}
        if "content_type_id" in names:
            row = theirs[Account]
        if (
            ids
            and row is None
            and model is not None
            and model._meta.app_label in ("segmentation", "scoring", "journey")
        ):
            row = model._default_manager.first()
            assert row, f"{address}: put a row of {model.__name__} into the world"
            yield filled(address, words | dict.fromkeys(ids, row.pk)), None, model
            continue
        pk = row.pk if row is not None else 1
        there, nowhere = (filled(address, words | dict.fromkeys(ids, key)) for key in (pk, MISSING))
        yield there, nowhere if ids else None, model


def answer_of(client, method, address, pk=""):
    """Status and text of an answer, without what differs by the id that was asked for."""
    answer = getattr(client, method)(address, **({"content_type": "application/json"} if method != "get" else {}))
    text = b"".join(answer) if answer.streaming else answer.content
    place = answer.headers.get("Location", "")
    return answer.status_code, re.sub(r"\b\d+\b|csrfmiddlewaretoken\W.*?>", "", text.decode(errors="replace") + place)


def rows_of(theirs):
    """All that is stored of the other team."""
    return {model: list(model._default_manager.filter(pk=row.pk).values()) for model, row in theirs.items()}


# --- The walk ------------------------------------------------------------------------------------------------------


def test_nothing_of_another_team_is_at_any_address_and_nothing_is_changed(world, rep):
    theirs, _own = world
    before, walked = rows_of(theirs), 0
    for there, nowhere, _model in list(addresses(theirs)):  # the settings may be deleted on the way
        for method in ("get", "post", "patch", "put", "delete") if "/api/" in there else ("get", "post"):
            status, text = answer_of(rep, method, there)
            assert status < 500, (method, there)
            assert MARK not in text, f"{method} {there} shows what belongs to another team"
            if nowhere:
                assert (status, text) == answer_of(rep, method, nowhere), f"{method} {there} tells that it exists"
            walked += 1
    assert walked > 400
    assert rows_of(theirs) == before


def test_pages_of_rows_the_role_may_look_at_answer_that_there_are_none(world):
    theirs, own = world
    rep = client_of(make_rep(own))
    for model in (
        Account, Contact, ListMembership, DisqualificationRequest, AccountFlag, IcpAnswer, IcpAssessment, Suggestion,
    ):  # fmt: skip
        options = model._meta
        for page in ("change", "history"):
            name = f"admin:{options.app_label}_{options.model_name}_{page}"
            assert rep.get(reverse(name, args=[theirs[model].pk])).status_code == 404
    for name in ("account", "contact", "activity", "opportunity", "opportunity-change"):
        pk = next(row.pk for model, row in theirs.items() if model._meta.model_name == name.replace("-", ""))
        assert rep.get(reverse(f"{name}-detail", args=[pk])).status_code == 404


def test_a_manager_who_walks_the_same_way_finds_all_of_it(world):
    theirs, _own = world
    boss = get_user_model().objects.create_user("boss", password="pass", is_staff=True)
    boss.groups.add(Group.objects.get(name=MANAGER))
    client, found = client_of(boss), set()
    for there, _nowhere, model in addresses(theirs):
        status, text = answer_of(client, "get", there)
        if status == 200 and MARK in text:
            found.add(model)
    assert {model for model in theirs if model in admin.site._registry} <= found


# --- Lists asked with foreign words --------------------------------------------------------------------------------


def questions(model, theirs):
    """Parameters of a list in the admin that ask for something of the other team."""
    yield {"q": ASKED}
    for field in model._meta.get_fields():
        if isinstance(field, ForeignKey) and field.related_model in theirs:
            row = theirs[field.related_model]
            for look_up in ("id__exact", "pk__exact"):
                yield {f"{field.name}__{look_up}": row.pk}
            if field.related_model in (Account, Contact, SalesTeam):
                yield {f"{field.name}__name__startswith": ASKED}
        elif field.concrete and not field.is_relation and field.name in ("industry", "region", "owner", "product"):
            yield {field.name: MARK[:-1]}
    yield {"stage": "y"}


def test_lists_of_the_admin_asked_for_foreign_rows_find_own_rows_only(world, strong):
    theirs, _own = world
    for model in theirs:
        if model not in admin.site._registry:
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for asked in questions(model, theirs):
            found, missed = (strong.get(url, words) for words in (asked, dict.fromkeys(asked, MISSING)))
            assert MARK not in found.content.decode(), f"{url} {asked}"
            assert found.status_code == missed.status_code, f"{url} {asked}"
            if found.status_code == 200:
                assert shown(found) == shown(missed), f"{url} {asked} finds what is hidden"


def shown(answer):
    if "cl" not in answer.context:  # a page of its own in the place of the list
        return [row["key"] for row in answer.context["rows"]]
    return [row.pk for row in answer.context["cl"].result_list]


def test_choices_and_look_ups_name_nothing_of_another_team(world, strong):
    for model, page in admin.site._registry.items():
        names = {*page.autocomplete_fields, *(f[0] for f in page.list_filter if isinstance(f, tuple))}
        for name in names:
            where = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": name}
            for term in ("", ASKED, MARK):
                answer = strong.get(reverse("admin:autocomplete"), {**where, "term": term})
                assert MARK not in answer.content.decode(), (where, term)
    for words in (ASKED, MARK):
        assert MARK not in strong.get(reverse("admin:search"), {"s": words}).content.decode().replace(words, "")


def test_actions_on_foreign_ids_change_nothing_and_name_nothing(world, strong):
    theirs, _own = world
    before = rows_of(theirs)
    actions = {"delete_selected", *(name for page in admin.site._registry.values() for name in map(str, page.actions))}
    answers = {"_form_submitted": "1", "note": "x", "reason": "1", "post": "yes", "accept": "1"}
    for model, row in theirs.items():
        if model not in admin.site._registry:
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        page = admin.site._registry[model]
        for action in actions & ({"delete_selected"} | set(map(str, page.actions))):
            body = {"action": action, "_selected_action": [row.pk], "index": 0}
            for sent in (body, {**body, **answers}):
                answer = strong.post(url, sent, follow=True)
                assert MARK not in answer.content.decode(), f"{url} {action}"
    review = reverse("admin:segmentation_listmembership_review")
    keys = [f"proposal-{theirs[ListMembership].pk}", f"request-{theirs[DisqualificationRequest].pk}"]
    answer = strong.post(review, {"action": "accept", "_selected_action": keys, **answers}, follow=True)
    assert MARK not in answer.content.decode()
    assert rows_of(theirs) == before


# --- The API -------------------------------------------------------------------------------------------------------


def test_lists_of_the_api_asked_for_foreign_rows_find_nothing(world, strong):
    theirs, _own = world
    ids = {model._meta.model_name: row.pk for model, row in theirs.items()}
    texts = {"name": f"{MARK} AG", "domain": f"{MARK}.example", "search": ASKED, "email": f"ann@{MARK}.example"}
    keys = {"account": "A", "contact": "C", "opportunity": "O", "parent": "A", "external_id": "E"}
    tried = 0
    for address, item in patterns():
        filters = getattr(getattr(getattr(item.callback, "cls", None), "filterset_class", None), "base_filters", {})
        if not address.startswith("/api/") or PARAMETER.search(address) or "upsert" in address:
            continue
        for name in filters:
            first, _sep, rest = name.partition("__")
            values = [texts[first]] if first in texts and rest in ("", "iexact") else []
            if rest in ("", "in") and first in (*ids, "parent"):
                values += [ids["account" if first == "parent" else first]]
            if name.endswith("external_id"):
                values += [f"{MARK}-{keys[first]}"]
            if first == "team":
                values += [f"{MARK}-team", f"{MARK}-tea"]  # and what was probably meant
            for value in values:
                answer = strong.get(address, {name: value})
                text = answer.content.decode()
                assert MARK not in text.replace(str(value), ""), f"{address} {name}={value}"
                if answer.status_code == 200:
                    assert json.loads(text)["results"] == [], f"{address} {name}={value}"
                tried += 1
    assert tried > 30


def test_the_api_explains_and_stores_nothing_of_another_team(world, strong):
    theirs, _own = world
    other = theirs[Account]
    ways = (f"{MARK}-A", f"id:{MARK}-A", f"#{other.pk}", f"{MARK} AG", f"{MARK}.example", str(other.pk))
    for words, nothing in [(way, way.replace("7", "8")[::-1]) for way in ways]:
        found, missed = (strong.get("/api/v1/journeys/ours/explain/", {"account": w}) for w in (words, nothing))
        assert (found.status_code, found.json()["code"]) == (missed.status_code, missed.json()["code"])
        assert found.status_code in (404, 400)
    before = rows_of(theirs)
    record = {"external_id": f"{MARK}-A", "name": "Taken"}
    for path, body in (("accounts/", record), ("accounts/upsert/", {"records": [record]})):
        answer = strong.post(f"/api/v1/{path}", body, content_type="application/json")
        assert answer.status_code == 403
    assert rows_of(theirs) == before


# --- Figures -------------------------------------------------------------------------------------------------------


def test_figures_count_own_accounts_only(world, rep):
    context = rep.get(reverse("admin:index")).context
    assert context["total"] == 1
    assert {bar["stage"].key: bar["number"] for bar in context["funnel"]} == {"x": 1, "y": 0}
    numbers = {item["url"].split("/")[3]: item["number"] for item in context["counts"]}
    assert numbers == {"account": 1, "contact": 1, "activity": 2, "opportunity": 2}
    stages = rep.get("/api/v1/journeys/ours/stages/").json()["stages"]
    assert {row["key"]: (row["accounts"], row["share"]) for row in stages} == {"x": (1, 1.0), "y": (0, 0.0)}


def test_the_account_shows_no_link_to_what_is_foreign(world, rep):
    own = Account.objects.get(team=world[1])
    text = rep.get(reverse("admin:segmentation_account_change", args=[own.pk])).content.decode()
    assert "own AG" in text
    assert MARK not in text
    assert rep.get(f"/api/v1/accounts/{own.pk}/").json()["parent"] is None


def test_every_model_of_the_world_that_is_closed_is_closed_to_both(world):
    rep = make_rep(world[1])
    assert {model for model in world[0] if is_closed(model, rep)} == CLOSED

"""Every page of the admin opens, for those who may and for nobody else, with few queries."""

import datetime as dt

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from knox.models import get_token_model

from journey.admin.navigation import sidebar
from journey.models import (
    Cost,
    CrmStage,
    CustomerPeriod,
    ExchangeRate,
    History,
    Journey,
    JourneyVersion,
    LookalikeModel,
    Opportunity,
    OpportunityChange,
    StageMeaning,
    Suggestion,
    SuggestionSource,
)
from journey.services.assessments import assess
from scoring.models import Activity, ActivityType, IntentSignal, IntentTopic
from segmentation.models import (
    Account,
    AccountFlag,
    Contact,
    CustomField,
    DisqualificationRequest,
    DuplicateCandidate,
    FlagType,
    GoalReview,
    IcpAnswer,
    IcpProfile,
    IcpVersion,
    ImportMapping,
    ImportRun,
    Job,
    ListMembership,
    MembershipReason,
    Play,
    PlaySuggestion,
    SalesQuota,
    SalesTeam,
    Segment,
    SegmentGoal,
    TargetList,
    TitleRule,
)
from segmentation.services.merging import merge_accounts
from segmentation.services.segments import create_segment

pytestmark = pytest.mark.django_db

User = get_user_model()
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
EVIL = '<script>alert("x")</script>'
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
PRODUCT = [model for model in REGISTERED if model._meta.app_label in ("segmentation", "scoring", "journey")]


@pytest.fixture
def cast(admin_user):
    """One row of everything, with a name that is hostile wherever a person types one."""
    team = SalesTeam.objects.create(key="north", name=EVIL)
    CustomField.objects.create(of="account", key="erp", label=EVIL, help_text=EVIL)
    account = Account.objects.create(
        name=EVIL, domain="x.example", industry=EVIL, owner=EVIL, team=team, external_id="A1"
    )
    contact = Contact.objects.create(account=account, name=EVIL, job_title=EVIL)
    kind = ActivityType.objects.create(key="evil", name=EVIL, side="sales", category=EVIL, default_minutes=5)
    Activity.objects.create(
        account=account, contact=contact, type=kind, occurred_at=NOON, content=EVIL, campaign=EVIL, source_key="a1"
    )
    stage = CrmStage.objects.create(name=EVIL, meaning=StageMeaning.ACTIVE)
    deal = Opportunity.objects.create(account=account, contact=contact, name=EVIL, crm_stage=stage, product=EVIL)
    OpportunityChange.objects.create(opportunity=deal, crm_stage=stage, amount=5, occurred_at=NOON, source_key="c1")
    CustomerPeriod.objects.create(account=account, product=EVIL, started_at=NOON)
    Cost.objects.create(kind="media", first_day=NOON.date(), last_day=NOON.date(), amount=5, campaign=EVIL, note=EVIL)
    ExchangeRate.objects.create(currency="EUR", into="USD", day=NOON.date(), rate=1)
    topic = IntentTopic.objects.create(key="evil", name=EVIL, description=EVIL, keywords=[EVIL])
    IntentSignal.objects.create(
        account=account, topic=topic, company=EVIL, keyword=EVIL[:80], source=EVIL, occurred_at=NOON, source_key="i1"
    )
    flag = FlagType.objects.create(key="evil", name=EVIL)
    AccountFlag.objects.create(account=account, flag_type=flag, start_at=NOON, reason=EVIL, set_by=admin_user)
    listed = TargetList.objects.create(key="evil", name=EVIL, description=EVIL)
    why = MembershipReason.objects.create(key="evil", name=EVIL)
    given = {"target_list": listed, "account": account, "team": team, "reason": why, "note": EVIL}
    ListMembership.objects.create(**given, state="proposed", start_at=NOON, rep=admin_user, set_by=admin_user)
    DisqualificationRequest.objects.create(**given, asked_by=admin_user, asked_at=NOON)
    SalesQuota.objects.create(team=team, places=3)
    SalesQuota.objects.create(team=team, rep=admin_user, places=2)
    TitleRule.objects.create(sets="seniority", pattern="evilword", value="vp")
    Job.objects.create(kind="replay", title=EVIL, step=EVIL, state="running", progress=0.5, started_at=NOON)
    ImportMapping.objects.create(key="m", name=EVIL, target="accounts", spec={"columns": {EVIL: "name"}})
    ImportRun.objects.create(target="accounts", file_name=EVIL, state="done")
    journey = Journey.objects.create(key="evil", name=EVIL, description=EVIL, order=0)
    version = JourneyVersion.objects.create(journey=journey, number=1, note=EVIL)
    version.stages.create(key="none", name=EVIL, description=EVIL, precedence=0, position=0)
    JourneyVersion.objects.filter(pk=version.pk).update(state="published", published_at=NOON)
    History.objects.create(version=version, state="current", built_at=NOON)
    profile = IcpProfile.objects.create(key="evil", name=EVIL, description=EVIL)
    checklist = IcpVersion.objects.create(profile=profile, number=1, note=EVIL)
    checklist.items.create(key="evil", text=EVIL, help=EVIL)
    checklist.items.create(
        key="rule", text=EVIL, kind="rule",
        rule={"criteria": [{"kind": "field", "params": {"field": "industry", "value": EVIL}}]},
    )  # fmt: skip
    IcpVersion.objects.filter(pk=checklist.pk).update(state="published", published_at=NOON)
    IcpAnswer.objects.create(
        profile=profile, account=account, item_key="evil", kind="yes_no", value=1, note=EVIL, answered_by=admin_user
    )
    assess(profile=profile)
    DuplicateCandidate.objects.create(
        first=account, second=Account.objects.create(name=EVIL), score="0.9", reasons=[["same_name", EVIL]],
        fingerprint=1, note=EVIL,
    )  # fmt: skip
    merge_accounts(survivor=account, absorbed=Account.objects.create(name=EVIL, domain=EVIL, custom={"erp": EVIL}))
    made = create_segment(
        key="evil", name=EVIL, description=EVIL, build=False,
        rules={"base": {"criteria": [{"kind": "field", "params": {"field": "industry", "value": EVIL}}]}},
    )  # fmt: skip
    goal = SegmentGoal.objects.create(
        segment=made.segment, kind="revenue", name=EVIL, note=EVIL, product=EVIL, target=5, first_day=NOON.date(),
        last_day=NOON.date(), baseline=5, baseline_source="given", baseline_reason=EVIL,
    )  # fmt: skip
    GoalReview.objects.create(goal=goal, note=EVIL)
    source = SuggestionSource.objects.create(key="evil", name=EVIL, kind="lookalike")
    evidence = {"attributes": {"industry": EVIL, "city": None}, "effects": [["industry", EVIL, 2.0]], "chance": 0.5}
    Suggestion.objects.create(
        source=source, account=Account.objects.create(name=EVIL, industry=EVIL), place=1, score=2, found_at=NOON,
        evidence=evidence, note=EVIL,
    )  # fmt: skip
    level = {"attribute": "industry", "value": EVIL, "factor": 2.0, "share": 0.5, "customers": 0.5, "accounts": 1}
    told = {"auc": 0.7, "low": 0.6, "high": 0.8, "lift": 2.0, "base": 0.1, "precision": {"25": 0.2}, "tenths": []}
    LookalikeModel.objects.create(
        source=source, number=1, made_at=NOON, checked_at=NOON, accounts=1, customers=1, evaluation=told,
        levels=[level], parameters={"attributes": ["industry"], "journey": EVIL, "library": EVIL},
    )  # fmt: skip
    play = Play.objects.create(
        key="evil", name=EVIL, trigger=Segment.objects.get(key="evil"), observed=EVIL, wanted=EVIL, action=EVIL,
        content=EVIL, goal=EVIL,
    )  # fmt: skip
    PlaySuggestion.objects.create(play=play, account=account, trigger_at=NOON, made_at=NOON, note=EVIL)
    Group.objects.create(name=EVIL)
    get_token_model().objects.create(user=admin_user)
    Schedule.objects.create(name=EVIL, func="journey.tasks.nothing", schedule_type=Schedule.DAILY)
    for number, success in enumerate((True, False)):
        Task.objects.create(
            id=str(number), name=EVIL, func="x", started=NOON, stopped=NOON, success=success, result=EVIL
        )
    return account


def page(model, name, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def opened(client, url, most):
    """Open a page; it must be there, harmless, and made with at most `most` queries."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url, follow=True)  # an assessment leads to the fit of its account
    assert response.status_code == 200
    assert EVIL not in response.content.decode()
    assert "object at 0x" not in response.content.decode()
    assert len(queries) <= most, [query["sql"][:150] for query in queries]
    return response


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_every_list_opens_with_few_queries(admin_client, cast, model):
    opened(admin_client, page(model, "changelist"), 16)


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_every_row_opens_with_few_queries(admin_client, cast, model):
    row = admin.site._registry[model].model._default_manager.order_by("-pk").first()
    if model is OrmQ:
        assert row is None  # nothing waits in a test
        return
    assert row is not None, f"the cast has no {model._meta.label}"
    opened(admin_client, page(model, "change", row.pk), 50)
    opened(admin_client, page(model, "history", row.pk), 8)


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_every_form_to_add_opens_where_adding_is_possible(rf, admin_user, admin_client, cast, model):
    request = rf.get("/")
    request.user = admin_user
    if admin.site._registry[model].has_add_permission(request):
        opened(admin_client, page(model, "add"), 18)
    else:
        assert admin_client.get(page(model, "add")).status_code == 403


@pytest.mark.parametrize("model", PRODUCT, ids=lambda model: model._meta.label)
def test_lists_can_be_searched_sorted_and_filtered(admin_client, cast, model):
    opened(admin_client, page(model, "changelist") + "?q=nothing", 18)
    opened(admin_client, page(model, "changelist") + "?o=1", 18)
    for spec in admin.site._registry[model].list_filter:
        name = getattr(spec, "parameter_name", None)
        if name:
            for value in ("yes", "no", "unread", "all", "x"):
                assert admin_client.get(page(model, "changelist"), {name: value}).status_code == 200


def test_every_model_of_the_project_has_a_page_or_stands_here():
    from django.apps import apps

    without = {
        "StageInterval", "Stage", "EntryRule", "Criterion", "OpportunityChange",  # on the pages of what they belong to
        "IcpItem", "ListReview", "SegmentVersion", "SegmentMembership", "SegmentReview",  # the same
        "GoalReview", "PriorityAnswer", "PriorityWeight",  # the same
        "FactTouch", "FeedState", "IcpRun", "IdempotencyKey", "MergedRows", "SegmentHistory",  # of the machinery
        "ImportRun",
    }  # fmt: skip
    for label in ("segmentation", "scoring", "journey"):
        for model in apps.get_app_config(label).get_models():
            if not model.__name__.endswith("Event") and model.__name__ not in without:
                assert admin.site.is_registered(model), f"{model._meta.label} has no page"


def test_all_pages_are_made_for_this_admin():
    from unfold.admin import ModelAdmin

    assert [model for model, page in admin.site._registry.items() if not isinstance(page, ModelAdmin)] == []


class TestWithoutRights:
    @pytest.fixture
    def clerk(self, client):
        user = User.objects.create_user("clerk", is_staff=True)
        client.force_login(user)
        return client

    @pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
    def test_staff_without_rights_see_no_list_and_no_row(self, clerk, cast, model):
        assert clerk.get(page(model, "changelist")).status_code == 403
        row = model._default_manager.first()
        if row is not None:
            assert clerk.get(page(model, "change", row.pk)).status_code == 403

    def test_the_start_page_shows_them_nothing_of_the_data(self, clerk, cast):
        text = clerk.get(reverse("admin:index")).content.decode()
        assert "aj-funnel" not in text
        assert reverse("admin:segmentation_account_changelist") not in text

    def test_people_who_are_no_staff_are_sent_to_the_login(self, client, cast):
        client.force_login(User.objects.create_user("guest"))
        response = client.get(page(Account, "changelist"))
        assert response.status_code == 302
        assert reverse("admin:login") in response["Location"]


class TestSidebar:
    def test_every_link_leads_to_a_page(self, rf, admin_user, admin_client, cast):
        request = rf.get("/")
        request.user = admin_user
        items = [item for group in sidebar(request) for item in group["items"]]
        assert len(items) > 20
        for item in items:
            assert admin_client.get(item["link"]).status_code == 200, item["title"]
            assert item["icon"]

    def test_it_shows_only_what_a_user_may_open(self, rf, client):
        request = rf.get("/")
        request.user = User.objects.create_user("clerk", is_staff=True)
        assert [str(item["title"]) for group in sidebar(request) for item in group["items"]] == ["Overview"]


class TestLanguages:
    def test_the_user_menu_offers_three(self, admin_client, cast):
        text = admin_client.get(reverse("admin:index")).content.decode()
        for code in ("en", "zh-hans", "zh-hant"):
            assert f'name="language" type="hidden" value="{code}"' in text

    def test_choosing_one_changes_the_pages(self, admin_client, cast):
        admin_client.post(reverse("set_language"), {"language": "zh-hans", "next": "/"})
        assert '<html lang="zh-hans"' in admin_client.get(reverse("admin:index")).content.decode()


def test_failures_and_successes_are_told_apart(admin_client, cast):
    assert Success.objects.count() == Failure.objects.count() == 1


class TestTokens:
    def test_the_secret_is_shown_once_and_works(self, admin_client, admin_user):
        url = reverse("admin:knox_authtoken_add")
        response = admin_client.post(url, {"user": admin_user.pk, "expiry_0": "", "expiry_1": ""}, follow=True)
        said = [str(message) for message in response.context["messages"]]
        token = said[0].split("The token is ")[1].split(" ")[0]
        [stored] = get_token_model().objects.all()
        assert stored.user == admin_user
        assert token.startswith(stored.token_key)
        assert token not in stored.digest

    def test_nobody_makes_one_for_somebody_with_more_rights(self, client, admin_user):
        from django.contrib.auth.models import Permission

        clerk = User.objects.create_user("clerk", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="knox"))
        client.force_login(clerk)
        client.post(reverse("admin:knox_authtoken_add"), {"user": admin_user.pk, "expiry_0": "", "expiry_1": ""})
        assert not get_token_model().objects.exists()

    def test_who_manages_users_cannot_become_superuser(self, client, admin_user):
        from django.contrib.auth.models import Permission

        clerk = User.objects.create_user("clerk", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
        client.force_login(clerk)
        for name in ("is_superuser", "groups", "user_permissions"):
            form = client.get(reverse("admin:auth_user_change", args=[clerk.pk])).context["adminform"].form
            assert name not in form.fields
        assert (
            client.get(reverse("admin:auth_user_change", args=[admin_user.pk])).context["has_change_permission"]
            is False
        )

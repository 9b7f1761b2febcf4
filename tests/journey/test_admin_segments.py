"""Segments in the admin: the tree, the editor, members and reasons, reviews, health, and what is refused."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from journey.models import ExchangeRate
from journey.segment_examples import install_examples
from journey.selectors.segment_health import segment_health
from journey.selectors.segments import segment_preview
from journey.services.memberships import update_memberships
from scoring.models import Activity, ActivityType
from segmentation.models import Account, CustomField, Job, ListMembership, SalesTeam, Segment, SegmentReview, TargetList
from segmentation.selectors.segments import segment_members_at
from segmentation.services.roles import REP, sync_roles
from segmentation.services.segments import create_segment, save_rules
from tests.journey import worlds
from tests.journey.test_segments import field, rule, segment, term

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _world():
    worlds.install()
    sync_roles()


def url(page, *args):
    return reverse(f"admin:segmentation_segment_{page}", args=args)


def page(client, name, *args, query=""):
    response = client.get(url(name, *args) + query)
    assert response.status_code == 200
    return response.content.decode()


def post(client, address, document, **more):
    return client.post(address, json.dumps({"document": document, **more}), content_type="application/json")


def document(rules, **details):
    shown = {"name": "North", "key": "north", "parent": "", "description": "", "active": True, "review_days": 90}
    return {"details": {**shown, **details}, "rules": rules}


NORTH = {"base": rule(field("region", "north"))}


def test_two_clicks_from_the_side_bar_and_helpful_when_empty(admin_client):
    start = admin_client.get(reverse("admin:index")).content.decode()
    assert url("changelist") in start
    assert url("health") in start
    assert "Make the ready-made segments" in page(admin_client, "changelist")
    assert "Make segments first" in page(admin_client, "health")


def test_a_segment_is_made_in_the_editor_and_its_members_are_shown(admin_client):
    acme = Account.objects.create(name="Acme", region="North")
    Account.objects.create(name="Globex", region="south")
    state = admin_client.get(url("add")).context["state"]
    assert state["schema"]["is_new"]
    counted = post(admin_client, url("add_preview"), document(NORTH)).json()
    assert (counted["counts"]["members"], counted["counts"]["before"], counted["problems"]) == (1, None, [])
    assert counted["sentences"] == {"base": {"scope": [], "criteria": ["region is north"]}}
    assert [row["name"] for row in counted["counts"]["sample"]] == ["Acme"]
    saved = post(admin_client, url("add"), document(NORTH), note="first").json()
    made = Segment.objects.get(key="north")
    assert saved["url"] == url("change", made.pk)
    assert Job.objects.filter(kind="segments").exists()
    assert "being worked out" in page(admin_client, "change", made.pk)
    update_memberships()
    text = page(admin_client, "change", made.pk)
    assert "Acme" in text
    assert "Globex" not in text
    assert "region is North" in page(admin_client, "why", made.pk, query=f"?account=%23{acme.pk}")
    assert page(admin_client, "csv", made.pk).splitlines()[1].split(",")[2] == "Acme"
    assert "North" in page(admin_client, "changelist")


def test_new_rules_are_compared_with_those_in_force_and_saved_as_a_version(admin_client):
    made = segment("north", field("region", "north"))
    Account.objects.create(name="Acme", region="north")
    Account.objects.create(name="Globex", region="west")
    update_memberships()
    basis = admin_client.get(url("edit", made.pk)).context["state"]["basis"]
    west = {"base": rule(field("region", "west"))}
    counts = post(admin_client, url("preview", made.pk), document(west)).json()["counts"]
    assert (counts["members"], counts["before"], counts["gained"], counts["lost"]) == (1, 1, 1, 1)
    answer = post(admin_client, url("edit", made.pk), document(west, active=False), basis=basis, note="moved")
    assert answer.json() == {"saved": True, "basis": "2"}
    made.refresh_from_db()
    assert not made.active
    again = post(admin_client, url("edit", made.pk), document(NORTH), basis=basis)
    assert (again.status_code, again.json()["basis"]) == (409, "2")


def test_a_preview_counts_a_parent_that_was_not_built_yet():
    segment("north", field("region", "north"))
    Account.objects.create(name="Acme", region="north", industry="Retail")
    Account.objects.create(name="Globex", region="west", industry="Retail")
    counts = segment_preview("", "north", {"base": rule(field("industry", "retail"))})
    assert (counts["members"], counts["parent"], counts["parts"]["base"]["matching"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"rules": {}}, "base"),
        ({"name": ""}, "name"),
        ({"key": "No Key"}, "key"),
        ({"review_days": 0}, "review_days"),
        ({"rules": {"base": rule(field("regoin", "x"))}}, "base.criteria.0.params.field"),
        ({"parent": "gone"}, "parent"),
    ],
)
def test_what_cannot_be_saved_is_told_at_its_place(admin_client, change, place):
    rules = change.pop("rules", NORTH)
    answer = post(admin_client, url("add"), document(rules, **change))
    assert answer.status_code == 400
    assert place in [problem["field"] for problem in answer.json()["problems"]]
    assert not Segment.objects.exists()


def test_one_that_is_used_says_by_what_and_stays(admin_client):
    top = segment("top", field("region", "north"))
    segment("below", term("engaged_minutes", minutes=0), parent="top")
    assert "segment:below" in page(admin_client, "delete", top.pk)
    answer = admin_client.post(url("delete", top.pk), follow=True)
    assert "is used by Below" in answer.content.decode()
    assert Segment.objects.filter(key="top").exists()


def test_a_review_is_kept_and_marks_an_unhealthy_segment(admin_client):
    made = segment("north", field("region", "north"))
    update_memberships()
    assert "Can you serve it at a profit?" in page(admin_client, "review", made.pk)
    admin_client.post(url("review", made.pk), {"profitable": "no", "growing": "yes", "note": "margins"})
    assert SegmentReview.objects.get().answers == {"profitable": False, "growing": True}
    assert "Can you serve it at a profit?" in page(admin_client, "change", made.pk)
    assert "unhealthy" in [warning["code"] for warning in segment_health()["warnings"]]


def test_health_counts_size_overlap_coverage_growth_customers_and_pipeline(admin_client):
    accounts = [Account.objects.create(name=f"A{i}", region="north" if i < 4 else "", tier=1 + i % 2) for i in range(6)]
    segment("north", field("region", "north"))
    segment("first", field("tier", 1))
    segment("part", field("tier", 1), parent="north")
    worlds.deal(accounts[0], ("Won", 5))
    open_deal = worlds.deal(accounts[1], ("Proposal", 5), amount=75, currency="EUR")
    open_deal.crm_stage = open_deal.changes.get().crm_stage
    open_deal.save()
    target = TargetList.objects.create(key="named", name="Named")
    ListMembership.objects.create(account=accounts[5], target_list=target, state="active", start_at=timezone.now())
    update_memberships()
    found = segment_health()
    rows = {row["key"]: row for row in found["segments"]}
    assert {key: row["size"] for key, row in rows.items()} == {"first": 3, "north": 4, "part": 2}
    shared = {
        (one, other): found["overlap"][i][j]
        for i, one in enumerate(found["keys"])
        for j, other in enumerate(found["keys"])
    }
    assert (shared["north", "first"], shared["north", "part"], shared["first", "first"]) == (2, 2, 3)
    # Parent and child overlap on purpose; the others do when they share half of the smaller one.
    assert [(pair["one"], pair["other"], pair["shared"]) for pair in found["pairs"]] == [
        ("first", "part", 2),
        ("first", "north", 2),
    ]
    assert (rows["north"]["customers"], rows["first"]["customers"]) == (1, 1)
    assert (rows["north"]["pipeline"], rows["north"]["pipeline_share"], rows["first"]["pipeline"]) == (75.0, 1.0, 0.0)
    assert (found["uncovered"]["accounts"], found["uncovered"]["targets"], found["targets"]) == (1, 1, 1)
    assert found["growth"]["north"][-1] == 4
    assert found["growth"]["north"][0] == 2  # two have facts of long ago, the others begin today
    assert {warning["code"] for warning in found["warnings"]} >= {"too_small", "overlap", "uncovered"}
    assert "67 %" in page(admin_client, "health")


def test_the_pipeline_adds_up_all_currencies_and_names_those_without_a_rate(admin_client):
    segment("north", field("region", "north"))
    for amount, currency in ((100, "EUR"), (50, "EUR"), (80, "USD"), (9, "JPY")):
        made = worlds.deal(Account.objects.create(name=currency, region="north"), ("Proposal", 5))
        made.crm_stage, made.amount, made.currency = made.changes.get().crm_stage, amount, currency
        made.save()
    ExchangeRate.objects.create(currency="EUR", into="USD", day=worlds.day(0).date(), rate=2)
    update_memberships()
    found = segment_health()
    assert (found["currency"], found["pipeline"]) == ("EUR", 190.0)
    assert found["without_rate"] == {"JPY": {"deals": 1, "amount": 9.0}}
    assert "no exchange rate into EUR" in page(admin_client, "health")


def test_segments_of_prospects_are_not_blamed_for_having_no_customers():
    customer = field("relationship", "customer")
    segment("prospects", field("relationship", "prospect"), field("region", "north"))
    segment("not-won", term("opportunity_won", negate=True))
    segment("others", {**customer, "negate": True})
    segment("below", field("region", "north"), parent="prospects")
    segment("within", term("segment", segment="others"))
    segment("north", field("region", "north"))
    segment("either", customer, field("relationship", ["prospect", "customer"], "in"))
    create_segment(
        key="any", name="Any", build=False,
        rules={"base": rule(field("relationship", "prospect"), field("region", "north"), at_least=1)},
    )  # fmt: skip
    Account.objects.create(name="Acme", region="north", relationship="prospect")
    update_memberships()
    found = segment_health()
    kept = {row["key"] for row in found["segments"] if row["holds_customers"]}
    assert kept == {"north", "either", "any"}
    assert {w["segment"] for w in found["warnings"] if w["code"] == "no_customers"} == {"north", "any"}


def test_versions_are_compared_by_whom_they_hold_and_an_earlier_one_comes_back(admin_client, api):
    for name, region in (("Acme", "north"), ("Globex", "north"), ("Initech", "south"), ("Hidden", "")):
        Account.objects.create(name=name, region=region, tier=1 if name == "Globex" else None)
    made = segment("north", field("region", "north"))
    assert "There is only one version" in page(admin_client, "compare", made.pk)
    save_rules(segment=made, rules={"base": rule(field("region", "south"))}, build=False)
    save_rules(segment=made, rules={"base": rule(field("region", ["south", "north"], "in"))}, build=False)
    update_memberships()
    text = page(admin_client, "compare", made.pk)  # the one before and the newest
    assert ("Acme" in text, "Globex" in text, "Initech" in text) == (True, True, False)
    assert "Initech" in page(admin_client, "compare", made.pk, query="?one=2&other=3&move=staying")
    found = api.get("segments/north/compare/?one=1&other=2").json()
    assert (found["entering"], found["leaving"], found["staying"], found["unknown"]) == (1, 2, 0, [1, 1])
    assert [row["name"] for row in found["leaving_accounts"]] == ["Acme", "Globex"]
    csv_text = admin_client.get(url("compare", made.pk) + "?one=1&other=2&format=csv").content.decode("utf-8-sig")
    assert [line.split(",")[0] for line in csv_text.splitlines()] == ["move", "entering", "leaving", "leaving"]
    assert admin_client.get(url("compare", made.pk) + "?one=9").status_code == 404
    assert api.get("segments/north/compare/?one=1&other=9").status_code == 400
    # Somebody else saved meanwhile: nothing is put in force.
    stale = admin_client.post(url("restore", made.pk), {"version": "1", "basis": "2"}, follow=True).content.decode()
    assert "Somebody else has saved" in stale
    admin_client.post(url("restore", made.pk), {"version": "1", "basis": "3"})
    newest = made.versions.order_by("-number").first()
    assert (newest.number, newest.rules["base"]["criteria"][0]["params"]["value"]) == (4, "north")


def test_the_editor_names_who_comes_in_and_who_leaves(admin_client):
    for name, region in (("Acme", "north"), ("Initech", "south")):
        Account.objects.create(name=name, region=region)
    made = segment("north", field("region", "north"))
    update_memberships()
    counts = post(admin_client, url("preview", made.pk), document({"base": rule(field("region", "south"))})).json()[
        "counts"
    ]
    assert [[row["name"] for row in counts[name]] for name in ("coming", "leaving")] == [["Initech"], ["Acme"]]


def test_more_than_five_active_segments_are_too_many():
    Account.objects.create(name="Acme", region="north")
    for number in range(6):
        segment(f"s{number}", field("region", "north"))
    update_memberships()
    assert "too_many" in [warning["code"] for warning in segment_health()["warnings"]]
    Segment.objects.filter(key="s0").update(active=False)
    assert "too_many" not in [warning["code"] for warning in segment_health()["warnings"]]


def test_a_sales_rep_sees_members_of_own_teams_and_no_rules(client):
    team = SalesTeam.objects.create(key="own", name="Own")
    rep = get_user_model().objects.create_user("rep", is_staff=True)
    rep.groups.add(Group.objects.get(name=REP))
    team.members.add(rep)
    client.force_login(rep)
    made = segment("north", field("region", "north"))
    Account.objects.create(name="Mine", region="north", team=team)
    Account.objects.create(name="Theirs", region="north")
    update_memberships()
    text = page(client, "change", made.pk)
    assert ("Mine" in text, "Theirs" in text, "region is north" in text) == (True, False, False)
    rows = client.get(url("changelist")).context["rows"]
    assert [(row["size"], row["percent"]) for row in rows] == [(1, 100)]
    health = client.get(url("health")).context["found"]
    assert (health["accounts"], health["segments"][0]["size"], health["growth"]["north"][-1]) == (1, 1, 1)
    for address in (url("why", made.pk), url("edit", made.pk), url("add"), url("review", made.pk)):
        assert client.get(address).status_code == 403


class TestHandbook:
    """The examples of the handbook, as they ship."""

    @pytest.fixture
    def accounts(self):
        ActivityType.objects.get_or_create(
            key="product_page_view", defaults={"name": "Product page", "side": "marketing"}
        )
        CustomField.objects.create(of="account", key="serves", label="Serves")

        def made(name, **fields):
            return Account.objects.create(name=name, **fields)

        customer = {"relationship": "customer"}
        made("both", **customer, products=["CRM", "Mail"], employees=2000, industry="Retail")
        made("only one", **customer, products=["CRM"], employees=2000, industry="Finance")
        made("one too", **customer, products=["CRM"], employees=500)
        made("middle", **customer, products=["Mail"], employees=100)
        visitor = made("visitor", relationship="prospect", industry="企业服务", employees=1000)
        shy = made("shy", relationship="prospect", industry="Manufacturing", employees=999)
        software = {"industry": "Software", "city": "北京", "custom": {"serves": "enterprises"}}
        made("beijing", **software, revenue=5_000_000)
        made("too small", **software, revenue=4_999_999)
        made("for people", **{**software, "custom": {"serves": "consumers"}}, revenue=9_000_000)
        made("elsewhere", **{**software, "city": "Shenzhen"}, revenue=9_000_000)
        kind = ActivityType.objects.get(key="product_page_view")
        for number, of in enumerate([visitor] * 3 + [shy] * 2):
            Activity.objects.create(account=of, type=kind, occurred_at=timezone.now(), source_key=f"v{number}")

    def test_hold_whom_they_should(self, accounts):
        made, refused = install_examples(build=False)
        assert (len(made), refused) == (19, {})
        update_memberships()

        def names(key):
            return set(segment_members_at(Segment.objects.get(key=key), timezone.now()).values_list("name", flat=True))

        assert names("bought-a-not-b") == {"only one", "one too"}
        assert names("solution-visitors") == {"visitor"}
        assert names("business-services-prospects") == {"visitor"}
        assert names("software-beijing-shanghai") == {"beijing"}
        assert names("enterprise-customers") == {"both", "only one"}
        assert names("enterprise-customers-retail") == {"both"}
        assert names("enterprise-customers-finance") == {"only one"}
        assert names("enterprise-customers-others") == set()
        assert names("enterprise-prospects-others") == {"visitor"}
        assert names("mid-market-customers") == {"one too", "middle"}
        assert names("mid-market-customers-users") == {"one too"}
        assert names("mid-market-customers-others") == {"middle"}
        assert install_examples(build=False) == ([], {})

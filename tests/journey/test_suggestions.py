"""Suggestions: who is found and why, what people decide, what brings accounts back, and what is refused."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from journey.models import LookalikeModel, Suggestion, SuggestionSource
from journey.selectors.lookalikes import known_accounts, problem_text
from journey.selectors.suggestions import reasons_of, suggestions_in
from journey.services.suggestions import (
    accept_suggestions,
    decline_suggestions,
    install_sources,
    reopen_suggestions,
    store_source,
    suggest,
)
from scoring.models import Activity, ActivityType
from segmentation.errors import ConflictError, InvalidValueError, ProblemError
from segmentation.models import Account, AccountFlag, FlagType, ListMembership, TargetList
from segmentation.services.segments import delete_segment
from segmentation.services.target_lists import add_accounts, remove_members
from tests.journey import worlds
from tests.journey.worlds import DAY0, day

pytestmark = pytest.mark.django_db(transaction=True)

ALIKE, INTEREST = "like-customers", "showing-interest"


def grow(name, number, customers=0, **fields):
    """So many accounts of one kind, the first of them customers."""
    made = Account.objects.bulk_create(
        Account(name=f"{name} {n:03}", external_id=f"{name}-{n}", created_in_source_at=DAY0, **fields)
        for n in range(number)
    )
    for account in made[:customers]:
        worlds.deal(account, ("Discovery", 10), ("Won", 20))
    return made


def market(customers=32):
    """Software companies, many of which bought, and retailers, few of which did; all of them small or large."""
    software = grow("Software", 60, customers - 6, industry="Software", employees=700)
    retail = grow("Retail", 110, 6, industry="Retail", employees=40)
    return software, retail


def active(account, minutes, ago=3, kind="webinar", people=1):
    """Engaged time of some people a few days ago."""
    for _n in range(people):
        Activity.objects.create(
            account=account,
            contact=worlds.contact(account),
            type=ActivityType.objects.get(key=kind),
            seconds=60 * minutes // people,
            occurred_at=timezone.now() - dt.timedelta(days=ago),
            source_key=f"s{Activity.objects.count()}",
        )


def run(key, **more):
    [result] = suggest(sources=[SuggestionSource.objects.get(key=key)], **more)
    return result


def rows(key=ALIKE):
    return list(
        Suggestion.objects.filter(source__key=key, state="open")
        .order_by("place")
        .values_list("account__name", flat=True)
    )


def stored(key=ALIKE):
    fields = ("account_id", "place", "score", "evidence", "state")
    return list(Suggestion.objects.filter(source__key=key).order_by("account_id").values(*fields))


@pytest.fixture(autouse=True)
def _world():
    worlds.install()
    install_sources(build=False)


@pytest.fixture
def tal():
    return TargetList.objects.create(key="tal", name="Key accounts")


def test_accounts_like_customers_are_found_with_reasons_and_the_test_of_the_model(tal):
    software, _retail = market()
    listed, flagged, partner = software[-3:]
    add_accounts(target_list=tal, accounts=[listed], note="x")
    kind = FlagType.objects.get(key="disqualified")
    AccountFlag.objects.create(account=flagged, flag_type=kind, start_at=DAY0, reason="x")
    Account.objects.filter(pk=partner.pk).update(relationship="partner")
    result = run(ALIKE)
    assert rows() == [account.name for account in software[26:-3]]  # the customers are the first 26
    assert (result.new, result.open, result.problem) == (31, 31, "")
    model = LookalikeModel.objects.get()
    assert (model.number, model.customers, model.accounts) == (1, 32, 169)  # without the partner
    assert model.evaluation["low"] > 0.5
    assert model.evaluation["lift"] > 1.2
    assert sum(tenth["customers"] for tenth in model.evaluation["tenths"]) == pytest.approx(32, abs=0.1)
    first = Suggestion.objects.get(place=1)
    why = reasons_of([first], timezone.now())[first.pk]
    assert why["lift"] == pytest.approx(why["chance"] / (32 / 169), rel=0.01)
    assert any(text.startswith("industry: Software (×") for text in why["for"])
    assert "city" in why["unknown"]


def test_the_same_facts_give_the_same_model_and_everything_derived_can_be_thrown_away():
    market()
    run(ALIKE)
    before, model = stored(), LookalikeModel.objects.get()
    again = run(ALIKE)
    assert (again.new, again.gone, again.model) == (0, 0, model)
    assert again.model.checked_at > model.checked_at
    LookalikeModel.objects.all().delete()
    Suggestion.objects.all().delete()
    assert run(ALIKE).model.digest == model.digest
    assert stored() == before


def test_customers_are_compared_as_they_were_before_they_became_customers():
    software, _retail = market()
    grown, event = software[0], Account.pgh_event_model
    event.objects.filter(pgh_obj_id=grown.pk).update(pgh_created_at=day(0))
    Account.objects.filter(pk=grown.pk).update(employees=90_000, industry="Energy")
    source = SuggestionSource.objects.get(key=ALIKE)
    run(ALIKE)
    _version, known = known_accounts(source, timezone.now())
    place = known.accounts.tolist().index(grown.pk)
    values = {a.key: a.values[a.code[place]] for a in known.attributes if a.code[place] >= 0}
    assert (values["industry"], values["size"]) == ("Software", "250 - < 1,000")


def test_five_customers_are_refused_with_number_and_remedy_and_nothing_is_changed():
    market(32)
    run(ALIKE)
    before, models = stored(), list(LookalikeModel.objects.values())
    winners = Account.objects.filter(opportunities__isnull=False).order_by("pk")
    Account.objects.filter(pk__in=list(winners.values_list("pk", flat=True)[5:])).delete()
    result = run(ALIKE)
    assert result.problem.startswith("Only 5 accounts have become customers; a model needs 30 to learn from.")
    assert "Import 25 more of your customers" in result.problem
    assert problem_text(SuggestionSource.objects.get(key=ALIKE).problem) == result.problem
    assert (stored(), list(LookalikeModel.objects.values())) == (before, models)
    with pytest.raises(CommandError, match="Only 5 accounts have become customers"):
        call_command("suggest", source=ALIKE, verbosity=0)


def test_a_declined_account_stays_away_until_a_field_changes_and_holds_nobody_elses_place():
    software, _retail = market()
    store_source(values={"most": 5}, source=SuggestionSource.objects.get(key=ALIKE))
    run(ALIKE)
    first = Suggestion.objects.get(place=1)
    assert rows() == [account.name for account in software[26:31]]
    with pytest.raises(InvalidValueError, match="The reason is missing"):
        decline_suggestions(suggestions=[first])
    decline_suggestions(suggestions=[first], note="no budget")
    result = run(ALIKE)
    assert (result.back, result.declined) == (0, 1)
    assert rows() == [account.name for account in software[27:32]]
    Account.objects.filter(pk=first.account_id).update(city="Graz")
    assert run(ALIKE).back == 1
    assert Suggestion.objects.get(pk=first.pk).state == "open"
    decline_suggestions(suggestions=[first], note="still none")
    [row] = reopen_suggestions(suggestions=[first])
    assert (row.state, row.note, row.decided_at) == ("open", "", None)


def test_who_shows_interest_is_ranked_and_comes_back_with_more_of_it(tal):
    warm, hot, cold, listed, member = (worlds.account(name) for name in ("Warm", "Hot", "Cold", "Listed", "Customer"))
    for account in (warm, listed, member):
        active(account, 40, people=2)
    active(hot, 60, people=3)
    active(hot, 5, kind="demo_request")
    active(cold, 40, ago=60)
    worlds.deal(member, ("Won", 5))
    add_accounts(target_list=tal, accounts=[listed], note="x")
    assert run(INTEREST).new == 2
    assert rows(INTEREST) == ["Hot", "Warm"]
    row = Suggestion.objects.get(account=warm)
    why = reasons_of([row], timezone.now())[row.pk]
    assert (why["held"], why["minutes"], why["people"]) == (2, 40.0, 2)
    assert {one["found"] for one in why["criteria"] if one["held"]} == {
        "40 min engaged within 30 days",
        "2 people engaged long enough within 30 days",
    }
    decline_suggestions(suggestions=[row], note="not now")
    active(warm, 9)
    assert run(INTEREST).back == 0
    active(warm, 11)
    assert run(INTEREST).back == 1


def test_accepted_accounts_are_on_the_list_with_the_reason_and_leave_the_queue_of_every_source(tal):
    market()
    run(ALIKE)
    chosen = Suggestion.objects.get(place=1)
    active(chosen.account, 90, people=3)
    run(INTEREST)
    with pytest.raises(InvalidValueError, match="Onto which target account list is Software 026 to go"):
        accept_suggestions(suggestions=[chosen])
    [began] = accept_suggestions(suggestions=[chosen], target_list=tal)
    assert (began.state, began.account_id) == ("active", chosen.account_id)
    assert began.note.startswith("Look like your customers: ")
    assert "industry: Software" in began.note
    decided = Suggestion.objects.filter(account=chosen.account)
    assert set(decided.values_list("state", "target_list__key")) == {("accepted", "tal")}
    assert len(decided) == 2
    with pytest.raises(ConflictError, match="was decided or taken back meanwhile"):
        accept_suggestions(suggestions=[chosen], target_list=tal)
    remove_members(memberships=[began], note="wrong company")
    assert run(ALIKE).new == 0  # what a person took off the list is not suggested for its looks
    assert run(INTEREST).new == 0  # nor for what it did before that


def test_accepting_many_is_all_or_nothing(tal):
    market()
    run(ALIKE)
    one, two = Suggestion.objects.filter(place__in=(1, 2)).order_by("place")
    kind = FlagType.objects.get(key="disqualified")
    AccountFlag.objects.create(account=two.account, flag_type=kind, start_at=timezone.now(), reason="fraud")
    for why in ({"note": "both"}, {}):
        with pytest.raises(ProblemError, match="is disqualified: fraud"):
            accept_suggestions(suggestions=[one, two], target_list=tal, **why)
    assert not ListMembership.objects.exists()
    assert set(Suggestion.objects.values_list("state", flat=True)) == {"open"}


def test_a_list_of_its_own_is_all_a_source_looks_at(tal):
    software, _retail = market()
    other = TargetList.objects.create(key="other", name="Other")
    add_accounts(target_list=other, accounts=software[26:30], note="x")
    source = SuggestionSource.objects.get(key=ALIKE)
    assert run(ALIKE).open == 30
    store_source(values={"target_list": tal}, source=source)
    assert run(ALIKE).open == 34
    [began] = accept_suggestions(suggestions=[Suggestion.objects.get(account=software[26])])
    assert began.target_list == tal
    add_accounts(target_list=tal, accounts=[software[27]], note="by hand")
    assert suggestions_in().count() == 32  # who came onto the list another way waits no more
    store_source(values={"active": False}, source=source)
    assert suggestions_in().count() == 0


def test_the_segment_of_a_source_cannot_be_deleted_and_sources_that_cannot_work_are_refused():
    with pytest.raises(ConflictError, match="Show interest but are on no list"):
        delete_segment(key=INTEREST)
    source = SuggestionSource.objects.get(key=ALIKE)
    for values, field, text in (
        ({"attributes": ["tier"]}, "attributes", "“tier” is no attribute a model may compare"),
        ({"least_customers": 5}, "least_customers", "30"),
        ({"most": 0}, "most", "1"),
        ({"kind": "behaviour"}, "segment", "names no segment"),
    ):
        source.refresh_from_db()
        with pytest.raises(InvalidValueError, match=text) as refused:
            store_source(values=values, source=source)
        assert refused.value.field == field
    SuggestionSource.objects.filter(pk=source.pk).update(stage="custmer")
    assert "Did you mean “customer”?" in run(ALIKE).problem

"""Lists from files: every row is accounted for, nothing is guessed, and the same file twice changes nothing."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from segmentation.imports.nearest import NearestNames
from segmentation.models import (
    Account,
    AccountFlag,
    FlagType,
    ImportRun,
    ListMembership,
    MembershipReason,
    SalesTeam,
    TargetList,
)
from segmentation.services.imports import import_file, spec_with
from segmentation.services.target_lists import add_accounts, propose_accounts, set_quota

pytestmark = pytest.mark.django_db


@pytest.fixture
def tal():
    return TargetList.objects.create(key="named", name="Named accounts", tier=2)


@pytest.fixture
def companies():
    rows = [
        Account(name="Acme", domain="acme.example", external_id="A-1"),
        Account(name="Nordwind Systems", domain="nordwind.example", external_id="A-2", other_names=["NWS"]),
        Account(name="Twin", domain="one.example"),
        Account(name="twin", domain="two.example"),
    ]
    return {account.domain: account for account in Account.objects.bulk_create(rows)}


def load(tmp_path: Path, text: str, **options):
    path = tmp_path / "tal.csv"
    path.write_text(text, encoding="utf-8")
    return import_file("list-members", path, spec=spec_with(path, "list-members", None, list="named"), **options)


def outcomes(report):
    return [(match.line, match.outcome, match.account.partition(" (")[0]) for match in report.matches]


def members():
    rows = ListMembership.objects.order_by("account__name", "start_at").select_related("account")
    return [(row.account.name, row.state, row.end_at is None) for row in rows]


EVERYTHING = """account id,external id,domain,name,tier,state,reason,effective from
,A-1,,,1,,fits_profile,2026-01-15
,,,NWS,,active,,
,,,Twin,,,,
,,two.example,Twin,,,,
,,,Nordwind Sistems,,,,
,A-1,nordwind.example,,,,,
,,ACME.example,,,,,
,,,,2,,,
999999999,,,Acme,,,,
,,one.example,,7,,,
"""


def test_every_row_is_reported_and_a_trial_stores_nothing(tmp_path, tal, companies):
    report = load(tmp_path, EVERYTHING, dry_run=True)
    assert outcomes(report) == [
        (2, "added", "Acme"),
        (3, "added", "Nordwind Systems"),
        (4, "ambiguous", ""),
        (5, "added", "twin"),
        (6, "not_found", ""),
        (7, "ambiguous", ""),
        (8, "refused", "Acme"),
        (9, "refused", ""),
        (10, "not_found", ""),
    ]
    by_line = {match.line: match for match in report.matches}
    assert {name.partition(" (")[0] for name in by_line[4].candidates.split("; ")} == {"Twin", "twin"}
    assert by_line[6].candidates.startswith("Nordwind Systems (#")
    assert "different accounts" in by_line[7].text
    assert "Line 2" in by_line[8].text
    assert (by_line[2].matched_by, by_line[3].matched_by, by_line[5].matched_by) == (
        "external_id", "name", "domain, name",
    )  # fmt: skip
    assert (report.inserted, report.bad, report.rows) == (3, 7, 10)
    assert members() == []


def test_what_is_stored_says_who_why_and_from_when_and_twice_changes_nothing(tmp_path, tal, companies, admin_user):
    report = load(tmp_path, EVERYTHING, user=admin_user)
    assert members() == [("Acme", "active", True), ("Nordwind Systems", "active", True), ("twin", "active", True)]
    row = ListMembership.objects.get(account__name="Acme")
    assert (row.tier, row.reason.key, row.set_by, f"{row.start_at:%Y-%m-%d}") == (
        1, "fits_profile", admin_user, "2026-01-15",
    )  # fmt: skip
    assert ListMembership.objects.get(account__name="twin").note == "From the file tal.csv"
    before = list(ListMembership.objects.values())
    again = load(tmp_path, EVERYTHING, user=admin_user)
    assert [outcome for _line, outcome, _name in outcomes(again) if outcome in ("added", "changed")] == []
    assert (again.unchanged, again.bad) == (3, report.bad)
    assert list(ListMembership.objects.values()) == before


def test_states_and_tiers_move_and_what_cannot_be_is_refused_alone(tmp_path, tal, companies):
    team = SalesTeam.objects.create(key="north", name="North")
    set_quota(team=team, places=1)
    acme, nordwind, one, _two = companies.values()
    add_accounts(target_list=tal, accounts=[acme, one], note="x", at=timezone.now() - timedelta(days=9))
    propose_accounts(target_list=tal, accounts=[nordwind], team=team, note="x")
    flag = FlagType.objects.get(key=FlagType.DISQUALIFIED)
    three = Account.objects.create(name="Three")
    AccountFlag.objects.create(account=three, flag_type=flag, start_at=timezone.now(), reason="insolvent")
    long_ago = f"{timezone.now() - timedelta(days=20):%Y-%m-%d}"
    report = load(
        tmp_path,
        f"""domain,name,state,tier,team,effective from
acme.example,,recycling,,,
nordwind.example,,active,1,,
one.example,,removed,,,{long_ago}
two.example,,proposed,,north,
,Three,active,,,
""",
    )
    assert outcomes(report) == [
        (2, "changed", "Acme"),
        (3, "changed", "Nordwind Systems"),
        (4, "refused", "Twin"),
        (5, "refused", "twin"),
        (6, "refused", "Three"),
    ]
    assert [error.code for error in report.errors] == ["membership_overlaps", "quota_exceeded", "account_disqualified"]
    now = {row.account_id: (row.state, row.tier) for row in ListMembership.objects.filter(end_at=None)}
    assert now == {acme.pk: ("recycling", None), nordwind.pk: ("active", 1), one.pk: ("active", None)}


def test_a_reason_is_that_of_the_state_where_the_tier_changes_with_it(tmp_path, tal, companies):
    acme = companies["acme.example"]
    add_accounts(target_list=tal, accounts=[acme], note="x", at=timezone.now() - timedelta(days=9))
    reason = MembershipReason.objects.create(key="later", name="Not now", use=MembershipReason.Use.RECYCLE)
    report = load(tmp_path, "domain,tier,state,reason\nacme.example,1,recycling,later\n")
    assert outcomes(report) == [(2, "changed", "Acme")]
    rows = ListMembership.objects.order_by("start_at").values_list("state", "tier", "reason")
    assert list(rows) == [("active", None, None), ("active", 1, None), ("recycling", 1, reason.pk)]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ("recycling,,,", "no_way"),
        ("removed,,,", "no_way"),
        ("proposed,,,", "team_missing"),
        ("proposed,north,,2026-01-01", "date_not_possible"),
        ("active,,,2190-01-01", "time_not_usable"),
        ("active,,7x,", "invalid_choice"),
        ("activ,,,", "invalid_choice"),
        ("proposed,nroth,,", "unknown"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_reason(tmp_path, tal, companies, cells, code):
    set_quota(team=SalesTeam.objects.create(key="north", name="North"), places=5)
    report = load(tmp_path, f"domain,state,team,tier,effective from\nacme.example,{cells}\n")
    assert report.bad == 1
    assert report.errors[0].line == 2
    assert len(report.errors[0].message) > 20
    if code != "invalid_choice":
        assert report.errors[0].code == code
    assert members() == []


def test_a_thousand_rows_with_one_that_is_refused_need_few_queries(
    tmp_path, tal, companies, django_assert_max_num_queries
):
    Account.objects.bulk_create(Account(name=f"Company {n}", domain=f"c{n}.example") for n in range(1000))
    flag = FlagType.objects.get(key=FlagType.DISQUALIFIED)
    bad = Account.objects.get(name="Company 500")
    AccountFlag.objects.create(account=bad, flag_type=flag, start_at=timezone.now(), reason="insolvent")
    text = "domain\n" + "\n".join(f"c{n}.example" for n in range(1000)) + "\n"
    with django_assert_max_num_queries(250):
        report = load(tmp_path, text)
    assert (report.inserted, report.bad, report.errors[0].line) == (999, 1, 502)


def test_the_nearest_names_come_in_their_order():
    names = NearestNames([(1, "Nordwind Systems"), (2, "Nordwind"), (3, "Südwind AG"), (4, "Acme")])
    assert (
        names.of("nordwind")
        == ["Nordwind (#2)", "Nordwind Systems (#1)", "Südwind AG (#3)"][: len(names.of("nordwind"))]
    )
    assert names.of("nordwind")[0] == "Nordwind (#2)"
    assert names.of("zzz") == []


# --- Command and admin ---------------------------------------------------------------------------------------------


def test_the_command_tries_reports_and_stores(tmp_path, tal, companies, capsys):
    path, target = tmp_path / "tal.csv", tmp_path / "report.csv"
    path.write_text("company,tier\nAcme,1\n=Acme,1\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exit_:
        call_command("import_csv", "list-members", path, list="named", report=target, dry_run=True)
    assert exit_.value.code == 3
    assert "put on the list: 1" in capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8-sig"))))
    assert [(row["line"], row["outcome"], row["words"]) for row in rows] == [
        ("2", "added", "Acme"),
        ("3", "not_found", "'=Acme"),
    ]
    assert members() == []
    with pytest.raises(SystemExit):
        call_command("import_csv", "list-members", path, list="named", json=True)
    assert json.loads(capsys.readouterr().out)["outcomes"] == {"added": 1, "not_found": 1}
    assert members() == [("Acme", "active", True)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "accounts", "list": "named"}, "list-members only"),
        ({"target": "list-members"}, "no column for “list”"),
        ({"target": "list-members", "list": "nmaed"}, "There is no “nmaed”"),
    ],
)
def test_the_command_refuses_what_cannot_be(tmp_path, tal, companies, capsys, options, words):
    path = tmp_path / "tal.csv"
    path.write_text("company\nAcme\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        call_command("import_csv", options["target"], path, list=options.get("list"))
    assert words in capsys.readouterr().err
    assert members() == []


def test_from_the_page_of_the_list_to_the_stored_file_with_its_report(admin_client, tal, companies):
    page = admin_client.get(reverse("admin:segmentation_targetlist_change", args=[tal.pk])).content.decode()
    address = f"{reverse('admin:segmentation_importrun_add')}?target=list-members&amp;list=named"
    assert address in page
    form = admin_client.get(address.replace("&amp;", "&")).context["form"]
    assert (form["target"].value(), form["target_list"].value()) == ("list-members", "named")
    upload = io.BytesIO(b"company,tier\nAcme,1\nNordwind Sistems,\n")
    upload.name = "tal.csv"
    answer = admin_client.post(
        reverse("admin:segmentation_importrun_add"),
        {"file": upload, "target": "list-members", "target_list": "named"},
        follow=True,
    )
    shown = answer.content.decode()
    assert "put on the list" in shown
    assert "Nearest: Nordwind Systems" in shown
    assert members() == []
    run = ImportRun.objects.get()
    report = admin_client.get(reverse("admin:segmentation_importrun_match_report", args=[run.pk]))
    assert b"not_found" in b"".join(report.streaming_content)
    fields = {f"field-{name}": column for name, column in {"name": "company", "tier": "tier"}.items()}
    done = admin_client.post(
        reverse("admin:segmentation_importrun_preview", args=[run.pk]), {**fields, "action": "import"}, follow=True
    )
    assert done.status_code == 200
    assert members() == [("Acme", "active", True)]
    assert ImportRun.objects.get().report["outcomes"] == {"added": 1, "not_found": 1}

import csv
import io
import json

import pytest
from django.core.management import call_command

from journey.models import Opportunity
from scoring.models import Activity
from segmentation.models import Account, Contact, FactTouch, ImportMapping, ImportRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path):
    """Import text as a file; returns (exit code, report or fault, standard error)."""

    def run(target, content, *options, encoding="utf-8", as_json=True):
        path = tmp_path / "input.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command(
                "import_csv", target, str(path), *options, *(["--json"] if as_json else []), stdout=out, stderr=err
            )
        except SystemExit as stop:
            code = stop.code
        return code, json.loads(out.getvalue()) if as_json else out.getvalue(), err.getvalue()

    return run


@pytest.fixture
def mapping(tmp_path):
    def mapping(**spec):
        path = tmp_path / "mapping.json"
        path.write_text(json.dumps(spec), encoding="utf-8")
        return f"--mapping={path}"

    return mapping


ACCOUNTS = "external_id,name\nA1,Acme\nA2,北京科技\n"


def test_a_good_file_is_stored_and_told_as_json(run):
    code, report, err = run("accounts", ACCOUNTS)
    assert (code, err) == (0, "")
    assert {
        name: report[name]
        for name in ("target", "file", "rows", "inserted", "updated", "unchanged", "duplicates", "bad")
    } == {
        "target": "accounts",
        "file": "input.csv",
        "rows": 2,
        "inserted": 2,
        "updated": 0,
        "unchanged": 0,
        "duplicates": 0,
        "bad": 0,
    }
    assert (report["errors"], report["flagged"], report["stored"]) == ([], {}, True)
    assert report["seconds"] > 0
    assert report["rows_per_second"] > 0
    assert set(Account.objects.values_list("external_id", "name")) == {("A1", "Acme"), ("A2", "北京科技")}
    assert ImportRun.objects.get().state == ImportRun.State.DONE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_every_encoding_gives_the_same_accounts(run, encoding):
    assert run("accounts", ACCOUNTS, encoding=encoding)[1]["inserted"] == 2
    assert Account.objects.get(external_id="A2").name == "北京科技"


def test_chinese_headings_are_understood(run):
    code, report, _err = run("accounts", "客户编号;公司名称;行业;员工人数\n1;北京科技;软件;120\n", encoding="gb18030")
    assert (code, report["inserted"]) == (0, 1)
    account = Account.objects.get()
    assert (account.external_id, account.name, account.industry, account.employees) == ("1", "北京科技", "软件", 120)


def test_the_same_file_twice_changes_nothing(run):
    run("accounts", ACCOUNTS)
    FactTouch.objects.all().delete()
    history = Account.pgh_event_model.objects.count()
    code, report, _err = run("accounts", ACCOUNTS)
    assert (code, report["inserted"], report["updated"], report["unchanged"]) == (0, 0, 0, 2)
    assert (FactTouch.objects.count(), Account.pgh_event_model.objects.count()) == (0, history)


def test_bad_rows_are_told_with_their_lines_and_the_good_ones_stored(run):
    text = 'external_id,name,employees,note\nA1,Acme,12,"a\nb"\nA2,Beta,many,\n\nA3,Gamma,-1,\nA4,Delta\nA5,Echo,5,\n'
    code, report, _err = run("accounts", text)
    assert (code, report["rows"], report["inserted"], report["bad"]) == (3, 5, 2, 3)
    assert [(error["line"], error["field"], error["value"], error["code"]) for error in report["errors"]] == [
        (4, "employees", "many", "not_a_number"),
        (6, "employees", "-1", "negative"),
        (7, "", "A4,Delta", "cell_count"),
    ]
    assert all(error["message"] for error in report["errors"])
    assert report["unused_columns"] == ["note"]
    assert ImportRun.objects.get().state == ImportRun.State.DONE_WITH_BAD_ROWS


def test_a_reference_that_cannot_be_resolved_is_told_with_its_line(run):
    run("accounts", "external_id,name\n1,Twin\n2,Twin\n")
    code, report, _err = run("contacts", "external_id,account\nc1,1\nc2,twin\n")
    assert (code, report["inserted"]) == (3, 1)
    assert [(error["line"], error["field"], error["value"], error["code"]) for error in report["errors"]] == [
        (3, "account", "twin", "ambiguous")
    ]


def test_strict_stores_nothing_if_a_row_is_bad(run):
    code, report, _err = run("accounts", "external_id,name,tier\n1,A,1\n2,B,9\n", "--strict")
    assert (code, report["stored"], report["bad"], Account.objects.count()) == (3, False, 1, 0)
    assert ImportRun.objects.get().state == ImportRun.State.FAILED


def test_a_dry_run_stores_nothing_but_its_report(run):
    code, report, _err = run("accounts", ACCOUNTS, "--dry-run")
    assert (code, report["inserted"], report["stored"], Account.objects.count()) == (0, 2, False, 0)
    assert ImportRun.objects.get().state == ImportRun.State.PREVIEW


@pytest.mark.parametrize(
    ("target", "content", "code"),
    [
        ("accounts", b"", "empty"),
        ("accounts", b"PK\x03\x04 workbook", "not_csv"),
        ("accounts", bytes(range(256)) * 9, "not_csv"),
        ("accounts", b"just some words\nwithout any table\n", "missing_column"),
        ("activities", b"external_id,account,type\n1,A,page_view\n", "missing_column"),
        ("activities", b"external_id,account,occurred_at\n1,A,2024-01-01\n", "missing_column"),
        ("opportunities", b"name,account\nDeal,A\n", "missing_column"),
        ("opportunity-changes", b"opportunity,occurred_at\nD,2024-01-01\n", "missing_column"),
        ("contacts", b"name,phone\nAnn,1\n", "missing_column"),
        ("accounts", b"external_id,tier\n1,2\n", "missing_column"),
    ],
)
def test_a_fault_of_the_file_stores_nothing_and_exits_with_1(run, target, content, code):
    exit_code, report, err = run(target, content)
    assert (exit_code, report["fault"]["code"]) == (1, code)
    assert report["fault"]["remedy"]
    assert "Nothing was stored." in err
    assert not Account.objects.exists()
    assert ImportRun.objects.get().state == ImportRun.State.FAILED


def test_a_file_without_rows_is_no_fault(run):
    code, report, _err = run("accounts", "external_id,name\n")
    assert (code, report["rows"]) == (0, 0)


def test_nul_characters_and_huge_cells_are_bad_rows(run):
    text = "external_id,name\n1,Fine\n2,N\x00l\n3," + "x" * 10_000_000 + "\n4,Good\n"
    code, report, _err = run("accounts", text)
    assert (code, report["inserted"]) == (3, 2)
    assert [(error["line"], error["code"]) for error in report["errors"]] == [(3, "nul"), (4, "cell_too_big")]
    assert len(json.dumps(report)) < 5000


def test_damaged_bytes_are_bad_rows(run):
    text = "external_id,name\n" + "".join(f"{n},北京科技公司\n" for n in range(20))
    code, report, _err = run("accounts", text.encode() + b"99,bro\xffken\n")
    assert (code, report["inserted"]) == (3, 20)
    assert [(error["line"], error["code"]) for error in report["errors"]] == [(22, "undecodable")]


def test_an_unknown_mapping_is_a_fault_with_the_one_meant(run):
    run("accounts", ACCOUNTS, "--save-mapping", "crm_accounts")
    code, report, err = run("accounts", ACCOUNTS, "--mapping", "crm-acounts")
    assert (code, report["fault"]["code"]) == (1, "unknown_mapping")
    assert "“crm_accounts”" in err


def test_an_unknown_time_zone_in_the_mapping_is_a_fault(run, mapping):
    code, report, _err = run("accounts", ACCOUNTS, mapping(time_zone="Asia/Bejing"))
    assert (code, report["fault"]["code"], report["fault"]["field"]) == (1, "unknown_time_zone", "time_zone")


def test_a_mapping_is_saved_and_used_again_by_its_key(run, mapping):
    option = mapping(columns={"external_id": "Nr", "name": "Firma"}, source_system="erp")
    run("accounts", "Nr,Firma\n1,Acme\n", option, "--save-mapping", "erp_accounts")
    assert ImportMapping.objects.get(key="erp_accounts").spec == {
        "columns": {"external_id": "Nr", "name": "Firma"},
        "source_system": "erp",
    }
    code, report, _err = run("accounts", "Firma,Nr\nBeta,2\n", "--mapping=erp_accounts")
    assert (code, report["inserted"]) == (0, 1)
    assert set(Account.objects.values_list("source_system", "external_id", "name")) == {
        ("erp", "1", "Acme"),
        ("erp", "2", "Beta"),
    }


def test_a_saved_mapping_of_something_else_is_refused(run):
    run("accounts", ACCOUNTS, "--save-mapping", "acc")
    code, report, _err = run("contacts", "external_id\n1\n", "--mapping=acc")
    assert (code, report["fault"]["code"]) == (1, "wrong_target")


def test_what_the_mapping_replaces_and_does_not_expect_is_told(run, mapping):
    industry = {"column": "s", "values": {"technolgy": "technology"}, "expect": ["retail", "technology"]}
    option = mapping(columns={"external_id": "id", "name": "id", "industry": industry}, ignore=["x"])
    code, report, _err = run("accounts", "id,s,x,y\n1,technolgy,,\n2,retail,,\n3,odd,,\n", option)
    assert code == 0
    assert report["replaced"] == [{"field": "industry", "value": "technolgy", "replaced_by": "technology", "rows": 1}]
    assert report["unexpected"] == [{"field": "industry", "value": "odd", "replaced_by": None, "rows": 1}]
    assert (report["flagged"], report["unused_columns"]) == ({"replaced_value": 1, "unexpected_value": 1}, ["y"])
    assert list(Account.objects.order_by("external_id").values_list("industry", flat=True)) == [
        "technology",
        "retail",
        "odd",
    ]


def test_all_bad_rows_go_to_a_file_that_spreadsheets_open_safely(run, tmp_path):
    errors = tmp_path / "bad.csv"
    rows = "".join(f"{n},A{n},=1+{n}\n" for n in range(1200))
    code, report, _err = run("accounts", "external_id,name,employees\n" + rows, "--errors", str(errors))
    assert (code, report["bad"], len(report["errors"])) == (3, 1200, 1000)
    with errors.open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.reader(file))
    assert len(written) == 1201
    assert written[1][:4] == ["2", "employees", "'=1+0", "not_a_number"]


def test_a_file_that_cannot_be_written_or_read_is_named(run, tmp_path):
    code, report, _err = run("accounts", ACCOUNTS, "--errors", str(tmp_path / "nowhere" / "bad.csv"))
    assert (code, report["fault"]["code"], report["fault"]["value"]) == (1, "unwritable", "bad.csv")
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("import_csv", "accounts", str(tmp_path), "--json", stdout=out, stderr=io.StringIO())
    assert json.loads(out.getvalue())["fault"]["code"] == "directory"


def test_people_get_sentences(run):
    code, out, err = run("accounts", "external_id,name,tier\n1,A,1\n2,B,9\n", as_json=False)
    assert code == 3
    assert "input.csv: 2 rows read" in out
    assert "New 1, changed 0, unchanged 0, duplicates 0, bad 1." in out
    assert "Line 3: Column “tier”: “9” is none of the values allowed." in err


def test_another_source_system_may_be_named(run):
    run("accounts", ACCOUNTS, "--source-system", "erp")
    assert set(Account.objects.values_list("source_system", flat=True)) == {"erp"}


def test_the_five_objects_one_after_the_other(run):
    assert run("accounts", ACCOUNTS)[0] == 0
    assert run("contacts", "id,company,title,e-mail\nC1,Acme,CEO,ann@acme.example\n")[0] == 0
    assert run("activities", "id,contact,type,date,minutes\nE1,C1,webinar,2024-03-01 10:00,45\n")[0] == 0
    assert run("opportunities", "deal id,account name,stage,stage date,value\nD1,Acme,Offer,2024-03-01,1000\n")[0] == 0
    assert run("opportunity-changes", "deal id,stage,date,value\nD1,Won,2024-04-01,1200\n")[0] == 0
    assert Contact.objects.get().seniority == "c_level"
    assert (Activity.objects.get().account.name, Activity.objects.get().seconds) == ("Acme", 2700)
    assert (Opportunity.objects.get().crm_stage.name, Opportunity.objects.get().amount) == ("Won", 1200)


def test_a_row_that_tells_several_changes_stands_or_falls_as_a_whole(run, mapping):
    run("opportunities", "external_id\nD1\nD2\n")
    option = mapping(
        columns={"opportunity": "id"},
        expand=[
            {"columns": {"crm_stage": {"constant": "Open"}, "occurred_at": "opened"}, "skip_if_empty": ["opened"]},
            {"columns": {"crm_stage": {"constant": "Won"}, "occurred_at": "closed"}, "skip_if_empty": ["closed"]},
        ],
    )
    text = "id,opened,closed\nD1,2024-01-01,2024-02-01\nD2,2024-01-01,soon\nD2,,\n"
    code, report, _err = run("opportunity-changes", text, option)
    assert (code, report["rows"], report["records"], report["inserted"], report["bad"]) == (3, 3, 4, 2, 1)
    assert [(error["line"], error["field"]) for error in report["errors"]] == [(3, "occurred_at")]
    assert report["flagged"]["left_out"] == 1


def test_the_sentences_of_a_message_survive_percent_signs(run):
    code, report, err = run("accounts", "external_id,name,employees\n1,A,50%s\n", as_json=True)
    assert (code, report["errors"][0]["value"]) == (3, "50%s")
    assert "50%s" in report["errors"][0]["message"]
    assert err == ""


def test_a_column_of_a_reserved_shape_does_no_harm(run):
    code, report, _err = run("accounts", 'external_id,name,"x""y{rows}%s"\n1,A,b\n')
    assert (code, report["unused_columns"]) == (0, ['x"y{rows}%s'])


@pytest.mark.parametrize(
    "spec",
    [
        {"delimiter": "\x00"},
        {"columns": {"name": {"constant": "\ud800"}}},
        {"columns": {"revenue": {"column": "name", "scale": float("nan")}}},
    ],
)
def test_a_mapping_that_cannot_be_stored_is_a_fault_that_is_kept_on_record(run, mapping, spec):
    code, report, err = run("accounts", ACCOUNTS, mapping(**spec))
    assert (code, report["fault"]["code"]) in [(1, "bad_character"), (1, "not_finite")]
    assert "Nothing was stored." in err
    assert not Account.objects.exists()
    assert ImportRun.objects.get().state == ImportRun.State.FAILED


@pytest.mark.parametrize("name", ["a b", "x" * 41, "\udcff"])
def test_what_cannot_name_a_source_system_is_a_fault(run, name):
    code, report, _err = run("accounts", ACCOUNTS, "--source-system", name)
    assert (code, report["fault"]["field"]) == (1, "source_system")
    assert not Account.objects.exists()


def test_bad_rows_are_not_written_over_what_is_read(run, mapping, tmp_path):
    chosen = mapping(columns={"external_id": "external_id", "name": "name"})
    before = (tmp_path / "mapping.json").read_bytes()
    for name in ("input.csv", "mapping.json"):
        code, report, _err = run("accounts", ACCOUNTS, chosen, "--errors", str(tmp_path / name))
        assert (code, report["fault"]["code"]) == (1, "same_file")
    assert (tmp_path / "input.csv").read_text() == ACCOUNTS
    assert (tmp_path / "mapping.json").read_bytes() == before
    assert not Account.objects.exists()


def test_a_file_whose_name_is_no_text_is_told_as_json(capfdbinary, tmp_path):
    with pytest.raises(SystemExit):
        call_command("import_csv", "accounts", str(tmp_path / "a\udcff.csv"), "--json")
    assert json.loads(capfdbinary.readouterr().out)["file"] == "a.csv"

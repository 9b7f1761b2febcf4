"""The endpoints of accounts; those of the other records share their code."""

import pytest

from segmentation.models import Account, IdempotencyKey, ImportMapping, SalesTeam
from tests.segmentation.api.support import Api, check_problem, make_user, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(api):
    return api.post(
        "accounts/", {"external_id": "A-1", "name": "Acme", "employees": 10, "tier": 2, "team": "North"}
    ).json()


# Storing one --------------------------------------------------------------------------------------------------------


def test_a_new_account_is_stored_and_says_where(api):
    answer = api.post("accounts/", {"external_id": "A-1", "name": "Acme", "custom": {}, "products": ["X", "Y"]})
    shown = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"http://testserver/api/v1/accounts/{shown['id']}/"
    assert (shown["source_system"], shown["external_id"], shown["name"], shown["products"]) == (
        "crm",
        "A-1",
        "Acme",
        ["X", "Y"],
    )
    again = api.get(answer["Location"])
    assert again.json() == shown
    assert again["ETag"] == answer["ETag"]


def test_the_same_external_id_changes_the_account_that_is_there(api, acme):
    answer = api.post("accounts/", {"external_id": "A-1", "industry": "Energy"})
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["industry"], answer.json()["name"]) == (acme["id"], "Energy", "Acme")


def test_the_same_external_id_of_another_system_is_another_account(api, acme):
    answer = api.post("accounts/", {"source_system": "erp", "external_id": "A-1", "name": "Acme"})
    assert answer.status_code == 201
    assert answer.json()["id"] != acme["id"]


def test_a_number_as_external_id_is_taken_as_text(api):
    assert api.post("accounts/", {"external_id": 17, "name": "Seventeen"}).json()["external_id"] == "17"


@pytest.mark.parametrize("key", [None, "", "  ", True, ["A"], {"a": 1}])
def test_one_without_external_id_is_refused(api, key):
    problem = check_problem(api.post("accounts/", {"external_id": key, "name": "Acme"}))
    assert (problem["status"], problem["errors"][0]["field"]) == (400, "external_id")


def test_a_bad_value_is_refused_with_field_value_and_remedy(api):
    problem = check_problem(api.post("accounts/", {"external_id": "A-1", "name": "Acme", "employees": "many"}))
    assert problem["status"] == 422
    error = problem["errors"][0]
    assert (error["field"], error["value"], error["code"]) == ("employees", "many", "not_a_number")
    assert "Write digits" in error["detail"]
    assert not Account.objects.exists()


def test_an_unknown_field_names_the_one_that_was_meant(api):
    problem = check_problem(api.post("accounts/", {"external_id": "A-1", "name": "Acme", "employes": 3}))
    assert "“employees”" in problem["errors"][0]["detail"]


def test_what_is_worked_out_cannot_be_written(api):
    problem = check_problem(api.post("accounts/", {"external_id": "A-1", "name": "Acme", "recorded_at": "2024-01-01"}))
    assert (problem["status"], problem["errors"][0]["field"]) == (400, "recorded_at")


# Changing one -------------------------------------------------------------------------------------------------------


def test_a_change_leaves_other_fields_alone(api, acme):
    answer = api.patch(f"accounts/{acme['id']}/", {"employees": 20})
    assert answer.status_code == 200
    assert (answer.json()["employees"], answer.json()["tier"], answer.json()["team"]) == (20, 2, "north")


def test_null_empties_a_field(api, acme):
    assert api.patch(f"accounts/{acme['id']}/", {"employees": None}).json()["employees"] is None


def test_a_link_cannot_be_emptied_and_says_so(api, acme):
    problem = check_problem(api.patch(f"accounts/{acme['id']}/", {"team": None}))
    assert (problem["status"], problem["errors"][0]["code"]) == (400, "not_emptied")


def test_a_replacement_empties_what_it_leaves_out_but_links(api, acme):
    shown = api.put(f"accounts/{acme['id']}/", {"name": "Acme Ltd"}).json()
    assert (shown["name"], shown["employees"], shown["tier"], shown["team"]) == ("Acme Ltd", None, None, "north")


def test_what_was_read_can_be_sent_back(api, acme):
    store("accounts", {"external_id": "A-0", "name": "Holding"})
    parent = api.patch(f"accounts/{acme['id']}/", {"parent": "A-0"}).json()
    before = Account.objects.get(pk=acme["id"]).updated_at
    answer = api.put(f"accounts/{acme['id']}/", parent)
    assert answer.json() == parent
    assert Account.objects.get(pk=acme["id"]).updated_at == before


def test_a_change_with_the_present_etag_passes_and_with_an_old_one_not(api, acme):
    etag = api.get(f"accounts/{acme['id']}/")["ETag"]
    assert api.patch(f"accounts/{acme['id']}/", {"city": "Bonn"}, If_Match=etag).status_code == 200
    problem = check_problem(api.patch(f"accounts/{acme['id']}/", {"city": "Ulm"}, If_Match=etag))
    assert problem["status"] == 412
    assert Account.objects.get(pk=acme["id"]).city == "Bonn"
    assert api.patch(f"accounts/{acme['id']}/", {"city": "Ulm"}, If_Match="*").status_code == 200


@pytest.mark.parametrize("header", ["", "nonsense", 'W/"abc"', '"abc", "def"'])
def test_an_if_match_that_cannot_match_is_412(api, acme, header):
    assert api.patch(f"accounts/{acme['id']}/", {"city": "Ulm"}, If_Match=header).status_code == 412


def test_a_known_state_is_not_sent_again(api, acme):
    etag = api.get(f"accounts/{acme['id']}/")["ETag"]
    answer = api.get(f"accounts/{acme['id']}/", If_None_Match=etag)
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)


def test_the_external_id_cannot_be_changed(api, acme):
    problem = check_problem(api.patch(f"accounts/{acme['id']}/", {"external_id": "A-2"}))
    assert (problem["status"], problem["errors"][0]["field"]) == (400, "external_id")


def test_an_account_without_external_id_gets_one_with_its_first_change(api):
    account = Account.objects.create(name="By hand")
    problem = check_problem(api.patch(f"accounts/{account.pk}/", {"city": "Ulm"}))
    assert (problem["status"], problem["code"]) == (409, "no_external_id")
    shown = api.patch(f"accounts/{account.pk}/", {"city": "Ulm", "external_id": "A-9", "source_system": "erp"}).json()
    assert (shown["id"], shown["city"], shown["external_id"], shown["source_system"]) == (
        account.pk,
        "Ulm",
        "A-9",
        "erp",
    )


def test_an_external_id_that_is_taken_is_a_conflict(api, acme):
    account = Account.objects.create(name="By hand")
    assert api.patch(f"accounts/{account.pk}/", {"city": "Ulm", "external_id": "A-1"}).status_code == 409


# Deleting -----------------------------------------------------------------------------------------------------------


def test_deleting_needs_the_right_and_the_present_etag(api, acme):
    reader = Api(make_user("reader", "segmentation.view_account"))
    assert reader.delete(f"accounts/{acme['id']}/").status_code == 403
    assert api.delete(f"accounts/{acme['id']}/", If_Match='"old"').status_code == 412
    assert api.delete(f"accounts/{acme['id']}/").status_code == 204
    assert api.get(f"accounts/{acme['id']}/").status_code == 404


def test_deleting_what_others_go_with_needs_the_right_to_delete_those_too(api, acme):
    store("activities", {"account": "A-1", "type": "webinar", "occurred_at": "2026-01-01"})
    cleaner = Api(make_user("cleaner", "segmentation.view_account", "segmentation.delete_account"))
    problem = check_problem(cleaner.delete(f"accounts/{acme['id']}/"))
    assert (problem["status"], problem["code"]) == (403, "cascade")
    assert "scoring.delete_activity" in problem["detail"]
    assert api.delete(f"accounts/{acme['id']}/").status_code == 204


# Storing many -------------------------------------------------------------------------------------------------------


def test_a_batch_of_good_records_is_200(api):
    records = [{"external_id": f"A-{n}", "name": f"Company {n}"} for n in range(3)]
    answer = api.post("accounts/upsert/", {"records": records})
    assert answer.status_code == 200
    report = answer.json()
    assert (report["stored"], report["rows"], report["inserted"], report["bad"], report["problems"]) == (
        True,
        3,
        3,
        0,
        [],
    )
    again = api.post("accounts/upsert/", {"records": records}).json()
    assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, 3)


def test_good_records_are_stored_and_bad_ones_reported_by_position_and_field(api):
    records = [
        {"external_id": "A-1", "name": "One"},
        {"external_id": "A-2", "name": ["no", "list"]},
        {"external_id": "A-3", "name": "Three", "employees": -1},
        7,
        {"external_id": "A-5", "name": "Five"},
        {"external_id": "A-6"},
    ]
    answer = api.post("accounts/upsert/", {"records": records})
    assert answer.status_code == 207
    report = answer.json()
    assert (report["rows"], report["inserted"], report["bad"]) == (6, 2, 4)
    found = [
        (problem["index"], problem["status"], problem["errors"][0]["field"], problem["errors"][0]["code"])
        for problem in report["problems"]
    ]
    assert found == [
        (1, 422, "name", "wrong_type"),
        (2, 422, "employees", "negative"),
        (3, 422, "", "not_an_object"),
        (5, 422, "name", "required"),
    ]
    assert sorted(Account.objects.values_list("external_id", flat=True)) == ["A-1", "A-5"]


def test_strict_stores_nothing_if_one_is_bad(api):
    records = [
        {"external_id": "A-1", "name": "One"},
        {"external_id": "A-2", "name": "Two", "tier": 9},
        {"external_id": "A-3", "name": True},
    ]
    problem = check_problem(api.post("accounts/upsert/", {"records": records, "strict": True}))
    assert problem["status"] == 422
    assert [(error["index"], error["field"]) for error in problem["errors"]] == [(1, "tier"), (2, "name")]
    assert not Account.objects.exists()


def test_a_batch_of_bad_records_only_is_422(api):
    assert (
        api.post("accounts/upsert/", {"records": [{"external_id": "A-1", "tier": 9, "name": "x"}]}).status_code == 422
    )


def test_a_dry_run_counts_and_stores_nothing(api):
    answer = api.post(
        "accounts/upsert/", {"records": [{"external_id": "A-1", "name": "One", "team": "New team"}], "dry_run": True}
    )
    assert (answer.status_code, answer.json()["stored"], answer.json()["inserted"]) == (200, False, 1)
    assert not Account.objects.exists()
    assert not SalesTeam.objects.filter(name="New team").exists()


def test_a_thousand_records_pass_and_one_more_does_not(api):
    records = [{"external_id": f"A-{n}", "name": f"Company {n}"} for n in range(1001)]
    problem = check_problem(api.post("accounts/upsert/", {"records": records}))
    assert (problem["status"], problem["code"]) == (413, "too_many_records")
    assert api.post("accounts/upsert/", {"records": records[:1000]}).json()["inserted"] == 1000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "records"),
        ({"records": []}, "records"),
        ({"records": None}, "records"),
        ({"records": {"a": 1}}, "records"),
        ({"records": "x"}, "records"),
        ({"records": [{}], "dry_run": "perhaps"}, "dry_run"),
        ({"records": [{}], "strict": 7}, "strict"),
        ({"records": [{}], "source_system": "no spaces"}, "source_system"),
        ({"records": [{}], "source_system": "x" * 41}, "source_system"),
        ({"records": [{}], "recods": []}, "recods"),
        ({"records": [{}], "mapping": "nothing"}, "mapping"),
        ([], ""),
        ("text", ""),
        (None, "records"),
    ],
)
def test_a_batch_of_the_wrong_form_is_400(api, body, field):
    problem = check_problem(api.post("accounts/upsert/", body))
    assert problem["status"] == 400
    assert [error["field"] for error in problem["errors"]] == ([field] if field else [])


def test_the_options_of_a_saved_mapping_are_used(api):
    spec = {"time_zone": "Asia/Shanghai", "columns": {"name": "Company"}}
    ImportMapping.objects.create(key="china", name="China", target="accounts", spec=spec)
    record = {"external_id": "A-1", "name": "One", "created_in_source_at": "2024-01-01 08:00"}
    assert api.post("accounts/upsert/", {"records": [record], "mapping": "china"}).status_code == 200
    assert Account.objects.get().created_in_source_at.isoformat() == "2024-01-01T00:00:00+00:00"


# Requests that are sent twice ---------------------------------------------------------------------------------------


def test_a_request_sent_twice_is_done_once_and_answered_alike(api):
    body = {"external_id": "A-1", "name": "One"}
    first = api.post("accounts/", body, Idempotency_Key="k-1")
    Account.objects.update(name="Changed meanwhile")
    second = api.post("accounts/", dict(reversed(body.items())), Idempotency_Key="k-1")
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert (second["Location"], second["ETag"], second["Idempotency-Replayed"]) == (
        first["Location"],
        first["ETag"],
        "true",
    )
    assert Account.objects.get().name == "Changed meanwhile"


def test_a_partly_good_batch_is_answered_alike_too(api):
    body = {"records": [{"external_id": "A-1", "name": "One"}, {"external_id": "A-2"}]}
    first = api.post("accounts/upsert/", body, Idempotency_Key="k-1")
    second = api.post("accounts/upsert/", body, Idempotency_Key="k-1")
    assert (first.status_code, second.status_code) == (207, 207)
    assert second.content == first.content


def test_a_key_for_another_request_is_422(api):
    api.post("accounts/", {"external_id": "A-1", "name": "One"}, Idempotency_Key="k-1")
    problem = check_problem(api.post("accounts/", {"external_id": "A-2", "name": "Two"}, Idempotency_Key="k-1"))
    assert (problem["status"], problem["code"]) == (422, "key_reused")
    assert Account.objects.count() == 1


def test_a_key_is_of_one_user(api):
    api.post("accounts/", {"external_id": "A-1", "name": "One"}, Idempotency_Key="k-1")
    other = Api(make_user("other", "segmentation.add_account", "segmentation.change_account"))
    assert other.post("accounts/", {"external_id": "A-2", "name": "Two"}, Idempotency_Key="k-1").status_code == 201


def test_a_request_that_failed_may_be_tried_again_with_its_key(api):
    assert api.post("accounts/", {"external_id": "A-1"}, Idempotency_Key="k-1").status_code == 422
    assert not IdempotencyKey.objects.exists()
    assert api.post("accounts/", {"external_id": "A-1", "name": "One"}, Idempotency_Key="k-1").status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "schlüssel"])
def test_a_key_of_the_wrong_form_is_400(api, key):
    problem = check_problem(api.post("accounts/", {"external_id": "A-1", "name": "One"}, Idempotency_Key=key))
    assert (problem["status"], problem["code"]) == (400, "invalid_key")

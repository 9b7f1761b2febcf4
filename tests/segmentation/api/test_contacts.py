import pytest

from tests.segmentation.api.support import store

pytestmark = pytest.mark.django_db


def test_a_contact_belongs_to_the_account_it_names_and_is_ranked_by_its_title(api):
    store("accounts", {"external_id": "A-1", "name": "One"})
    shown = api.post("contacts/", {"external_id": "C-1", "account": "A-1", "name": "Ada", "job_title": "CTO"}).json()
    assert shown["account"]["external_id"] == "A-1"
    assert (shown["seniority"], shown["classified_by_hand"]) == ("c_level", False)


def test_a_contact_moves_to_another_account(api):
    store("accounts", {"external_id": "A-1", "name": "One"}, {"external_id": "A-2", "name": "Two"})
    contact = api.post("contacts/", {"external_id": "C-1", "account": "A-1", "email": "ada@one.example"}).json()
    moved = api.patch(f"contacts/{contact['id']}/", {"account": {"id": 0, "external_id": "A-2", "name": "Two"}}).json()
    assert moved["account"]["name"] == "Two"
    found = api.get("contacts/?account__external_id=A-2&email__iexact=ADA@one.example").json()["results"]
    assert [row["external_id"] for row in found] == ["C-1"]


def test_a_rank_that_is_given_is_fixed(api):
    shown = api.post("contacts/", {"external_id": "C-1", "job_title": "CTO", "seniority": "manager"}).json()
    assert (shown["seniority"], shown["classified_by_hand"]) == ("manager", True)

"""Accounts, contacts and opportunities found by the words people use."""

import pytest

from journey.selectors.journeys import find_entity
from segmentation.errors import ProblemError
from segmentation.models import Account, Contact

pytestmark = pytest.mark.django_db


def account(name, **fields):
    return Account.objects.create(name=name, **fields)


def refused(words, unit="account"):
    with pytest.raises(ProblemError) as caught:
        find_entity(unit, words)
    assert caught.value.remedy
    return caught.value.code


def test_each_way_finds():
    one = account("One Ltd", external_id="A-1", domain="one.example", other_domains=["eins.example"])
    account("Two Ltd", external_id="A-2", domain="two.example")
    ways = ["A-1", "id:A-1", "one.example", "ONE.example", "eins.example", "one ltd", str(one.pk), f"#{one.pk}"]
    assert [find_entity("account", words) for words in ways] == [one] * len(ways)


def test_words_that_fit_several_are_refused_whichever_way_they_fit():
    one = account("One Ltd", external_id="A-1")
    two = account("Two Ltd", external_id=str(one.pk), domain="same.example")
    account("same.example", external_id="A-3")
    assert refused(str(one.pk)) == "ambiguous"
    assert refused("same.example") == "ambiguous"
    assert find_entity("account", f"#{one.pk}") == one
    assert find_entity("account", f"id:{one.pk}") == two


def test_one_external_id_in_two_systems_is_refused():
    account("One Ltd", external_id="7-7", source_system="crm")
    account("Two Ltd", external_id="7-7", source_system="erp")
    assert refused("7-7") == "ambiguous"


@pytest.mark.parametrize("words", ["", " ", "id:", "#", "\udcff", "a\x00", "9" * 30])
def test_words_that_name_nothing_find_nothing(words):
    account("One Ltd")  # without external id and domain
    account("Two Ltd")
    assert refused(words) == "unknown_account"
    assert refused(words, "contact") == "not_found"


def test_contacts_are_found_by_mail_address():
    one = Contact.objects.create(account=account("One Ltd"), name="Ann", email="ann@one.example")
    assert find_entity("contact", "Ann@One.example") == one
    assert find_entity("contact", "ann") == one

"""Disqualifying accounts and taking them back: the service, the dialogs and the action of the list."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from segmentation.errors import InvalidValueError
from segmentation.models import Account, AccountFlag, FlagType
from segmentation.services.flags import FlagConflictError, disqualify_accounts, reinstate_accounts

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture
def acme():
    return Account.objects.create(name="Acme")


@pytest.fixture
def globex():
    return Account.objects.create(name="Globex")


def rows():
    return list(
        AccountFlag.objects.order_by("account__name", "start_at").values_list("account__name", "reason", "end_at")
    )


class TestService:
    def test_a_batch_is_disqualified_with_reason_and_person(self, acme, globex, admin_user):
        disqualify_accounts(accounts=[acme, globex], reason="  gone \n bankrupt ", user=admin_user)
        assert rows() == [("Acme", "gone bankrupt", None), ("Globex", "gone bankrupt", None)]
        assert {flag.set_by for flag in AccountFlag.objects.all()} == {admin_user}

    def test_one_that_is_disqualified_already_stays_as_it_is(self, acme, globex):
        disqualify_accounts(accounts=[acme], reason="first")
        made = disqualify_accounts(accounts=[acme, globex], reason="second")
        assert [flag.account for flag in made] == [globex]
        assert rows() == [("Acme", "first", None), ("Globex", "second", None)]

    @pytest.mark.parametrize(
        ("reason", "code"), [("", "reason_missing"), (" \n", "reason_missing"), ("x" * 301, "reason_too_long")]
    )
    def test_a_reason_is_needed_and_fits(self, acme, reason, code):
        with pytest.raises(InvalidValueError) as error:
            disqualify_accounts(accounts=[acme], reason=reason)
        assert error.value.code == code
        assert rows() == []

    @pytest.mark.parametrize("at", [dt.datetime(1989, 12, 31, tzinfo=dt.UTC), dt.datetime(2999, 1, 1, tzinfo=dt.UTC)])
    def test_a_time_before_1990_or_in_the_future_is_refused(self, acme, at):
        with pytest.raises(InvalidValueError) as error:
            disqualify_accounts(accounts=[acme], reason="why", at=at)
        assert error.value.code == "time_not_usable"

    def test_taking_back_ends_the_flag_and_keeps_it(self, acme, admin_user):
        now = timezone.now()
        disqualify_accounts(accounts=[acme], reason="why", at=now - 9 * DAY)
        reinstate_accounts(accounts=[acme], user=admin_user, at=now - DAY)
        [flag] = AccountFlag.objects.all()
        assert (flag.reason, flag.start_at, flag.end_at, flag.ended_by) == ("why", now - 9 * DAY, now - DAY, admin_user)

    def test_an_account_may_be_disqualified_again_afterwards(self, acme):
        now = timezone.now()
        disqualify_accounts(accounts=[acme], reason="one", at=now - 9 * DAY)
        reinstate_accounts(accounts=[acme], at=now - 5 * DAY)
        disqualify_accounts(accounts=[acme], reason="two", at=now - 5 * DAY)
        assert rows() == [("Acme", "one", now - 5 * DAY), ("Acme", "two", None)]

    def test_a_later_disqualification_of_one_refuses_the_whole_batch(self, acme, globex):
        now = timezone.now()
        disqualify_accounts(accounts=[globex], reason="later", at=now - DAY)
        with pytest.raises(FlagConflictError) as error:
            disqualify_accounts(accounts=[acme, globex], reason="earlier", at=now - 9 * DAY)
        assert error.value.code == "flag_overlaps"
        assert "Globex" in str(error.value)
        assert rows() == [("Globex", "later", None)]

    def test_it_cannot_be_taken_back_before_it_was_disqualified(self, acme):
        now = timezone.now()
        disqualify_accounts(accounts=[acme], reason="why", at=now - DAY)
        with pytest.raises(FlagConflictError) as error:
            reinstate_accounts(accounts=[acme], at=now - 2 * DAY)
        assert error.value.code == "flag_not_yet_set"

    def test_taking_back_what_was_never_disqualified_changes_nothing(self, acme):
        assert reinstate_accounts(accounts=[acme]) == []


@pytest.fixture
def rep(client):
    """A sales rep who may see accounts and nothing more, logged in."""
    user = get_user_model().objects.create_user("rep", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_account"))
    client.force_login(user)
    return client


SENT = {"_form_submitted": "True", "reason": "insolvent", "at_0": "", "at_1": ""}


class TestDialogs:
    def url(self, name, account):
        return reverse(f"admin:segmentation_account_{name}", args=[account.pk])

    def test_opening_the_dialog_changes_nothing(self, admin_client, acme):
        response = admin_client.get(self.url("disqualify", acme))
        assert response.status_code == 200
        assert b"insolvent" not in response.content
        assert admin_client.get(self.url("disqualify", acme), SENT).status_code == 200
        assert rows() == []

    def test_opened_by_its_address_it_is_a_whole_page(self, admin_client, acme):
        url, account = self.url("disqualify", acme), reverse("admin:segmentation_account_change", args=[acme.pk])
        assert "<html" in admin_client.get(url).content.decode()
        assert "<html" not in admin_client.get(url, headers={"HX-Request": "true"}).content.decode()
        assert admin_client.post(url, SENT).headers["Location"] == account
        assert rows() == [("Acme", "insolvent", None)]

    def test_sending_it_disqualifies_and_says_by_whom(self, admin_client, admin_user, acme):
        response = admin_client.post(self.url("disqualify", acme), SENT, headers={"HX-Request": "true"})
        assert response.headers["HX-Redirect"] == reverse("admin:segmentation_account_change", args=[acme.pk])
        assert rows() == [("Acme", "insolvent", None)]
        assert AccountFlag.objects.get().set_by == admin_user

    def test_without_reason_the_dialog_says_so(self, admin_client, acme):
        response = admin_client.post(self.url("disqualify", acme), {**SENT, "reason": " "})
        assert b"This field is required" in response.content
        assert rows() == []

    def test_taking_back_needs_a_post_too(self, admin_client, acme):
        disqualify_accounts(accounts=[acme], reason="why")
        admin_client.get(self.url("reinstate", acme))
        assert AccountFlag.objects.get().end_at is None
        admin_client.post(self.url("reinstate", acme), SENT)
        assert AccountFlag.objects.get().end_at is not None

    def test_the_page_offers_what_fits_the_account(self, admin_client, acme):
        url = reverse("admin:segmentation_account_change", args=[acme.pk])
        assert self.url("disqualify", acme).encode() in admin_client.get(url).content
        disqualify_accounts(accounts=[acme], reason="why")
        text = admin_client.get(url).content
        assert self.url("disqualify", acme).encode() not in text
        assert self.url("reinstate", acme).encode() in text

    def test_who_may_only_look_may_not_disqualify(self, rep, acme):
        assert rep.get(self.url("disqualify", acme)).status_code == 403
        assert rep.post(self.url("disqualify", acme), SENT).status_code == 403
        assert rep.post(self.url("reinstate", acme), SENT).status_code == 403
        assert rows() == []

    def test_an_account_that_is_gone_is_not_found(self, admin_client):
        assert (
            admin_client.post(reverse("admin:segmentation_account_disqualify", args=[999999]), SENT).status_code == 404
        )


class TestActionOfTheList:
    url = property(lambda self: reverse("admin:segmentation_account_changelist"))

    def test_it_asks_first_and_then_disqualifies(self, admin_client, acme, globex):
        chosen = {"action": "disqualify_selected", "_selected_action": [acme.pk, globex.pk]}
        response = admin_client.post(self.url, chosen)
        assert response.status_code == 200
        assert b"Globex" in response.content
        assert rows() == []
        response = admin_client.post(self.url, {**chosen, **SENT})
        assert response.status_code == 302
        assert rows() == [("Acme", "insolvent", None), ("Globex", "insolvent", None)]

    def test_several_are_taken_back(self, admin_client, acme, globex):
        disqualify_accounts(accounts=[acme, globex], reason="why")
        chosen = {"action": "reinstate_selected", "_selected_action": [acme.pk, globex.pk]}
        admin_client.post(self.url, {**chosen, **SENT})
        assert not AccountFlag.objects.filter(end_at__isnull=True).exists()

    def test_who_may_only_look_is_not_offered_it(self, rep, acme):
        rep.post(self.url, {"action": "disqualify_selected", "_selected_action": [acme.pk], **SENT})
        assert rows() == []


class TestFlagPages:
    def test_the_ready_made_flag_cannot_be_deleted_or_renamed(self, admin_client):
        flag = FlagType.objects.get(key=FlagType.DISQUALIFIED)
        assert (
            admin_client.post(
                reverse("admin:segmentation_flagtype_delete", args=[flag.pk]), {"post": "yes"}
            ).status_code
            == 403
        )
        admin_client.post(reverse("admin:segmentation_flagtype_change", args=[flag.pk]), {"name": "Out", "key": "out"})
        flag.refresh_from_db()
        assert (flag.key, flag.name) == (FlagType.DISQUALIFIED, "Out")

    def test_two_flags_of_a_kind_at_one_time_are_refused_with_a_message(self, admin_client, acme):
        disqualify_accounts(accounts=[acme], reason="why")
        flag = FlagType.objects.get(key=FlagType.DISQUALIFIED)
        response = admin_client.post(
            reverse("admin:segmentation_accountflag_add"),
            {
                "account": acme.pk,
                "flag_type": flag.pk,
                "start_at_0": "2020-01-01",
                "start_at_1": "00:00",
                "reason": "again",
            },
        )
        assert response.status_code == 200
        assert response.context["errors"]
        assert rows() == [("Acme", "why", None)]

    def test_who_set_it_is_remembered(self, admin_client, admin_user, acme):
        flag = FlagType.objects.create(key="vip", name="VIP")
        admin_client.post(
            reverse("admin:segmentation_accountflag_add"),
            {
                "account": acme.pk,
                "flag_type": flag.pk,
                "start_at_0": "2020-01-01",
                "start_at_1": "00:00",
                "reason": "yes",
            },
        )
        assert AccountFlag.objects.get().set_by == admin_user

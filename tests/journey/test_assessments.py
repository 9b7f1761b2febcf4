"""Assessing accounts by a profile: rules and answers, history, versions side by side, and the command."""

import datetime as dt
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from journey.selectors import edited_checklists
from journey.selectors.assessments import assessment_details
from journey.selectors.profile_comparisons import compare_profile_versions, preview_checklist
from journey.services.assessments import assess
from journey.tasks import assess_job
from segmentation.errors import ConflictError, InvalidValueError, NotFoundError
from segmentation.models import Account, IcpAnswer, IcpAssessment, IcpItem, IcpProfile, IcpVersion
from segmentation.selectors.profiles import profile_document
from segmentation.services.profiles import (
    create_profile,
    create_profile_draft,
    publish_profile_version,
    record_answers,
)

pytestmark = pytest.mark.django_db

SOFTWARE = {"criteria": [{"kind": "field", "params": {"field": "industry", "operator": "is", "value": "Software"}}]}


def present_assessment(version, account):
    return IcpAssessment.objects.get(version=version, account=account, ended_at__isnull=True)


def item(version, key, **fields):
    fields = {"text": key, "order": version.items.count() + 1, **fields}
    return IcpItem.objects.create(version=version, key=key, **fields)


@pytest.fixture
def draft():
    version = create_profile(key="ours", name="Ours")
    item(version, "industry", kind="rule", rule=SOFTWARE, weight=2)
    item(version, "need", kind="yes_no", weight=1)
    item(version, "values", kind="scale", weight=1)
    item(version, "sellable", kind="yes_no", weight=0, knock_out=True)
    return version


@pytest.fixture
def version(draft):
    return publish_profile_version(version=draft)


@pytest.fixture
def acme():
    return Account.objects.create(name="Acme", industry="Software")


@pytest.fixture
def globex():
    return Account.objects.create(name="Globex", industry="Steel")


def rows(account):
    return [
        (None if row.score is None else float(row.score), row.grade, float(row.coverage), row.ended_at is None)
        for row in IcpAssessment.objects.filter(account=account).order_by("made_at", "id")
    ]


def answer(version, account, key, value, **more):
    return record_answers(version=version, item_key=key, accounts=[account], value=value, **more)


class TestAssess:
    def test_rules_are_answered_by_the_engine_and_the_rest_is_unknown(self, version, acme, globex):
        nobody = Account.objects.create(name="Nobody")
        (result,) = assess(version=version)
        assert rows(acme) == [(100, "A", 50, True)]
        assert rows(globex) == [(0, "D", 50, True)]
        assert rows(nobody) == [(None, "", 0, True)]
        assert (result.accounts, result.changed) == (3, 3)
        assert result.grades == {"none": 1, "A": 1, "B": 0, "C": 0, "D": 1}

    def test_a_new_row_is_made_only_when_an_answer_changed(self, version, acme, globex):
        assess(version=version)
        (again,) = assess(version=version)
        assert again.changed == 0
        answer(version, acme, "need", False)
        (after,) = assess(version=version)
        assert after.changed == 1
        assert rows(acme) == [(100, "A", 50, False), (66.66, "B", 75, True)]
        assert rows(globex) == [(0, "D", 50, True)]

    def test_a_changed_fact_changes_the_fit(self, version, globex):
        assess(version=version)
        globex.industry = "Software"
        globex.save()
        assess(version=version)
        assert rows(globex) == [(0, "D", 50, False), (100, "A", 50, True)]

    def test_stays_of_the_history_have_no_gap(self, version, acme):
        first = timezone.now() - dt.timedelta(hours=1)
        assess(version=version, at=first)
        answer(version, acme, "need", True)
        second = timezone.now()
        assess(version=version, at=second)
        old, new = IcpAssessment.objects.filter(account=acme).order_by("made_at")
        assert (old.made_at, old.ended_at, new.made_at, new.ended_at) == (first, second, second, None)

    def test_what_was_looked_at_later_is_not_replaced_by_what_was_looked_at_earlier(self, version, acme):
        now = timezone.now()
        assess(version=version, at=now)
        answer(version, acme, "need", True)
        (late,) = assess(version=version, at=now - dt.timedelta(minutes=1))
        assert late.changed == 0

    def test_only_the_accounts_that_are_named_are_assessed(self, version, acme, globex):
        (result,) = assess(version=version, account_ids=[acme.pk])
        assert result.accounts == 1
        assert rows(globex) == []

    def test_a_failed_knock_out_gives_0_with_its_reason(self, version, acme):
        answer(version, acme, "sellable", 0)
        assess(version=version)
        assert rows(acme) == [(0, "D", 50, True)]
        assert present_assessment(version, acme).reasons == {
            "met": ["industry"],
            "partly": {},
            "unmet": ["sellable"],
            "unknown": ["need", "values"],
            "knocked_out": ["sellable"],
        }

    def test_a_draft_is_not_assessed(self, draft, acme):
        with pytest.raises(ConflictError):
            assess(version=draft)
        assert rows(acme) == []

    def test_a_profile_of_which_nothing_is_published_is_refused(self, draft, acme):
        with pytest.raises(NotFoundError) as error:
            assess(profile=draft.profile)
        assert error.value.code == "not_published"

    def test_a_version_that_lost_its_items_gives_no_verdict(self, acme):
        empty = IcpVersion.objects.create(
            profile=IcpProfile.objects.create(key="e", name="E"), number=1, state="published"
        )
        assess(version=empty)
        assert rows(acme) == [(None, "", 0, True)]

    def test_a_rule_on_activities_is_read_too(self, acme):
        version = create_profile(key="active", name="Active")
        item(
            version,
            "engaged",
            kind="rule",
            rule={"criteria": [{"kind": "engaged_minutes", "params": {"minutes": 5}}]},
        )
        version = publish_profile_version(version=version)
        assess(version=version)
        assess(version=version, account_ids=[acme.pk])
        assert rows(acme) == [(0, "D", 100, True)]

    def test_the_job_assesses_every_published_profile(self, version, acme):
        result = assess_job({}, lambda *_: None)
        assert {row["profile"] for row in result["profiles"]} == {"default", "ours"}


class TestAnswers:
    def test_of_two_people_the_last_counts_and_both_are_kept(self, version, acme, django_user_model):
        ann = django_user_model.objects.create_user("ann")
        bob = django_user_model.objects.create_user("bob")
        answer(version, acme, "need", True, user=ann, note="they asked")
        answer(version, acme, "need", False, user=bob)
        assess(version=version)
        details = assessment_details(present_assessment(version, acme))
        (need,) = [row for row in details["items"] if row["key"] == "need"]
        assert need["state"] == "unmet"
        assert [(row["value"], row["by"], row["note"]) for row in need["answers"]] == [
            (0, "bob", ""),
            (1, "ann", "they asked"),
        ]

    def test_an_answer_can_be_taken_back_to_not_known(self, version, acme):
        answer(version, acme, "need", True)
        answer(version, acme, "need", None)
        assess(version=version)
        assert present_assessment(version, acme).reasons["unknown"] == ["need", "values", "sellable"]

    def test_a_scale_counts_in_quarters(self, version, acme):
        answer(version, acme, "values", 4)
        assess(version=version)
        assert rows(acme) == [(91.66, "A", 75, True)]
        assert present_assessment(version, acme).reasons["partly"] == {"values": 75}

    @pytest.mark.parametrize(
        ("key", "value"), [("need", 2), ("need", "yes"), ("values", 0), ("values", 6), ("values", True)]
    )
    def test_a_value_the_item_does_not_have_is_refused(self, version, acme, key, value):
        with pytest.raises(InvalidValueError) as error:
            answer(version, acme, key, value)
        assert error.value.code == "bad_answer"
        assert not IcpAnswer.objects.exists()

    def test_a_rule_is_not_answered_by_a_person(self, version, acme):
        with pytest.raises(InvalidValueError) as error:
            answer(version, acme, "industry", True)
        assert error.value.code == "answered_by_rule"

    def test_an_item_that_does_not_exist_is_refused_with_those_that_do(self, version, acme):
        with pytest.raises(NotFoundError, match="industry, need, values, sellable"):
            answer(version, acme, "nothing", True)

    def test_answers_survive_into_the_next_version_by_their_key(self, version, acme):
        answer(version, acme, "need", True)
        draft = create_profile_draft(profile=version.profile)
        draft.items.filter(key="industry").delete()
        draft.items.filter(key="values").update(kind="yes_no")
        answer(version, acme, "values", 5)
        publish_profile_version(version=draft)
        assess(profile=version.profile)
        assert present_assessment(draft, acme).reasons["met"] == ["need"]
        assert present_assessment(draft, acme).reasons["unknown"] == ["values", "sellable"]

    @pytest.mark.parametrize("fields", [{"kind": "yes_no", "value": 2}, {"kind": "scale", "value": 0}])
    def test_the_database_refuses_a_value_of_another_kind(self, version, acme, fields):
        with pytest.raises(IntegrityError, match="icpanswer_value_of_its_kind"), transaction.atomic():
            IcpAnswer.objects.create(profile=version.profile, account=acme, item_key="need", **fields)

    def test_the_database_keeps_answers_as_they_were_given(self, version, acme):
        answer(version, acme, "need", True)
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            IcpAnswer.objects.update(value=0)


class TestVersions:
    @pytest.mark.parametrize(
        "change",
        [
            lambda version: version.items.update(weight=9),
            lambda version: version.items.all().delete(),
            lambda version: item(version, "more"),
        ],
        ids=["update", "delete", "insert"],
    )
    def test_items_of_a_published_version_never_change(self, version, change):
        with pytest.raises(IntegrityError, match="make a draft of it first"), transaction.atomic():
            change(version)

    def test_a_published_version_never_becomes_a_draft(self, version):
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            IcpVersion.objects.update(state="draft")

    def test_a_version_without_items_that_count_is_not_published(self):
        empty = create_profile(key="empty", name="Empty")
        item(empty, "note", weight=0)
        with pytest.raises(InvalidValueError) as error:
            publish_profile_version(version=empty)
        assert error.value.code == "no_items"

    @pytest.mark.parametrize(
        ("rule", "field"),
        [
            ({"criteria": []}, "items.bad.rule.criteria"),
            ({"criteria": [{"kind": "nothing"}]}, "items.bad.rule.criteria.0.kind"),
            ({}, "items.bad.rule"),
        ],
    )
    def test_a_rule_that_cannot_be_used_is_not_published(self, draft, rule, field):
        item(draft, "bad", kind="rule", rule=rule)
        with pytest.raises(Exception, match=r".") as error:
            publish_profile_version(version=draft)
        assert error.value.field == field
        draft.refresh_from_db()
        assert draft.is_draft

    def test_there_is_one_draft_at_a_time(self, version):
        create_profile_draft(profile=version.profile)
        with pytest.raises(ConflictError) as error:
            create_profile_draft(profile=version.profile)
        assert error.value.code == "draft_exists"

    def test_a_profile_of_which_something_is_published_is_kept_and_a_draft_can_be_deleted(self, version):
        draft = create_profile_draft(profile=version.profile)
        draft.delete()
        with pytest.raises(IntegrityError, match="make a draft of it first"), transaction.atomic():
            version.profile.delete()
        assert version.items.count() == 4

    def test_two_versions_are_compared_on_the_same_accounts_without_storing(self, version, acme, globex):
        draft = create_profile_draft(profile=version.profile)
        draft.items.filter(key="industry").update(
            rule={"criteria": [{"kind": "field", "params": {"field": "industry", "operator": "is", "value": "Steel"}}]}
        )
        found = compare_profile_versions(version, draft)
        assert (found["accounts"], found["changed"], found["mean"]) == (2, 2, [50, 50])
        assert (found["grades"]["A"]["D"], found["grades"]["D"]["A"]) == (1, 1)
        assert [(row["name"], row["one"], row["other"]) for row in found["examples"]] == [
            ("Acme", [100, "A"], [0, "D"]),
            ("Globex", [0, "D"], [100, "A"]),
        ]
        assert rows(acme) == []

    def test_the_database_keeps_one_present_fit_and_never_changes_it(self, version, acme):
        assess(version=version)
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            IcpAssessment.objects.update(score=1)
        row = IcpAssessment.objects.get(account=acme)
        row.pk = None
        with pytest.raises(IntegrityError, match="icpassessment_one_present"), transaction.atomic():
            row.save()


class TestReadyMadeProfile:
    def test_it_has_both_sections_of_the_checklist(self):
        version = IcpVersion.objects.get(profile__key="default", state="published")
        counts = {section: version.items.filter(section=section).count() for section in IcpItem.Section.values}
        assert counts == {"considerations": 11, "loyalty": 8, "custom": 0}

    def test_its_rule_is_one_the_engine_knows(self, acme):
        version = IcpVersion.objects.get(profile__key="default", state="published")
        Account.objects.filter(pk=acme.pk).update(relationship="prospect")
        assess(version=version)
        assert present_assessment(version, acme).reasons["met"] == ["not-yet-customer"]
        assert present_assessment(version, acme).grade == ""


class TestCommand:
    def run(self, capsys, *args):
        call_command("assess", *args)
        return capsys.readouterr().out

    def test_all_accounts_are_counted_by_grade(self, version, acme, globex, capsys):
        out = self.run(capsys, "--profile", "ours")
        assert "Ours v1" in out
        assert "2 accounts" in out
        found = json.loads(self.run(capsys, "--profile", "ours", "--json"))
        [row] = found
        assert row.pop("looked_at") <= 2
        assert row == {
            "profile": "ours",
            "version": 1,
            "mode": "changed",
            "accounts": 2,
            "changed": 0,
            "grades": {"none": 0, "A": 1, "B": 0, "C": 0, "D": 1},
        }
        [row] = json.loads(self.run(capsys, "--profile", "ours", "--full", "--json"))
        assert (row["mode"], row["looked_at"], row["changed"]) == ("full", 2, 0)

    def test_one_account_is_shown_with_its_reasons(self, version, acme, capsys):
        answer(version, acme, "sellable", 0)
        out = self.run(capsys, "--profile", "ours", "--account", "Acme")
        for words in ("Acme", "fit 0", "grade D", "50 %", "sellable", "knock-out", "need"):
            assert words in out
        (found,) = json.loads(self.run(capsys, "--profile", "ours", "--account", str(acme.pk), "--json"))
        assert (found["score"], found["grade"], found["coverage"]) == (0, "D", 50)
        assert {row["key"]: row["state"] for row in found["items"]} == {
            "industry": "met",
            "need": "unknown",
            "values": "unknown",
            "sellable": "unmet",
        }

    def test_a_profile_that_does_not_exist_is_refused_with_the_nearest(self, version):
        with pytest.raises(CommandError, match="Did you mean “ours”"):
            call_command("assess", "--profile", "our")

    def test_an_account_that_does_not_exist_is_refused(self, version):
        with pytest.raises(CommandError, match="There is no account “Nobody at all”"):
            call_command("assess", "--account", "Nobody at all")


def test_an_assessment_takes_the_same_number_of_queries_for_any_number_of_accounts(
    version, django_assert_max_num_queries
):
    Account.objects.bulk_create(Account(name=f"A{i}", industry="Software") for i in range(300))
    with django_assert_max_num_queries(30):
        assess(version=version)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM segmentation_icpassessment")
        assert cursor.fetchone()[0] == 300


class TestCountsOfTheEditor:
    def test_only_items_that_changed_are_evaluated_again_and_facts_are_always_fresh(self, draft, acme, monkeypatch):
        asked = []
        evaluate = edited_checklists.evaluate_checklists

        def counted(checklists, *args):
            asked.append([one.key for one in checklists[0].items])
            return evaluate(checklists, *args)

        monkeypatch.setattr(edited_checklists, "evaluate_checklists", counted)
        monkeypatch.setattr(edited_checklists, "SECONDS", 10**9)
        document = profile_document(draft)

        def met():
            return [row["met"] for row in preview_checklist(document, draft)["items"]]

        assert met() == [1, 0, 0, 0]
        document["items"][0]["weight"] = 7
        assert met() == [1, 0, 0, 0]
        document["items"][0]["rule"] = {"criteria": [{**SOFTWARE["criteria"][0], "negate": True}]}
        assert met() == [0, 0, 0, 0]
        answer(draft, acme, "need", True)
        assert met() == [0, 1, 0, 0]
        Account.objects.create(name="Initech", industry="Steel")
        assert met() == [1, 1, 0, 0]
        Account.objects.filter(pk=acme.pk).update(industry="Steel")
        assert met() == [2, 1, 0, 0]
        everything = ["industry", "need", "values", "sellable"]
        assert asked == [everything, ["industry"], everything, everything, everything]

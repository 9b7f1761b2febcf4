"""Assessments of accounts by a checklist, and what its editor counts."""

from typing import Any

from django.db import connection
from django.utils import timezone

from benchmarks.item import Item
from journey.facts.loading import fact_store
from journey.selectors.checklists import checklist_of, evaluate_checklists, evaluate_fit
from journey.selectors.profile_comparisons import item_counts, preview_checklist
from journey.services.assessments import assess
from segmentation.models import Account, IcpAssessment, IcpVersion
from segmentation.selectors.profiles import items_of, profile_document
from segmentation.services.profile_editing import save_profile_draft
from segmentation.services.profiles import create_profile, publish_profile_version
from segmentation.services.snapshots import one_snapshot


class Assess(Item):
    """Assess every account by a checklist of 20 items, 15 rules and 5 that people answered, from nothing to stored."""

    name = "assess_20_items"

    def prepare(self) -> None:
        self.version = checklist_of_20()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM segmentation_icprun WHERE version_id = %s", [self.version.pk])
            cursor.execute("DELETE FROM segmentation_icpassessment WHERE version_id = %s", [self.version.pk])
            cursor.execute("VACUUM segmentation_icpassessment")
        few = list(Account.objects.order_by("id").values_list("id", flat=True)[:3])
        evaluate_fit([self.version], timezone.now(), few)
        with one_snapshot() as reading:
            fact_store("account").refresh(reading)

    def run(self) -> Any:
        return assess(version=self.version)

    def check(self, result: Any) -> bool:
        """Every account has a row, and those of some are what comes of their facts read one by one."""
        stored = dict(IcpAssessment.objects.filter(version=self.version).values_list("account_id", "score"))
        if len(stored) != Account.objects.count() or result[0].changed != len(stored):
            return False
        some = sorted(stored)[:: max(len(stored) // 200, 1)]
        made_at = IcpAssessment.objects.filter(version=self.version).latest("made_at").made_at
        [found] = evaluate_fit([self.version], made_at, some)
        hundredths = {pk: -1 if score is None else round(score * 100) for pk, score in stored.items()}
        return [hundredths[int(pk)] for pk in found.ids] == found.fits.score.tolist()

    def rows(self) -> int | None:
        return Account.objects.count()


class Assess100Changed(Assess):
    """Assess what changed after 100 accounts got another number of employees."""

    name = "assess_100_changed"

    def prepare(self) -> None:
        super().prepare()
        assess(version=self.version)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE segmentation_account SET employees = coalesce(employees, 0) + 1"
                " WHERE id IN (SELECT id FROM segmentation_account ORDER BY id LIMIT 100)"
            )

    def check(self, result: Any) -> bool:
        [again] = assess(version=self.version, full=True)
        return result[0].mode == "changed" and result[0].looked_at >= 100 and again.changed == 0

    def rows(self) -> None:
        return None


class ChecklistCounts(Assess):
    """Count whom every item of a checklist matches after one rule of it changed, as its editor does."""

    name = "checklist_counts"

    def prepare(self) -> None:
        super().prepare()
        self.document = profile_document(self.version)
        preview_checklist(self.document, self.version)
        self.document["items"][1]["rule"]["criteria"][0]["params"]["value"] += 1

    def run(self) -> Any:
        return preview_checklist(self.document, self.version)

    def check(self, result: Any) -> bool:
        items = items_of(self.version, self.document)
        [found] = evaluate_checklists([checklist_of(self.version, items)], timezone.now())
        return bool(result["items"] == item_counts(found))

    def rows(self) -> None:
        return None


def checklist_of_20() -> IcpVersion:
    """The published checklist of the measurements, made and answered for every account where it is not there."""
    found = IcpVersion.objects.filter(profile__key="bench").first()
    if found:
        return found

    def rule(kind: str, **params: Any) -> dict[str, Any]:
        return {"kind": "rule", "rule": {"criteria": [{"kind": kind, "params": params}]}}

    rules = [
        rule("field", field="industry", operator="in", value=["Manufacturing", "Healthcare"]),
        rule("field", field="employees", operator="at_least", value=150),
        rule("field", field="employees", operator="at_most", value=20_000),
        rule("field", field="revenue", operator="at_least", value=10_000_000),
        rule("field", field="region", operator="known"),
        rule("field", field="country", operator="is", value="China"),
        rule("field", field="relationship", operator="is", value="prospect"),
        rule("field", field="tier", operator="known"),
        rule("field", field="city", operator="known"),
        rule("flag", flag="disqualified"),
        rule("opportunity_won"),
        rule("opportunity_open"),
        rule("engaged_minutes", minutes=20, window_days=90),
        rule("engaged_minutes", minutes=60, window_days=365),
        rule("engaged_people", people=2, window_days=90),
    ]
    version = create_profile(key="bench", name="Bench")
    items = [{"key": f"rule-{i}", "text": f"Rule {i}", **fields} for i, fields in enumerate(rules)]
    items += [{"key": f"asked-{i}", "text": f"Question {i}", "kind": "yes_no"} for i in range(5)]
    save_profile_draft(version=version, items=items)
    version = publish_profile_version(version=version)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO segmentation_icpanswer (profile_id, item_key, account_id, kind, value, note)"
            " SELECT %s, 'asked-' || n, a.id, 'yes_no', (a.id + n) %% 2, ''"
            " FROM segmentation_account a CROSS JOIN generate_series(0, 4) n",
            [version.profile_id],
        )
        cursor.execute("ANALYZE segmentation_icpanswer")
    return version

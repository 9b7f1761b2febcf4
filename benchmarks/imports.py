"""Imports of activities, into an empty table and into a full one."""

from typing import Any

from django.db import connection

from benchmarks.item import Item
from benchmarks.replays import last_activity, remove_activities_after
from benchmarks.scratch import Scratch
from journey.demo.tables import SOURCE
from segmentation.services.imports import import_file

IMPORTED = 500_000


class ImportMore(Item):
    """Import activities from a CSV file into a table that is full already."""

    name = "import_activities_more"

    def prepare(self) -> None:
        self.path = self.scratch.folder / "activities.csv"
        self.count = min(IMPORTED, self.scratch.activities // 2)
        with connection.cursor() as cursor, self.path.open("wb") as file:
            query = (
                "SELECT 'bench-' || x.id AS external_id, a.external_id AS account, c.external_id AS contact,"
                " y.key AS type, x.occurred_at, x.seconds, nullif(x.outcome, '') AS outcome,"
                " nullif(x.campaign, '') AS campaign, nullif(x.content, '') AS content, nullif(x.url, '') AS url"
                " FROM scoring_activity x JOIN scoring_activitytype y ON y.id = x.type_id"
                " JOIN segmentation_account a ON a.id = x.account_id"
                " LEFT JOIN segmentation_contact c ON c.id = x.contact_id"
                f" LIMIT {self.count}"
            )
            with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as copy:
                for block in copy:
                    file.write(block)
        self.last = last_activity()

    def run(self) -> Any:
        return import_file("activities", self.path, source_system=SOURCE)

    def check(self, _result: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM scoring_activity WHERE id > %s", [self.last])
            return bool(cursor.fetchone()[0] == self.count)

    def clean(self) -> None:
        remove_activities_after(self.last)
        self.path.unlink()

    def rows(self) -> int:
        return self.count


class ImportActivities(ImportMore):
    """Import the first activities of accounts and people that are there."""

    name = "import_activities"

    def prepare(self) -> None:
        super().prepare()
        Scratch(self.scratch.size, is_blank=True).use()
        self.last = last_activity()

"""Job titles read by the rules that the admin edits."""

from typing import Any

from django.db import connection, transaction

from segmentation.engine.titles import Match, Rule, Sets, TitleClass, TitleClassifier
from segmentation.models import TitleRule

TITLES = "reclassify_titles"


def load_classifier() -> TitleClassifier:
    """Return the classifier of the active rules, as they are now."""
    rows = (
        TitleRule.objects.filter(active=True)
        .order_by("sets", "order", "id")
        .values_list("sets", "match", "pattern", "value")
    )
    return TitleClassifier(Rule(_sets(sets), _match(match), pattern, value) for sets, match, pattern, value in rows)


def _sets(value: str) -> Sets:
    return "seniority" if value == TitleRule.Sets.SENIORITY else "department"


def _match(value: str) -> Match:
    return "word" if value == TitleRule.Match.WORD else "text" if value == TitleRule.Match.TEXT else "regex"


def classify_titles(titles: list[str]) -> list[TitleClass]:
    """Return seniority and department of each title, by the active rules."""
    return load_classifier().classify_all(titles)


def stage_titles(cursor: Any, query: str, table: str) -> int:
    """Make a temporary table `title, seniority, department` of the titles that a query returns.

    Args:
        cursor: of a transaction under way; the table goes with it.
        query: SQL with one column of distinct titles.
        table: what to call the table.

    Returns:
        The number of titles.
    """
    cursor.execute(query)
    titles = [title for (title,) in cursor.fetchall()]
    found = classify_titles(titles)
    cursor.execute(f"DROP TABLE IF EXISTS {table}")
    cursor.execute(f"CREATE TEMP TABLE {table} (title text, seniority text, department text) ON COMMIT DROP")
    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for title, (seniority, department) in zip(titles, found, strict=True):
            copy.write_row((title, seniority, department))
    cursor.execute(f"ANALYZE {table}")
    return len(titles)


def reclassify_contacts() -> int:
    """Read all job titles anew, after rules were edited; what was fixed by hand stays.

    Returns:
        The number of contacts that changed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        stage_titles(
            cursor,
            "SELECT DISTINCT job_title FROM segmentation_contact WHERE NOT classified_by_hand AND job_title <> ''",
            TITLES,
        )
        cursor.execute(
            "UPDATE segmentation_contact c SET seniority = coalesce(t.seniority, ''), "
            "department = coalesce(t.department, ''), updated_at = now() "
            f"FROM segmentation_contact o LEFT JOIN {TITLES} t ON t.title = o.job_title "
            "WHERE c.id = o.id AND NOT c.classified_by_hand "
            "AND (c.seniority, c.department) IS DISTINCT FROM (coalesce(t.seniority, ''), coalesce(t.department, ''))"
        )
        changed: int = cursor.rowcount
        cursor.execute(f"DROP TABLE {TITLES}")
    return changed

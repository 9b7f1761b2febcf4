"""Facts: added once, recognised by their source key, corrected only where the source says something else."""

from segmentation.imports.staging import Run
from segmentation.imports.targets import Target

FACTS = "import_facts"


class FactTarget(Target):
    """Shared steps of activities and opportunity changes once their rows stand in the table of facts.

    That table has the columns n, row, line, source_key and, of the stored fact, `old_id` and `is_changed`.
    """

    def drop_repeats(self, run: Run) -> None:
        """Keep the last of the rows with one source key; the others are duplicates."""
        gone = run.query(
            "WITH twice AS (SELECT source_key, max(n) AS last FROM {facts} GROUP BY source_key HAVING count(*) > 1) "
            "DELETE FROM {facts} f USING twice WHERE f.source_key = twice.source_key AND f.n < twice.last "
            "RETURNING coalesce(f.line, f.row)",
            facts=FACTS,
        )
        run.report.duplicates += len(gone)
        run.report.flag("duplicate", len(gone), sorted(line for (line,) in gone)[:20])

    def count(self, run: Run) -> bool:
        """Count what is new, changed and unchanged; returns whether there is anything to write."""
        ((new, changed, same),) = run.query(
            "SELECT count(*) FILTER (WHERE old_id IS NULL), count(*) FILTER (WHERE old_id IS NOT NULL AND is_changed), "
            "count(*) FILTER (WHERE old_id IS NOT NULL AND NOT is_changed) FROM {facts}",
            facts=FACTS,
        )
        run.report.inserted += new
        run.report.updated += changed
        run.report.unchanged += same
        return bool(new or changed)

"""What became of the rows of an import."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEPT_ERRORS = 1000  # bad rows a report keeps in full; all of them are counted and can be sent to a sink
KEPT_MATCHES = 200  # rows of a match report kept with an import; the file has all of them
KEPT_EXAMPLES = 20  # rows a report names for each flag


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was left out.

    Attributes:
        index: position of the record, from 0; of a file, the row's position below the header.
        field: the field that was wrong; empty when it is the row as a whole.
        value: the value that was refused, shortened.
        code: a stable word for programs.
        message: what is wrong and what to do, in the language of the moment.
        line: the line of the file on which the row begins, from 1.
    """

    index: int
    field: str
    value: str
    code: str
    message: str
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "line": self.line,
            "field": self.field,
            "value": self.value,
            "code": self.code,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Match:
    """What became of a row that names an account.

    Attributes:
        words: what the row calls the account.
        outcome: added, changed, already, ambiguous, not_found or refused.
        account: the account it means, once that is certain.
        matched_by: the columns that led to it.
        state: the state the row asks for.
        candidates: the accounts it may mean, or those with the nearest names.
        text: why nothing was done, in the language of the moment.
    """

    row: int
    line: int | None
    words: str
    outcome: str
    account: str = ""
    matched_by: str = ""
    state: str = ""
    candidates: str = ""
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in MATCH_COLUMNS}


MATCH_COLUMNS = ("line", "words", "outcome", "account", "matched_by", "state", "candidates", "text")


@dataclass(frozen=True, slots=True)
class Replacement:
    """A value that the mapping replaced, or one it did not expect (then ``new`` is None and the value was kept)."""

    field: str
    old: str
    new: str | None
    rows: int

    def as_dict(self) -> dict[str, Any]:
        return {"field": self.field, "value": self.old, "replaced_by": self.new, "rows": self.rows}


@dataclass
class UpsertReport:
    """Counts of an import: records = inserted + updated + unchanged + duplicates + those of bad rows.

    Attributes:
        rows: rows read.
        records: records made of them; differs from ``rows`` where a mapping makes several changes of one row.
        duplicates: rows that say the same as another row of this import, or name the same record (the last one counts).
        flagged: rows that were accepted but deserve a look, by code.
        examples: for each flag the first rows (lines of the file, else positions).
        errors: the first bad rows; ``bad`` counts all.
        created: what had to be made on the way: teams, activity types, CRM stages, custom fields; by kind.
        replaced, unexpected: what the mapping did to values, and the values it had not listed.
        unused_columns: columns of the file that no field takes.
        matches: of files that name accounts, what became of each row.
        stored: False for a dry run, and for a strict import with bad rows.
    """

    target: str
    rows: int = 0
    records: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    bad: int = 0
    flagged: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[int]] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    created: dict[str, list[str]] = field(default_factory=dict)
    replaced: list[Replacement] = field(default_factory=list)
    unexpected: list[Replacement] = field(default_factory=list)
    unused_columns: list[str] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    stored: bool = False
    seconds: float = 0.0

    @property
    def rows_per_second(self) -> int:
        return round(self.rows / self.seconds) if self.seconds else 0

    def flag(self, code: str, count: int, examples: list[int] | None = None) -> None:
        """Count rows under a flag; no rows leave no trace."""
        if not count:
            return
        self.flagged[code] = self.flagged.get(code, 0) + count
        kept = self.examples.setdefault(code, [])
        kept += (examples or [])[: KEPT_EXAMPLES - len(kept)]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON; of matches the first ones, and how many came to what."""
        told: dict[str, Any] = {}
        if self.matches:
            told["outcomes"] = dict(sorted(Counter(match.outcome for match in self.matches).items()))
            told["matches"] = [match.as_dict() for match in self.matches[:KEPT_MATCHES]]
        return {
            **told,
            "target": self.target,
            "rows": self.rows,
            "records": self.records,
            "inserted": self.inserted,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "duplicates": self.duplicates,
            "flagged": dict(sorted(self.flagged.items())),
            "examples": dict(sorted(self.examples.items())),
            "bad": self.bad,
            "errors": [error.as_dict() for error in self.errors],
            "created": self.created,
            "replaced": [item.as_dict() for item in self.replaced],
            "unexpected": [item.as_dict() for item in self.unexpected],
            "unused_columns": self.unused_columns,
            "stored": self.stored,
            "seconds": round(self.seconds, 3),
            "rows_per_second": self.rows_per_second,
        }


ErrorSink = Callable[[RowError], None]

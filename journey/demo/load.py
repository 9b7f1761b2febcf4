"""Writes a demo world into the database, whole or not at all."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from journey.demo.catalogue import TYPES
from journey.demo.costs import write_costs, write_rates
from journey.demo.curated import write_curation
from journey.demo.intent import write_intent
from journey.demo.parameters import DemoParameters
from journey.demo.tables import SOURCE, Columns, Ids, WorldTables
from journey.demo.words import TEAMS
from journey.demo.world import World, build_world
from journey.models import CrmStage, CustomerPeriod, Opportunity, OpportunityChange, StageMeaning
from scoring.models import Activity, ActivityType
from scoring.ready_made import ACTIVITY_TYPES
from segmentation.errors import ConflictError
from segmentation.models import Account, AccountFlag, Contact, FactTouch, FlagType, ImportRun, ImportTarget, SalesTeam

MARKER = "demo"  # the file name of the import that stands for the demo data
LOCK = 0x64656D6F  # an advisory lock: two loads at a time would both find the database empty

# From so many rows on, an empty table is filled without its indexes, which are then made at once.
BULK_ROWS = 10_000

STAGES = (
    ("Discovery", StageMeaning.IDENTIFIED),
    ("Solution fit", StageMeaning.ACTIVE),
    ("Proposal", StageMeaning.ACTIVE),
    ("Negotiation", StageMeaning.INTENT),
    ("Closed won", StageMeaning.WON),
    ("Closed lost", StageMeaning.LOST),
)

ACCOUNT_EVENTS = Account.pgh_event_model  # type: ignore[attr-defined]
CONTACT_EVENTS = Contact.pgh_event_model  # type: ignore[attr-defined]
FILLED = (
    Account,
    ACCOUNT_EVENTS,
    Contact,
    CONTACT_EVENTS,
    Opportunity,
    OpportunityChange,
    CustomerPeriod,
    AccountFlag,
    Activity,
)


class DemoConflictError(ConflictError):
    """There is other demo data already."""

    code = "demo_exists"


@dataclass(frozen=True)
class DemoRequest:
    """What was asked for. None is no wish: what is loaded already is right, and a fresh load uses the default."""

    accounts: int | None = None
    activities: int | None = None
    seed: int | None = None
    years: int | None = None
    end_date: date | None = None

    def parameters(self, today: date) -> DemoParameters:
        """Return the parameters of a fresh load."""
        return DemoParameters(
            accounts=2_000 if self.accounts is None else self.accounts,
            activities=150_000 if self.activities is None else self.activities,
            seed=7 if self.seed is None else self.seed,
            years=2 if self.years is None else self.years,
            end_date=today if self.end_date is None else self.end_date,
        )

    def contradictions(self, loaded: dict[str, Any]) -> list[str]:
        """Return the names of the wishes that what is loaded does not meet."""
        wishes = {**vars(self), "end_date": self.end_date and self.end_date.isoformat()}
        return [name for name, wish in wishes.items() if wish is not None and wish != loaded.get(name)]


@dataclass(frozen=True)
class DemoLoad:
    """What is in the database now, and whether this call put it there."""

    is_new: bool
    parameters: dict[str, Any]
    rows: dict[str, int]
    seconds: float
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "loaded": self.is_new,
            "parameters": self.parameters,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "digest": self.digest,
        }


def load_demo(request: DemoRequest, *, today: date, said: Callable[[str], None] = lambda step: None) -> DemoLoad:
    """Load the demo data unless it is there.

    Args:
        request: the size and so on that are wanted.
        today: where the history ends unless the request says so.
        said: is told of each step as it begins.

    Raises:
        InvalidValueError: a size is out of bounds.
        DemoConflictError: other demo data is there.
    """
    began = time.monotonic()
    parameters = request.parameters(today)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        found = _already_loaded(request, began)
        if found:
            return found
        world = build_world(parameters, said)
        rows = _write(cursor, world, said)
        digest = world.digest()
        seconds = time.monotonic() - began
        ImportRun.objects.create(
            target=ImportTarget.ACCOUNTS,
            file_name=MARKER,
            file_sha256=digest,
            state=ImportRun.State.DONE,
            report={"parameters": parameters.as_dict(), "rows": rows, "seconds": round(seconds, 3)},
        )
    return DemoLoad(True, parameters.as_dict(), rows, seconds, digest)


def _already_loaded(request: DemoRequest, began: float) -> DemoLoad | None:
    run = ImportRun.objects.filter(file_name=MARKER, target=ImportTarget.ACCOUNTS, state=ImportRun.State.DONE).last()
    there = Account.objects.filter(source_system=SOURCE).exists()
    if run is None and not there:
        return None
    remedy = gettext_lazy("Run “manage.py reset_demo” to drop it and load anew, or ask for what is there.")
    if run is None or not there:
        raise DemoConflictError(gettext_lazy("There is part of some demo data in the database."), remedy=remedy)
    loaded = run.report["parameters"]
    wrong = request.contradictions(loaded)
    if wrong:
        raise DemoConflictError(
            gettext_lazy("The database holds other demo data: %(there)s."),
            field=wrong[0],
            value=getattr(request, wrong[0]),
            remedy=remedy,
            params={"there": ", ".join(f"{name} {value}" for name, value in loaded.items())},
        )
    return DemoLoad(False, loaded, run.report["rows"], time.monotonic() - began, run.file_sha256)


def _write(cursor: CursorWrapper, world: World, said: Callable[[str], None]) -> dict[str, int]:
    tables = [model._meta.db_table for model in FILLED]
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else every row leaves a note that is read at the commit
    cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
    cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
    made = WorldTables(world, _ids(cursor, world))
    rows: dict[str, int] = {}

    def fill(model: Any, name: str, parts: Iterator[Columns], size: int) -> None:
        table = model._meta.db_table
        with _without_triggers(cursor, table), _without_indexes(cursor, model, size) as how:
            written = 0
            for columns in parts:
                _copy(cursor, table, columns, how)
                written += len(next(iter(columns.values())))
                if written < size and written % 1_000_000 == 0:
                    said(_("Writing activities: %(done)s of %(all)s") % {"done": f"{written:,}", "all": f"{size:,}"})
        rows[name] = size

    said(_("Writing accounts and contacts"))
    accounts = made.accounts()
    fill(Account, "accounts", iter([accounts]), len(world.companies))
    fill(ACCOUNT_EVENTS, "account_events", iter([made.account_events(accounts)]), len(world.field_history.account))
    del accounts
    contacts = made.contacts()
    fill(Contact, "contacts", iter([contacts]), len(world.people))
    fill(CONTACT_EVENTS, "contact_events", iter([made.contact_events(contacts)]), len(world.people))
    del contacts
    said(_("Writing opportunities"))
    fill(Opportunity, "opportunities", iter([made.opportunities()]), len(world.opportunities))
    fill(OpportunityChange, "opportunity_changes", iter([made.changes()]), len(world.changes))
    fill(CustomerPeriod, "customer_periods", iter([made.customer_periods()]), len(world.customers.account))
    fill(AccountFlag, "disqualifications", iter([made.flags()]), len(world.disqualified.account))
    said(_("Writing activities"))
    fill(Activity, "activities", made.activities(), len(world.activities))
    rows["costs"] = write_costs(world.parameters, SOURCE)
    write_rates(world.parameters)
    said(_("Writing intent signals"))
    rows["intent_signals"] = write_intent(world.parameters, world.opportunities, made.ids.account, SOURCE)
    said(_("Writing lists, checklists and answers"))
    rows |= write_curation(world.parameters, world.curation, made.ids.account)
    # The triggers that note whose facts changed were off: everything did.
    FactTouch.objects.create()
    said(_("Collecting statistics for the database"))
    cursor.execute(f"ANALYZE {', '.join(tables)}")
    return rows


def _ids(cursor: CursorWrapper, world: World) -> Ids:
    """Make the settings the facts refer to where they are missing, and reserve the keys of the facts."""
    teams = []
    for team in TEAMS:
        of_team = {"name": team.name, "region": team.region, "manager": team.reps[0]}
        teams.append(SalesTeam.objects.get_or_create(key=team.key, defaults=of_team)[0].pk)
    stages = []
    for position, (name, meaning) in enumerate(STAGES, start=1):
        of_stage: dict[str, Any] = {"meaning": meaning, "position": position}
        stages.append(CrmStage.objects.get_or_create(name=name, defaults=of_stage)[0].pk)
    known = dict(ActivityType.objects.values_list("key", "pk"))
    for ready in ACTIVITY_TYPES:
        if ready.key not in known:
            known[ready.key] = ActivityType.objects.create(
                key=ready.key,
                name=ready.name,
                side=ready.side,
                category=ready.category,
                default_minutes=ready.minutes,
                is_hot=ready.is_hot,
                is_meeting=ready.is_meeting,
            ).pk
    disqualified, _made = FlagType.objects.get_or_create(key=FlagType.DISQUALIFIED, defaults={"name": "Disqualified"})
    return Ids(
        account=_reserve(cursor, Account._meta.db_table, len(world.companies)),
        contact=_reserve(cursor, Contact._meta.db_table, len(world.people)),
        opportunity=_reserve(cursor, Opportunity._meta.db_table, len(world.opportunities)),
        teams=np.array(teams),
        stages=np.array(stages),
        types=np.array([known[key] for key in TYPES]),
        disqualified=disqualified.pk,
    )


def _reserve(cursor: CursorWrapper, table: str, size: int) -> int:
    """Return the first of so many fresh primary keys in a row. The table must be locked."""
    cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
    [sequence] = cursor.fetchone()
    cursor.execute("SELECT nextval(%s)", [sequence])
    [first] = cursor.fetchone()
    if size > 1:
        cursor.execute("SELECT setval(%s, %s)", [sequence, first + size - 1])
    return int(first)


def _copy(cursor: CursorWrapper, table: str, columns: Columns, how: str) -> None:
    # Arrow quotes every text and leaves nulls bare, which is how PostgreSQL tells "" from null.
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(pa.table(columns), buffer, options)
    names = ", ".join(columns)
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv{how})") as copy:
        copy.write(buffer.getbuffer())


@contextmanager
def _without_triggers(cursor: CursorWrapper, table: str) -> Iterator[None]:
    """Rest the project's own triggers: history and change feed of the demo data are written by the load itself."""
    cursor.execute(
        "SELECT quote_ident(tgname) FROM pg_trigger"
        " WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled = 'A'",
        [table],
    )
    always = [name for (name,) in cursor.fetchall()]
    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    for name in always:  # those that also fire on the bulk path of imports
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


@contextmanager
def _without_indexes(cursor: CursorWrapper, model: Any, size: int) -> Iterator[str]:
    """Drop the indexes and references of an empty table and make them again at the end, when many rows come.

    Yields what to add to the options of COPY. Everything is part of the transaction, so a failure leaves all in place.
    """
    table = model._meta.db_table
    cursor.execute("SELECT EXISTS (SELECT FROM pg_constraint WHERE confrelid = %s::regclass)", [table])
    [is_referred_to] = cursor.fetchone()
    if size < BULK_ROWS or model._default_manager.exists():
        yield ""
        return
    cursor.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = %s::regclass AND contype IN ('u', 'x', 'f') ORDER BY contype DESC, conname",
        [table],
    )
    constraints = cursor.fetchall()
    for name, _definition in constraints:
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute(
        "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = %s::regclass AND NOT i.indisprimary ORDER BY c.relname",
        [table],
    )
    indexes = cursor.fetchall()
    for name, _definition in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    # Rows of a table emptied in this transaction can be written as old ones: no reader marks them again.
    if not is_referred_to:
        cursor.execute(f"TRUNCATE {table}")
    yield "" if is_referred_to else ", FREEZE true"
    for _name, definition in indexes:
        cursor.execute(definition)
    for name, definition in constraints:
        cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')

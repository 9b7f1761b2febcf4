"""What figures are broken down by: dated values of accounts, deals and people, as codes at any instant."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.table import Bools, StayTable
from journey.models import Journey, Opportunity
from scoring.models import ActivityType
from segmentation.engine.facts import DatedField, Rows
from segmentation.engine.resolve import jit
from segmentation.engine.steps import FAR_FUTURE, FAR_PAST, Int32s, Int64s
from segmentation.facts.accounts import Changes, account_fields, read_fields
from segmentation.facts.arrays import Positions, grouped
from segmentation.facts.copying import read_rows
from segmentation.facts.lists import Lists
from segmentation.facts.segments import MembershipRows, read_membership_rows, segment_sets
from segmentation.models import Contact, CustomField, Tier
from segmentation.selectors.segments import campaign_segments, segment_paths

# Upper limits of the bands of numbers; the last band is open.
EMPLOYEES = (50, 250, 1_000, 5_000)
REVENUE = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)

NOT_KNOWN = _("(not known)")


@dataclass(frozen=True)
class Source:
    """Where dimensions are read from: the stays they are wanted for, and the recorded changes of their accounts.

    members: memberships of segments, where others than the stored ones are meant.
    """

    connection: Any
    table: StayTable
    changes: Changes
    members: MembershipRows | None = None


@dataclass(frozen=True)
class Dimension:
    """One thing to break figures down by.

    read: gives its dated values for a table of stays. per: whether these are by account or by entity. is_slow: it takes
    longer to read than an answer may, and so is read together with the history instead of when it is first asked for.
    reads_segments: it rests on memberships, which are themselves derived. grouped: the values that make groups of their
    own; others serve as filters only. without: what people read where there is no value. named: what they read for
    values, by value. ordered: values whose order is neither that of numbers nor that of letters.
    """

    key: str
    label: Any
    read: Callable[[Source], DatedField]
    per: str = "account"
    is_slow: bool = False
    reads_segments: bool = False
    grouped: Callable[[], Collection[Any]] | None = None
    without: Any = NOT_KNOWN
    named: Callable[[], Mapping[str, str]] | None = None
    ordered: tuple[Any, ...] = ()

    def rank(self, value: Any) -> tuple[int, float, str]:
        """What values are put in order by: their own order, numbers by size, texts by letter; None comes last."""
        if value is None:
            return 3, 0, ""
        if value in self.ordered:
            return 0, self.ordered.index(value), ""
        return (1, value, "") if isinstance(value, int | float) else (2, 0, str(value))


@dataclass(frozen=True)
class Coded:
    """A dimension as it applies to a table of stays. index: int64, place in the field for each entity, -1 for none."""

    dimension: Dimension
    field: DatedField
    index: Int64s

    @property
    def values(self) -> Sequence[Any]:
        """By code; `Lists` where one entity may have several at a time."""
        return self.field.values

    def at(self, entity: Int32s, instant: Int64s) -> tuple[Int32s, Bools]:
        """The code of each pair of entity and instant (-1: not known), and whether today's value stands in for it."""
        field = self.field
        if not len(field.initial):
            return np.full(len(entity), -1, dtype=np.int32), np.zeros(len(entity), dtype=np.bool_)
        return _codes(  # type: ignore[no-any-return]
            self.index[entity],
            instant,
            field.initial,
            field.known_from,
            field.rows.begin,
            field.rows.end,
            field.time,
            field.code,
        )


@jit
def _codes(index, instant, initial, known_from, begin, end, time, code):  # type: ignore[no-untyped-def]
    out = np.full(len(index), np.int32(-1))
    assumed = np.zeros(len(index), dtype=np.bool_)
    for k in range(len(index)):
        i = index[k]
        if i < 0:
            continue
        low, high = begin[i], end[i]
        place = low + np.searchsorted(time[low:high], instant[k], side="right")
        out[k] = initial[i] if place == low else code[place - 1]
        assumed[k] = instant[k] < known_from[i]
    return out, assumed


def dimensions(unit: str) -> dict[str, Dimension]:
    """Everything figures of a unit may be broken down by. Of two of one name that of the unit itself wins; the
    account's is then called `account.<name>`."""
    found = {key: _account_field(key, key, field.label) for key, field in account_fields().items() if key != "products"}
    found["product"] = _account_field("product", "products", _("product in use"))
    found["size"] = _banded("size", "employees", _("company size by employees"), EMPLOYEES)
    found["revenue"] = _banded("revenue", "revenue", _("company size by revenue"), REVENUE)
    found.pop("employees")
    found["segment"] = _SEGMENT
    found["first_activity"] = Dimension("first_activity", _("first engagement activity"), _first_activity, is_slow=True)
    if unit == Journey.Unit.ACCOUNT:
        return found
    own = _contact_dimensions() if unit == Journey.Unit.CONTACT else _deal_dimensions()
    return found | {f"account.{key}": replace(found[key], key=f"account.{key}") for key in own if key in found} | own


def coded(dimension: Dimension, source: Source) -> Coded:
    """Read a dimension for a table of stays."""
    field, table = dimension.read(source), source.table
    if not isinstance(field.values, Lists) and any(isinstance(value, tuple) for value in field.values):
        field = replace(field, values=Lists.of(field.values))
    if dimension.per == "entity":
        return Coded(dimension, field, np.arange(len(table.entities), dtype=np.int64))
    return Coded(dimension, field, Positions(table.owners).of(table.accounts))


def _segments(source: Source) -> DatedField:
    members = read_membership_rows(source.connection) if source.members is None else source.members
    return segment_sets(members, source.table.owners)


def _campaign_segments() -> list[str]:
    return [node.segment.key for node in campaign_segments()]


_SEGMENT = Dimension(
    "segment",
    _("segment"),
    _segments,
    is_slow=True,
    reads_segments=True,
    grouped=_campaign_segments,
    without=_("(in no segment)"),
    named=segment_paths,
)


def _account_field(key: str, field: str, label: Any) -> Dimension:
    return Dimension(key, label, lambda source: _field(source, field))


def _field(source: Source, key: str) -> DatedField:
    return read_fields(source.connection, source.table.owners, [key], some=False, changes=source.changes)[key]


def band(value: Any, limits: Sequence[int]) -> str | None:
    """The band a number lies in, in words: “50 - < 250”, “5,000+”."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    low = max((limit for limit in limits if limit <= value), default=None)
    high = min((limit for limit in limits if limit > value), default=None)
    if low is None:
        return f"< {high:,}"
    return f"{low:,}+" if high is None else f"{low:,} - < {high:,}"


def _banded(key: str, field: str, label: Any, limits: Sequence[int]) -> Dimension:
    order = tuple(band(value, limits) for value in (limits[0] - 1, *limits))

    def read(source: Source) -> DatedField:
        found = _field(source, field)
        names = [band(value, limits) for value in found.values]
        number = np.array([-1 if name is None else order.index(name) for name in names] + [-1], dtype=np.int32)
        return DatedField(
            values=order,
            initial=number[found.initial],
            known_from=found.known_from,
            rows=found.rows,
            time=found.time,
            code=number[found.code],
        )

    return Dimension(key, label, read, ordered=order)


_FIRST = """
SELECT o.id, f.type_id, f.occurred_at FROM {table} o CROSS JOIN LATERAL (
    SELECT a.type_id::bigint, a.occurred_at FROM scoring_activity a
    WHERE a.{owner} = o.id ORDER BY a.occurred_at, a.type_id LIMIT 1
) f
"""


def _first_activity(source: Source) -> DatedField:
    return _first(source, source.table.owners, "segmentation_account", "account_id")


def _first(source: Source, owners: Int64s, table: str, owner: str) -> DatedField:
    """The type of the first activity, from that activity on."""
    rows = read_rows(
        source.connection, _FIRST.format(table=table, owner=owner), {"id": "i8", "type": "i8", "time": "time"}
    )
    keys = dict(ActivityType.objects.values_list("pk", "key"))
    order, owned = grouped(Positions(owners).of(rows["id"]), len(owners))
    types, code = np.unique(rows["type"][order], return_inverse=True)
    return DatedField(
        values=tuple(keys[pk] for pk in types.tolist()),
        initial=np.full(len(owners), -1, dtype=np.int32),
        known_from=np.full(len(owners), FAR_PAST),
        rows=owned,
        time=np.ascontiguousarray(rows["time"][order]),
        code=code.astype(np.int32),
    )


def static(key: str, label: Any, table: str, sql: str) -> Dimension:
    """A value that keeps no history: today's stands in for all times."""

    def read(source: Source) -> DatedField:
        n = len(source.table.entities)
        initial = np.full(n, -1, dtype=np.int32)
        numbers: dict[Any, int] = {}
        positions = Positions(source.table.entities)
        with source.connection.cursor() as cursor:
            cursor.execute(f"SELECT {sql}, array_agg(r.id) FROM {table} r GROUP BY 1 ORDER BY 1")
            for value, ids in cursor.fetchall():
                if value not in (None, ""):
                    place = positions.of(np.array(ids, dtype=np.int64))
                    initial[place[place >= 0]] = numbers.setdefault(value, len(numbers))
        none = np.zeros(n, dtype=np.int64)
        return DatedField(
            values=tuple(numbers),
            initial=initial,
            known_from=np.full(n, FAR_FUTURE),
            rows=Rows(none, none),
            time=np.empty(0, dtype=np.int64),
            code=np.empty(0, dtype=np.int32),
        )

    return Dimension(key, label, read, per="entity")


def _column(model: Any, table: str, name: str) -> Dimension:
    return static(name, model._meta.get_field(name).verbose_name, table, f"r.{name}")


def _customs(of: str, table: str) -> dict[str, Dimension]:
    found = {}
    for custom in CustomField.objects.filter(of=of):
        key = custom.key.replace("'", "''").replace("%", "%%")
        found[f"custom.{custom.key}"] = static(f"custom.{custom.key}", custom.label, table, f"r.custom ->> '{key}'")
    return found


def _deal_dimensions() -> dict[str, Dimension]:
    table = "journey_opportunity"
    found = {name: _column(Opportunity, table, name) for name in ("product", "kind", "owner", "loss_reason")}
    found["team"] = static(
        "team", _("sales team"), table, "(SELECT t.key FROM segmentation_salesteam t WHERE t.id = r.team_id)"
    )
    return found | _customs(CustomField.Of.OPPORTUNITY, table)


def _contact_dimensions() -> dict[str, Dimension]:
    table = "segmentation_contact"
    found = {name: _column(Contact, table, name) for name in ("seniority", "department", "buying_role")}
    found["segment"] = _SEGMENT
    found["first_activity"] = Dimension(
        "first_activity",
        _("first engagement activity"),
        lambda source: _first(source, source.table.entities, "segmentation_contact", "contact_id"),
        per="entity",
    )
    return found | _customs(CustomField.Of.CONTACT, table)


def value_text(dimension: Dimension, value: Any) -> str:
    """A value as people read it."""
    if dimension.key in ("tier", "account.tier") and value in Tier.values:
        return str(Tier(value).label)
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)

"""What a look-alike model may compare: attributes of accounts as they were before they became customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from journey.engine.metrics.table import Bools, StayTable
from journey.facts.dimensions import Dimension, Source, coded, dimensions, static
from segmentation.engine.lookalike import Attribute
from segmentation.engine.steps import FAR_FUTURE, Int64s
from segmentation.facts.accounts import read_changes
from segmentation.models import CustomField

# Known of a company before anybody sells to it. What people write down in the course of a sale is left out, since it
# would tell who became a customer and not who will: tier, relationship, owner, team, products, source, contacts,
# segments and all activity. Custom fields may be either, so they are compared only when somebody chooses them.
USUAL = ("industry", "country", "region", "city", "size", "revenue", "domain_ending", "group")
CHOSEN = ("business_unit",)

_ACCOUNTS = "segmentation_account"
_ENDING = "nullif(lower(substring(r.domain from '[^.]+$')), '')"
_GROUP = (
    "CASE WHEN r.parent_id IS NOT NULL THEN 'subsidiary'"
    f" WHEN EXISTS (SELECT 1 FROM {_ACCOUNTS} c WHERE c.parent_id = r.id) THEN 'parent' ELSE 'alone' END"
)


@dataclass(frozen=True)
class Known:
    """Accounts as a model sees them. reached: when each first became a customer, FAR_FUTURE for never; in_stage:
    whether it is one now."""

    accounts: Int64s
    reached: Int64s
    in_stage: Bools
    attributes: tuple[Attribute, ...]

    @property
    def customer(self) -> Bools:
        return self.reached < FAR_FUTURE


def attribute_dimensions() -> dict[str, Dimension]:
    """Everything a model may compare, the usual attributes first."""
    found = dimensions("account")
    found["domain_ending"] = static("domain_ending", _("ending of the domain"), _ACCOUNTS, _ENDING)
    found["group"] = static("group", _("place in its group of companies"), _ACCOUNTS, _GROUP)
    customs = [f"custom.{field.key}" for field in CustomField.objects.filter(of=CustomField.Of.ACCOUNT)]
    return {key: found[key] for key in (*USUAL, *CHOSEN, *customs)}


def first_reached(table: StayTable, stage: int, instant: int) -> Int64s:
    """int64 per entity: when it first came into a stage (a number in the funnel), FAR_FUTURE when not by `instant`."""
    reached = np.full(len(table.entities), FAR_FUTURE, dtype=np.int64)
    rows = np.flatnonzero((table.stage == stage) & (table.start <= instant))
    np.minimum.at(reached, table.entity[rows], table.start[rows])
    return reached


def read_known(connection: Any, table: StayTable, stage: int, instant: int, keys: Sequence[str]) -> Known:
    """The attributes of all accounts of a history of accounts: of customers as they were just before they became one,
    of all others as they are at `instant`."""
    reached = first_reached(table, stage, instant)
    here = table.at(instant)
    in_stage = np.zeros(len(table.entities), dtype=np.bool_)
    in_stage[table.entity[here[table.stage[here] == stage]]] = True
    moment = np.where(reached < FAR_FUTURE, reached - 1, instant)
    entity = np.arange(len(table.entities), dtype=np.int32)
    offered = attribute_dimensions()
    source = Source(connection, table, read_changes(connection, table.owners, some=False))
    attributes = []
    for key in keys:
        found = coded(offered[key], source)
        code, _assumed = found.at(entity, moment)
        attributes.append(Attribute(key, found.values, code))
    return Known(table.entities, reached, in_stage, tuple(attributes))


def present_values(known: Known, row: int) -> dict[str, Any]:
    """The attributes of one account by key; None for what is not known."""
    return {
        attribute.key: attribute.values[code] if (code := int(attribute.code[row])) >= 0 else None
        for attribute in known.attributes
    }

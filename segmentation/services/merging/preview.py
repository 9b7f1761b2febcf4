"""What a merge would do, before anybody decides: both accounts side by side, the facts that would move, warnings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _t

from segmentation.models import Account, AccountFlag, CustomField, ListMembership
from segmentation.models.choices import HOLDING_STATES
from segmentation.services.merging.fields import CUSTOM, TAKEABLE
from segmentation.services.merging.relations import Leave, SetAside, relations

_NOT_TOLD = ("accountmerge", "duplicatecandidate")


@dataclass(frozen=True)
class FieldPair:
    """A field of two accounts: its name, its label, and the two values as they are shown; empty for none."""

    name: str
    label: str
    first: str
    second: str

    @property
    def is_same(self) -> bool:
        return self.first == self.second


@dataclass
class Preview:
    """Two accounts before they are merged. `facts`: what is counted and how many of it each has."""

    first: Account
    second: Account
    fields: list[FieldPair] = field(default_factory=list)
    lists: list[FieldPair] = field(default_factory=list)
    facts: list[tuple[str, int, int]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        def pairs(rows: list[FieldPair]) -> list[dict[str, Any]]:
            return [{"field": row.name, "label": row.label, "values": [row.first, row.second]} for row in rows]

        return {
            "accounts": [self.first.pk, self.second.pk],
            "compared": pairs(self.fields),
            "lists": pairs(self.lists),
            "facts": [{"what": what, "numbers": [first, second]} for what, first, second in self.facts],
            "warnings": self.warnings,
        }


def merge_preview(first: Account, second: Account) -> Preview:
    """Compare two accounts and say what a merge would move. Whichever survives, the facts are the same."""
    found = Preview(first, second)
    found.fields = [_pair(name, first, second) for name in TAKEABLE]
    labels = dict(CustomField.objects.filter(of=CustomField.Of.ACCOUNT).values_list("key", "label"))
    for key in sorted({*first.custom, *second.custom}):
        values = [str(account.custom.get(key, "")) for account in (first, second)]
        found.fields.append(FieldPair(f"{CUSTOM}{key}", labels.get(key, key), *values))
    found.lists = [_pair(name, first, second) for name in ("other_names", "other_domains", "products")]
    for relation, treatment in relations():
        model: Any = relation.model
        if isinstance(treatment, Leave | SetAside) or model._meta.model_name in _NOT_TOLD:
            continue
        numbers = [
            model._default_manager.filter(**{relation.field.name: account.pk}).count() for account in (first, second)
        ]
        what = _t("subsidiaries") if model is Account else str(model._meta.verbose_name_plural)
        found.facts.append((what, *numbers))
    found.warnings = _warnings(first, second)
    return found


def _pair(name: str, first: Account, second: Account) -> FieldPair:
    field: Any = Account._meta.get_field(name)
    label = str(field.verbose_name)
    return FieldPair(name, label, _shown(name, first), _shown(name, second))


def fields_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of an account that is no more, from its stored row: label and value as they are shown."""
    ghost = Account(**{column.attname: row.get(str(column.column)) for column in Account._meta.concrete_fields})
    names = [*TAKEABLE, "other_names", "other_domains", "products", "source_system", "external_id"]
    pairs = [_pair(name, ghost, ghost) for name in names]
    pairs += [FieldPair(key, key, str(value), "") for key, value in ghost.custom.items()]
    return [(pair.label, pair.first) for pair in pairs if pair.first]


def _shown(name: str, account: Account) -> str:
    try:
        value = getattr(account, name)
    except ObjectDoesNotExist:  # a team or parent that is gone as well
        return ""
    if isinstance(value, list):
        return ", ".join(value)
    if name == "revenue" and value is not None:
        return f"{value:,.2f}".removesuffix(".00") + f" {account.revenue_currency}".rstrip()
    shown = getattr(account, f"get_{name}_display", None)
    return "" if value in (None, "") else str(shown() if shown else value)


def _warnings(first: Account, second: Account) -> list[str]:
    texts = []
    flags = AccountFlag.objects.disqualifying()
    disqualified = dict(flags.filter(account__in=[first, second]).values_list("account", "reason"))
    holding = ListMembership.objects.filter(end_at__isnull=True, state__in=HOLDING_STATES)
    for account, other in ((first, second), (second, first)):
        if account.pk in disqualified and other.pk not in disqualified:
            text = _t("%(account)s is disqualified (%(reason)s): the account that remains will be, too.")
            texts.append(text % {"account": account, "reason": disqualified[account.pk]})
            if holding.filter(account=other).exists():
                texts.append(
                    _t("It will leave every target account list. Take the account back first if it is not so.")
                )
    if first.country and second.country and first.country.casefold() != second.country.casefold():
        texts.append(_t("They are in different countries: they may be two companies of one group."))
    if first.team_id and second.team_id and first.team_id != second.team_id:
        texts.append(_t("They belong to different sales teams: the account goes to the team you choose below."))
    return texts


__all__ = ["FieldPair", "Preview", "fields_of", "merge_preview"]

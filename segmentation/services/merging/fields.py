"""The fields of the survivor: its own, but for those somebody chose to take over; lists hold what both had."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from segmentation.errors import InvalidValueError, closest
from segmentation.models import Account

# What may be taken over from the merged account, as one choice each; custom fields are `custom.<key>`.
TAKEABLE: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "domain": ("domain",),
    "industry": ("industry",),
    "region": ("region",),
    "country": ("country",),
    "city": ("city",),
    "employees": ("employees",),
    "revenue": ("revenue", "revenue_currency"),
    "tier": ("tier",),
    "relationship": ("relationship",),
    "business_unit": ("business_unit",),
    "source": ("source",),
    "owner": ("owner",),
    "team": ("team_id",),
    "parent": ("parent_id",),
}
CUSTOM = "custom."


def takeable(absorbed: Account) -> list[str]:
    """The names of the fields that can be taken over from an account."""
    return [*TAKEABLE, *(f"{CUSTOM}{key}" for key in absorbed.custom)]


def checked_take(take: Iterable[str], absorbed: Account) -> list[str]:
    """Return the fields to take over, each once. Raises InvalidValueError for one that cannot be."""
    known = takeable(absorbed)
    wanted = list(dict.fromkeys(take))
    for name in wanted:
        if name not in known:
            guess = closest(str(name), known)
            raise InvalidValueError(
                _("“%(value)s” is no field that can be taken over."),
                code="unknown_field",
                field="take",
                value=name,
                remedy=_("Did you mean “%(guess)s”?") if guess else _("There are: %(known)s."),
                params={"guess": guess, "known": ", ".join(known)},
            )
    return wanted


def merged_fields(survivor: Account, absorbed: Account, take: Sequence[str]) -> dict[str, Any]:
    """Return the values of the survivor that a merge changes."""
    values: dict[str, Any] = {}
    for name in take:
        for column in TAKEABLE.get(name, ()):
            values[column] = getattr(absorbed, column)
    taken = [name.removeprefix(CUSTOM) for name in take if name.startswith(CUSTOM)]
    if taken:
        values["custom"] = survivor.custom | {key: absorbed.custom[key] for key in taken}
    name, domain = values.get("name", survivor.name), values.get("domain", survivor.domain)
    values["other_names"] = _union(
        [name], [survivor.name, *survivor.other_names, absorbed.name, *absorbed.other_names], survivor.other_names
    )
    values["other_domains"] = _union(
        [domain],
        [survivor.domain, *survivor.other_domains, absorbed.domain, *absorbed.other_domains],
        survivor.other_domains,
    )
    values["products"] = _union([], [*survivor.products, *absorbed.products], survivor.products)
    known = [at for at in (survivor.created_in_source_at, absorbed.created_in_source_at) if at]
    values["created_in_source_at"] = min(known) if known else None
    values["recorded_at"] = min(survivor.recorded_at, absorbed.recorded_at)
    return {column: value for column, value in values.items() if value != getattr(survivor, column)}


def _union(without: Sequence[str], texts: Sequence[str], own: Sequence[str]) -> list[str]:
    """The texts each once, whatever their case, without those that stand elsewhere; the own ones first."""
    seen = {text.casefold() for text in without}
    found = []
    for text in (*own, *texts):
        if text and text.casefold() not in seen:
            seen.add(text.casefold())
            found.append(text)
    return found


__all__ = ["TAKEABLE", "checked_take", "merged_fields", "takeable"]

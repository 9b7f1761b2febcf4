"""What can be imported. Each app adds its own targets in its module `imports`; nothing here imports upward."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Model
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from segmentation.errors import closest
from segmentation.imports.dates import Day
from segmentation.imports.errors import FileFaultError, TargetFaultError
from segmentation.imports.faults import Lookup
from segmentation.imports.fields import Field, Kind, Number, Text, YesNo
from segmentation.imports.mapping import CUSTOM
from segmentation.models import CustomField

if TYPE_CHECKING:
    from segmentation.imports.staging import Run

CUSTOM_KINDS: Mapping[str, Kind] = {
    CustomField.Type.TEXT: Text(limit=2000),
    CustomField.Type.NUMBER: Number(digits=16, places=6, minimum=None),
    CustomField.Type.DATE: Day(),
    CustomField.Type.YES_NO: YesNo(),
}


class Target:
    """One kind of record: its fields, and how staged rows become rows of its table.

    Attributes:
        key: as in commands, mappings and the API.
        model: whose `add` and `change` permissions an import needs.
        custom_of: the custom fields it takes, a value of `CustomField.Of`; empty for none.
        needs_one_of: fields of which a file must have at least one.
    """

    key: ClassVar[str]
    model: ClassVar[type[Model]]
    fields: ClassVar[tuple[Field, ...]]
    custom_of: ClassVar[str] = ""
    needs_one_of: ClassVar[tuple[str, ...]] = ()

    def all_fields(self, declared: Mapping[str, Mapping[str, str]] | None = None) -> list[Field]:
        """Return the fields with the custom ones: those declared by now and those a mapping declares."""
        if not self.custom_of:
            return list(self.fields)
        custom = {key: (spec["label"], spec["type"]) for key, spec in (declared or {}).items()}
        custom |= {field.key: (field.label, field.type) for field in CustomField.objects.filter(of=self.custom_of)}
        return [
            *self.fields,
            *(
                Field(f"{CUSTOM}{key}", label, CUSTOM_KINDS[type_], column="")
                for key, (label, type_) in sorted(custom.items())
            ),
        ]

    def check_columns(self, given: list[str], header: tuple[str, ...]) -> None:
        """Refuse a file that lacks what every row needs.

        Raises:
            FileFaultError: naming the field and the columns there are.
        """
        labels = {field.name: field.label for field in self.fields}
        missing = [field.name for field in self.fields if field.required and field.name not in given]
        if not missing and self.needs_one_of and not set(self.needs_one_of) & set(given):
            missing = list(self.needs_one_of[:1])
        if missing:
            raise FileFaultError(
                _("The file has no column for “%(value)s” (%(label)s)."),
                code="missing_column",
                field=missing[0],
                value=missing[0],
                params={"label": labels[missing[0]], "columns": ", ".join(header)},
                remedy=_("Its columns are: %(columns)s. Name the column in a mapping."),
            )

    def lookups(self, run: "Run") -> dict[str, Lookup]:
        """Return the lookups of the fields of kind `Known`."""
        return {}

    def prepare(self, run: "Run") -> None:
        """Make what the mapping declares, before the first row is read."""
        for key, spec in run.mapping.custom_fields.items() if self.custom_of else ():
            made = CustomField.objects.get_or_create(
                of=self.custom_of, key=key, defaults={"label": spec["label"], "type": spec["type"]}
            )[1]
            if made:
                run.report.created.setdefault("custom_fields", []).append(key)

    def merge(self, run: "Run") -> None:
        """Make records of the staged rows and count what became of them."""
        raise NotImplementedError


_targets: dict[str, Target] = {}
_found: list[bool] = []
_order = ("accounts", "contacts", "activities", "opportunities", "opportunity-changes", "intent-signals")


def register(target: type[Target]) -> type[Target]:
    """Class decorator: make a target known by its key."""
    _targets[target.key] = target()
    return target


def targets() -> dict[str, Target]:
    """Return all targets by key, in the order in which files are best imported."""
    if not _found:
        from segmentation.imports import accounts, contacts, list_members  # noqa: F401 - they register themselves

        autodiscover_modules("imports")
        _found.append(True)
    return {
        key: _targets[key]
        for key in sorted(_targets, key=lambda key: (_order.index(key) if key in _order else 99, key))
    }


def get_target(key: str) -> Target:
    """Return the target of that key.

    Raises:
        TargetFaultError: there is none.
    """
    known = targets()
    if key in known:
        return known[key]
    params: dict[str, Any] = {"known": ", ".join(known), "guess": closest(key, known)}
    raise TargetFaultError(
        _("“%(value)s” is nothing that can be imported."),
        field="target",
        value=key,
        params=params,
        remedy=_("Did you mean “%(guess)s”?") if params["guess"] else _("Use one of %(known)s."),
    )

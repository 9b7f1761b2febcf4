"""The parameters by which every engagement criterion may be limited, and their words."""

from collections.abc import Callable, Mapping
from typing import Any

from scoring.engine.activities import Restriction
from segmentation.engine.params import Choice, Param, Several, remembered
from segmentation.engine.text import _, gettext_noop

_lists: dict[str, Callable[[], Mapping[str, str]]] = {}


def use_lists(**lists: Callable[[], Mapping[str, str]]) -> None:
    """Tell what exists, as key: label.

    lists: sides, types, categories, seniorities (lowest first), departments, buying_roles, outcomes.
    """
    _lists.update(lists)


def known(name: str) -> Mapping[str, str]:
    """One of the lists, empty until told."""
    found: Mapping[str, str] = remembered(_lists[name]) if name in _lists else {}
    return found


RESTRICTIONS: tuple[Param, ...] = (
    Several(name="sides", label=gettext_noop("only activities of"), choices=lambda: known("sides")),
    Several(name="types", label=gettext_noop("only the types"), choices=lambda: known("types")),
    Several(name="categories", label=gettext_noop("only the categories"), choices=lambda: known("categories")),
    Choice(name="min_seniority", label=gettext_noop("by people at least"), choices=lambda: known("seniorities")),
    Several(name="departments", label=gettext_noop("by people in"), choices=lambda: known("departments")),
    Several(name="buying_roles", label=gettext_noop("by people who are"), choices=lambda: known("buying_roles")),
)


def restriction_of(values: Mapping[str, Any], **more: Any) -> Restriction:
    """The restriction a criterion's parameters describe."""
    names = {param.name for param in RESTRICTIONS}
    return Restriction(**{name: value for name, value in values.items() if name in names}, **more)


def restriction_words(values: Mapping[str, Any]) -> str:
    """The restriction in words, beginning with a comma; empty when there is none."""
    words = []
    for name, sentence in (
        ("sides", _("%(list)s activities only")),
        ("types", _("only %(list)s")),
        ("categories", _("only %(list)s")),
        ("departments", _("by people in %(list)s")),
        ("buying_roles", _("by people who are %(list)s")),
    ):
        if values.get(name):
            labels = known(name)
            words.append(sentence % {"list": ", ".join(str(labels.get(key, key)) for key in values[name])})
    if values.get("min_seniority"):
        label = known("seniorities").get(values["min_seniority"], values["min_seniority"])
        words.append(_("by people of at least this rank: %(rank)s") % {"rank": label})
    return "".join(f", {word}" for word in words)


def window_words(days: int | None) -> str:
    """“ within 90 days”, or “ ever”."""
    return " " + (_("within %(days)s days") % {"days": days} if days else _("ever"))


def duration(seconds: float) -> str:
    """A duration for people: minutes, with seconds where they matter."""
    whole, rest = divmod(int(seconds), 60)
    return (
        _("%(minutes)s min %(seconds)s s") % {"minutes": whole, "seconds": rest}
        if rest
        else _("%(minutes)s min") % {"minutes": whole}
    )

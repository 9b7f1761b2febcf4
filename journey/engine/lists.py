"""What exists in this installation, told at start-up: CRM stages, journeys and their stages."""

from collections.abc import Callable, Mapping

from segmentation.engine.text import gettext_noop

GROUP_LABELS = {
    "identified": gettext_noop("identified"),
    "active": gettext_noop("active"),
    "intent": gettext_noop("intent"),
}

_lists: dict[str, Callable[[], Mapping[str, str]]] = {}


def use_lists(**lists: Callable[[], Mapping[str, str]]) -> None:
    """Tell what exists (key: label): crm_stages, journeys, journey_stages (`journey/stage`)."""
    _lists.update(lists)


def known(name: str) -> Mapping[str, str]:
    """One of the lists, empty until told."""
    return _lists[name]() if name in _lists else {}

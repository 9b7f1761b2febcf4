"""Look-alike models: what they learn from, and what came of it in words."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from journey.errors import JourneyError
from journey.facts.attributes import USUAL, Known, attribute_dimensions, read_known
from journey.facts.dimensions import value_text
from journey.facts.stays import funnel_of, funnel_order, read_stays
from journey.models import Journey, JourneyVersion, LookalikeModel, Stage, SuggestionSource
from journey.selectors.explanations import instant_of
from journey.selectors.histories import current_history
from journey.selectors.versions import published_versions, shown_version
from segmentation.engine.lookalike import LibraryMissingError
from segmentation.errors import ConflictError, InvalidValueError, ProblemError, closest
from segmentation.services.snapshots import one_snapshot

SHOWN_EFFECTS = 3  # attributes named for and against an account
CLEAR = 1.1  # by so much an attribute must move the odds to be named


def journey_of(source: SuggestionSource) -> Journey:
    """The journey that says who is a customer. Raises JourneyError when there is none of accounts."""
    if source.journey is not None:
        return source.journey
    for version in published_versions():
        if version.journey.unit == Journey.Unit.ACCOUNT:
            return version.journey
    raise JourneyError(
        _("No journey of accounts is published, so nobody is known to be a customer."),
        code="no_journey",
        field="journey",
        remedy=_("Publish one, then look for suggestions again."),
    )


def customer_stage(source: SuggestionSource) -> tuple[JourneyVersion, Stage]:
    """The version whose history is read, and its stage of customers. Raises JourneyError."""
    journey = journey_of(source)
    if journey.unit != Journey.Unit.ACCOUNT:
        raise JourneyError(
            _("The journey “%(value)s” is not one of accounts, so its stages say nothing of an account."),
            code="wrong_unit",
            field="journey",
            value=journey.key,
            remedy=_("Choose a journey of accounts."),
        )
    version = shown_version(journey)
    if version is None:
        raise JourneyError(
            _("The journey “%(value)s” has no history yet."),
            code="no_history",
            field="journey",
            value=journey.key,
            remedy=_("Publish it and run manage.py replay, or wait for the next replay."),
        )
    stages = {stage.key: stage for stage in Stage.objects.filter(version=version).order_by("precedence")}
    if source.stage not in stages:
        close = closest(source.stage, stages)
        raise JourneyError(
            _("The journey “%(journey)s” has no stage “%(value)s”."),
            code="unknown_stage",
            field="stage",
            value=source.stage,
            remedy=_("Did you mean “%(close)s”?") if close else _("There are: %(known)s."),
            params={"journey": journey.key, "close": close, "known": ", ".join(stages)},
        )
    return version, stages[source.stage]


def compared_attributes(source: SuggestionSource) -> list[str]:
    """Keys of the attributes a source compares; those that do not exist any more are left out."""
    offered = attribute_dimensions()
    return [key for key in (source.attributes or USUAL) if key in offered]


def check_attributes(keys: Iterable[str]) -> None:
    """Raise InvalidValueError for an attribute a model may not compare."""
    offered = attribute_dimensions()
    for key in keys:
        if key not in offered:
            raise InvalidValueError(
                _("“%(value)s” is no attribute a model may compare."),
                code="unknown_attribute",
                field="attributes",
                value=key,
                remedy=_("There are: %(known)s. What is written down in the course of a sale would tell the result."),
                params={"known": ", ".join(offered)},
            )


def known_accounts(source: SuggestionSource, at: dt.datetime) -> tuple[JourneyVersion, Known]:
    """The accounts of the history with their attributes. Raises JourneyError when there is no history to learn from."""
    version, stage = customer_stage(source)
    with one_snapshot() as connection:
        history = current_history(version)
        assert history is not None  # noqa: S101 - a shown version has one
        stages = funnel_order(list(Stage.objects.filter(version=version)))
        table = read_stays(connection, history.pk, stages)
        number = funnel_of(stages).number(stage.key)
        return version, read_known(connection, table, number, instant_of(at), compared_attributes(source))


# --- In words --------------------------------------------------------------------------------------------------------


def learning_problem(code: str, numbers: Mapping[str, Any]) -> ProblemError:
    """Why no model could be made, from the engine's code and figures."""
    text, remedy, value = {
        "too_few_customers": (
            _("Only %(customers)s accounts have become customers; a model needs %(needed)s to learn from."),
            _(
                "Import %(missing)s more of your customers with their won deals, or let the source learn from an"
                " earlier stage of the journey."
            ),
            numbers.get("customers"),
        ),
        "too_few_others": (
            _("Only %(others)s accounts are no customers; a model needs %(needed)s to compare with."),
            _("Import the accounts you might sell to."),
            numbers.get("others"),
        ),
        "nothing_known": (
            _("Nothing is known by which the accounts differ: %(attributes)s."),
            _("Fill in these fields, or let the source compare others."),
            "",
        ),
        "no_better_than_chance": (
            _(
                "A model of %(customers)s customers does no better than chance with customers it had not seen"
                " (AUC %(auc)s, 95 %% interval %(low)s to %(high)s)."
            ),
            _("Fill in more fields of the accounts, or let the source compare others."),
            numbers.get("auc"),
        ),
    }[code]
    params = dict(numbers)
    if "attributes" in params:
        params["attributes"] = ", ".join(attribute_names(params["attributes"]).values())
    return ConflictError(text, code=code, field="customers", value=value, remedy=remedy, params=params)


def problem_text(problem: Mapping[str, Any]) -> str:
    """Why a source found nothing the last time, from what was stored; empty when it did."""
    if not problem:
        return ""
    if "text" in problem:
        return str(problem["text"])
    if problem["code"] == "library_missing":
        return str(LibraryMissingError())
    return str(learning_problem(problem["code"], problem["numbers"]))


def attribute_names(keys: Iterable[str]) -> dict[str, str]:
    """Attributes as people call them, by key; one that is gone by its key."""
    offered = attribute_dimensions()
    return {key: str(offered[key].label) if key in offered else key for key in keys}


_GROUPS = {"subsidiary": _("has a parent company"), "parent": _("has subsidiaries"), "alone": _("stands alone")}


def value_names(key: str, value: Any) -> str:
    """The value of an attribute as people read it; None is a rare one."""
    if value is None:
        return _t("a rare value")
    if key == "group":
        return str(_GROUPS.get(value, value))
    if key == "domain_ending":
        return f".{value}"
    offered = attribute_dimensions() if key.startswith("custom.") else {}
    return value_text(offered[key], value) if key in offered else str(value)


def effects_in_words(effects: Iterable[list[Any]], names: Mapping[str, str]) -> dict[str, list[str]]:
    """What speaks for and against an account, the clearest first: “industry: Software (× 2.1)”."""
    rows = [(key, value, float(factor)) for key, value, factor in effects]

    def text(row: tuple[str, Any, float]) -> str:
        return _t("%(attribute)s: %(value)s (× %(factor)s)") % {
            "attribute": names.get(row[0], row[0]),
            "value": value_names(row[0], row[1]),
            "factor": f"{row[2]:.1f}" if row[2] >= CLEAR else f"{row[2]:.2f}",
        }

    better = sorted((row for row in rows if row[2] >= CLEAR), key=lambda row: -row[2])
    worse = sorted((row for row in rows if row[2] <= 1 / CLEAR), key=lambda row: row[2])
    return {
        "for": [text(row) for row in better[:SHOWN_EFFECTS]],
        "against": [text(row) for row in worse[:SHOWN_EFFECTS]],
    }


def newest_model(source: SuggestionSource) -> LookalikeModel | None:
    """The model a source used last."""
    return LookalikeModel.objects.filter(source=source).order_by("-number").first()


def model_document(model: LookalikeModel) -> dict[str, Any]:
    """A model with its evaluation, for JSON."""
    return {
        "source": model.source.key,
        "version": model.number,
        "made_at": model.made_at.isoformat(),
        "checked_at": model.checked_at.isoformat(),
        "accounts": model.accounts,
        "customers": model.customers,
        "parameters": model.parameters,
        "evaluation": model.evaluation,
    }


def evaluation_in_words(evaluation: Mapping[str, Any]) -> str:
    """How good a model is, in a sentence."""
    return _t(
        "Of customers it had not seen it puts %(lift)s times as many into the first tenth as there are among all"
        " accounts; AUC %(auc)s (95 %% interval %(low)s to %(high)s)."
    ) % {name: evaluation[name] for name in ("lift", "auc", "low", "high")}


def rows_of_accounts(known: Known, ids: Any) -> Any:
    """Which rows are of accounts among these primary keys."""
    return np.isin(known.accounts, np.array(sorted(ids), dtype=np.int64))

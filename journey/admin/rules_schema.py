"""What the rule editor's page needs to know: the kinds of criteria as forms, and its words."""

from typing import Any

from django.apps import apps
from django.utils.translation import gettext as _

from journey.engine.lists import known as journey_list
from journey.models import Journey
from scoring.engine.restrictions import known as scoring_list
from segmentation.engine.criteria import Criterion, kinds
from segmentation.engine.params import Choice, Number, Param, one_look, remembered
from segmentation.facts.accounts import account_fields

# Per cent of the engaged time that counts: the time of those who decide is worth more.
PRESET_WEIGHTS = {"c_level": 200, "vp": 150, "director": 125, "manager": 100, "other": 50}
# Inputs that only narrow a criterion down: shown when they hold something or are asked for.
NARROWING = ("number", "choice", "choices")


def translated(text: Any) -> str:
    """A text marked for translation, in the language of the moment."""
    return _(str(text)) if str(text) else ""


class _Lists:
    """Choices each once: many kinds share the same long list."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.options: dict[str, list[list[str]]] = {}

    def name(self, param: Choice) -> str:
        key = id(param.choices)
        if key not in self.names:
            self.names[key] = str(len(self.names))
            self.options[self.names[key]] = [[value, translated(label)] for value, label in param.options().items()]
        return self.names[key]


def editor_schema(journey: Journey | None = None) -> dict[str, Any]:
    """The kinds of criteria with their parameters, as JSON for the editor of a journey, whose stages are left out."""
    lists = _Lists()
    with one_look():
        described = [_kind(kind, lists) for kind in kinds().values()]
    order = {"scoring": 0, "journey": 1, "segmentation": 2}
    described.sort(key=lambda kind: (order.get(kind["app"], 3), kind["group"], kind["label"]))
    stages: dict[str, list[list[str]]] = {}
    for key, name in journey_list("journey_stages").items():
        of, _slash, stage = key.partition("/")
        if journey is None or of != journey.key:
            stages.setdefault(of, []).append([stage, translated(name)])
    return {
        "kinds": {kind.pop("kind"): kind for kind in described},
        "lists": lists.options,
        "fields": {
            key: {"label": str(field.label)[:1].upper() + str(field.label)[1:], "type": field.type}
            for key, field in remembered(account_fields).items()
        },
        "stages": stages,
        "seniorities": [
            [value, translated(label)] for value, label in reversed(list(scoring_list("seniorities").items()))
        ],
        "preset_weights": PRESET_WEIGHTS,
    }


def _kind(kind: type[Criterion], lists: _Lists) -> dict[str, Any]:
    config = apps.get_containing_app_config(kind.__module__)
    app = config.label if config else ""
    return {
        "kind": kind.kind,
        "app": app,
        "group": str(config.verbose_name) if config else "",
        "label": translated(kind.label),
        "help": translated(kind.help),
        "scope": kind.is_scope,
        "params": [_param(param, lists) for param in kind.params],
    }


def _param(param: Param, lists: _Lists) -> dict[str, Any]:
    default = list(param.default) if isinstance(param.default, tuple) else param.default
    described = {
        "name": param.name,
        "label": translated(param.label),
        "help": translated(param.help),
        "input": param.input,
        "required": param.required,
        "clearable": param.clearable,
        "default": default,
        "narrows": not param.required and default in (None, []) and param.input in NARROWING,
    }
    if isinstance(param, Choice):
        described["list"] = lists.name(param)
    if isinstance(param, Number):
        described |= {"min": param.minimum, "max": param.maximum, "whole": param.whole}
    return described


def unit_words(unit: str) -> dict[str, str]:
    """What moves through a journey, as the pages call it."""
    return {
        Journey.Unit.ACCOUNT: {"many": _("accounts"), "all": _("all accounts"), "for": _("For which accounts")},
        Journey.Unit.CONTACT: {"many": _("contacts"), "all": _("all contacts"), "for": _("For which contacts")},
        Journey.Unit.OPPORTUNITY: {
            "many": _("opportunities"),
            "all": _("all opportunities"),
            "for": _("For which opportunities"),
        },
    }[Journey.Unit(unit)]


def shared_words(unit: str) -> dict[str, str]:
    """The texts of rules, counts and saving, which every editor shows. Places are %(name)s."""
    entity = unit_words(unit)
    return {
        "accounts": entity["many"],
        "all_accounts": entity["all"],
        "for_which": entity["for"],
        "key": _("Key"),
        "copy_of": _("%(name)s (copy)"),
        "up": _("Move up"),
        "down": _("Move down"),
        "drag": _("Drag, or press the arrow keys, to move"),
        "open": _("Show the rules"),
        "close": _("Hide the rules"),
        "open_all": _("Open all"),
        "close_all": _("Close all"),
        "rule": _("Rule %(number)s"),
        "rule_name": _("Name, if you like"),
        "remove_rule": _("Remove this rule"),
        "remove_rule_ask": _("Remove this rule with its criteria?"),
        "duplicate_rule": _("Copy this rule"),
        "must_hold": _("Must hold"),
        "all_of": _("all of these"),
        "any_of": _("at least one of these"),
        "at_least": _("at least so many of these"),
        "at_least_k": _("at least %(k)s of these"),
        "of_n": _("of %(n)s"),
        "only_for": _("only for"),
        "add_condition": _("Add a condition"),
        "add_criterion": _("Add a criterion"),
        "choose_kind": _("Choose what must hold …"),
        "not": _("not"),
        "not_help": _("Must not hold. What is unknown stays unknown."),
        "duplicate": _("Copy"),
        "remove": _("Remove"),
        "narrow": _("Narrow down …"),
        "unnarrow": _("No longer: %(limit)s"),
        "no_limit": _("no limit"),
        "any": _("any"),
        "choose": _("Choose …"),
        "nothing_to_choose": _("There is nothing to choose yet."),
        "search": _("Search"),
        "yes": _("Yes"),
        "no": _("No"),
        "several_values": _("Separate several values with commas."),
        "is_known": _("no value is needed"),
        "gone": _("%(value)s (does not exist any more)"),
        "matching": _("%(n)s match"),
        "unknown": _("%(n)s unknown"),
        "unknown_help": _("A field they need is empty, so the rule says neither yes nor no."),
        "in_scope": _("of %(n)s"),
        "published_is": _("published %(n)s"),
        "counting": _("Counting …"),
        "counted": _("%(n)s %(accounts)s counted in %(seconds)s s"),
        "no_accounts": _("There is nothing to count yet: no data has been imported."),
        "counts_wait": _("The counts wait until the problems are solved."),
        "counts_failed": _("The counts could not be made: %(reason)s"),
        "unsaved": _("Not saved yet"),
        "saved": _("Saved"),
        "all_saved": _("All changes are saved"),
        "saving": _("Saving …"),
        "problems_one": _("One thing is not right yet:"),
        "problems": _("%(n)s things are not right yet:"),
        "not_saved": _("It was not saved:"),
        "problem_link": _("one thing is not right yet"),
        "problems_link": _("%(n)s things are not right yet"),
        "signed_out": _("You have been signed out. Sign in again in another tab, then save: nothing here is lost."),
        "server_failed": _("The server answered with an error (%(status)s). Nothing here is lost; try again."),
        "offline": _("The server cannot be reached. Nothing here is lost; try again."),
    }


def editor_words(unit: str) -> dict[str, str]:
    """Every text the editor of a journey shows. Places are %(name)s."""
    return {
        **shared_words(unit),
        "stage_name": _("Name of the stage"),
        "new_stage": _("New stage"),
        "key_help": _("Commands and the API use it."),
        "colour": _("Colour"),
        "description": _("Description"),
        "min_stay": _("Minimum stay in days"),
        "min_stay_help": _("Keeps it from falling back sooner. Advancing is never delayed."),
        "in_funnel": _("In the funnel"),
        "parking": _("Outside: a parking stage"),
        "parking_short": _("parking stage"),
        "place_first": _("First"),
        "place_after": _("After %(stage)s"),
        "place": _("place %(place)s in the funnel"),
        "stays_at_least": _("stays at least %(days)s days"),
        "add_stage": _("Add a stage here"),
        "add_first_stage": _("Add the first stages"),
        "no_stages": _("This draft has no stages yet."),
        "nothing_set": _("This version has no stages."),
        "split": _("Split: copy this stage with its rules"),
        "remove_stage": _("Remove this stage"),
        "remove_stage_ask": _("Remove the stage “%(name)s” with its rules?"),
        "floor": _("Where everything is that no stage above applies to. It has no rule and stays at the bottom."),
        "no_engagement": _("No engagement"),
        "engaged": _("Engaged"),
        "to_enter": _("To enter"),
        "to_stay": _("To stay"),
        "to_stay_help": _("Easier rules: what came in stays while one of them holds, so that it does not come and go."),
        "first_rule_decides": _("Of several rules the first one that is meant for an account decides."),
        "add_rule": _("Add a rule"),
        "add_stay_rule": _("Add an easier rule to stay"),
        "now": _("now"),
        "gained_lost": _("%(gained)s come in, %(lost)s leave"),
        "none_published": _("No version has a history yet, so there is nothing to compare with."),
        "outside_funnel": _("outside the funnel"),
        "weights": _("Weight of engagement by rank"),
        "weights_help": _("Per cent of the engaged time that counts for people of a rank. Empty: 100."),
        "use_preset": _("Use the preset"),
        "clear_weights": _("100 % for everybody"),
        "rank": _("Rank"),
        "per_cent": _("Per cent"),
        "forbidden": _("You may not change this journey."),
        "gone_version": _("This draft does not exist any more: somebody has discarded it."),
    }

"""Drafting and publishing versions of journeys: the only code that writes them."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from journey.documents import write_stages
from journey.errors import JourneyError
from journey.models import Criterion, EntryRule, Journey, JourneyVersion, Stage
from journey.selectors.versions import published_version, version_document, version_rules
from journey.services.replay import loop_error, request_replay
from segmentation.engine.documents import journey_problems
from segmentation.engine.rules import JourneyRules, StageRules, Term, parse_journey
from segmentation.errors import ProblemError
from segmentation.selectors.dependencies import all_rules, loop_of
from segmentation.services.keys import refuse_new_key
from segmentation.services.users import Actor, author
from segmentation.services.versions import locked_version


@transaction.atomic
def create_draft(*, journey: Journey, user: Actor = None, based_on: JourneyVersion | None = None) -> JourneyVersion:
    """A draft that begins as a copy of `based_on` (default: the published version).

    Raises JourneyError if there is one already.
    """
    Journey.objects.select_for_update().get(pk=journey.pk)
    draft = journey.versions.filter(state=JourneyVersion.State.DRAFT).first()
    if draft:
        raise JourneyError(
            _("The journey “%(value)s” has a draft already: version %(number)s."),
            code="draft_exists",
            field="journey",
            value=journey.key,
            remedy=_("Go on with it, or discard it first."),
            params={"number": draft.number},
        )
    source = based_on or published_version(journey)
    number = (journey.versions.aggregate(most=Max("number"))["most"] or 0) + 1
    version = JourneyVersion.objects.create(
        journey=journey,
        number=number,
        created_by=author(user),
        seniority_weights=source.seniority_weights if source else {},
    )
    if source:
        write_stages(version, version_document(source), Stage, EntryRule, Criterion)
    return version


@transaction.atomic
def create_journey(
    *, key: str, name: str, document: Mapping[str, Any], description: str = "", user: Actor = None
) -> JourneyVersion:
    """A new journey with a draft made of a document.

    Raises InvalidValueError or ConflictError for the key, JourneyError or RuleError for the document; nothing is stored
    then.
    """
    refuse_new_key(Journey, key)
    problems = journey_problems(document)
    if problems:
        raise problems[0]
    journey = Journey.objects.create(
        key=key, name=name or key, description=description, unit=document.get("unit", Journey.Unit.ACCOUNT)
    )
    version = JourneyVersion.objects.create(journey=journey, number=1, created_by=author(user))
    save_draft(version=version, document=document)
    return version


def _draft_only(version: JourneyVersion) -> None:
    if not version.is_draft:
        raise JourneyError(
            _("%(value)s is published and never changes."),
            code="published",
            field="version",
            value=str(version),
            remedy=_("Make a draft of it and change that."),
        )


@transaction.atomic
def save_draft(*, version: JourneyVersion, document: Mapping[str, Any], note: str | None = None) -> JourneyVersion:
    """Replace the stages and rules of a draft by a document (see `version_document`).

    Raises RuleError naming the path of what is wrong, or JourneyError for a published version or rules that need
    themselves, ConflictError for a draft that was discarded meanwhile; nothing is stored then.
    """
    version = locked_version(version, "journey")
    _draft_only(version)
    rules = check_document(version, document)
    version.stages.all().delete()
    write_stages(version, document, Stage, EntryRule, Criterion)
    version.seniority_weights = dict(rules.seniority_weights or {})
    if note is not None:
        version.note = note
    version.save(update_fields=["seniority_weights", "note"])
    return version


def check_document(version: JourneyVersion, document: Mapping[str, Any]) -> JourneyRules:
    """The rules of a document for a version; raises the first of `document_problems`. Stores nothing."""
    problems = document_problems(version, document)
    if problems:
        raise problems[0]
    return parse_journey({**document, "unit": version.journey.unit})


def document_problems(version: JourneyVersion, document: Any) -> list[ProblemError]:
    """Everything that keeps a document from being the rules of a version, each with its path. Stores nothing.

    Rules that need themselves are reported at the criteria that close the loop.
    """
    if isinstance(document, Mapping):
        document = {**document, "unit": version.journey.unit}
    problems: list[ProblemError] = [*journey_problems(document)]
    if problems:
        return problems
    name = f"journey:{version.journey.key}"
    # What this journey has published is about to be replaced: broken or not, it has no say.
    others = [other for other in all_rules() if other.name != name]
    rules = parse_journey(document)
    for stage in rules.stages:
        for where, term in _terms(stage):
            for other in term.criterion.depends_on():
                loop = loop_of(name, [other], others)
                if loop:
                    problems.append(loop_error(loop, f"stages.{stage.key}.{where}"))
    return problems


def _terms(stage: StageRules) -> Iterator[tuple[str, Term]]:
    """Every criterion of a stage with its place in the stage's document."""
    for purpose, rules in (("enter", stage.enter), ("stay", stage.stay)):
        for i, rule in enumerate(rules):
            for part, terms in (("scope", rule.scope), ("criteria", rule.terms)):
                for k, term in enumerate(terms):
                    yield f"{purpose}.{i}.{part}.{k}", term


@transaction.atomic
def publish_version(*, version: JourneyVersion, user: Actor = None) -> JourneyVersion:
    """Publish a draft: it never changes again, gets its own history, and is the one everybody sees once that is built.

    Raises RuleError or JourneyError when its rules cannot be used, ConflictError when it was discarded meanwhile.
    """
    version = locked_version(version, "journey")
    _draft_only(version)
    check_document(version, version_document(version))
    version_rules(version)
    version.state = JourneyVersion.State.PUBLISHED
    version.published_at = timezone.now()
    version.published_by = author(user)
    version.save(update_fields=["state", "published_at", "published_by"])
    request_replay(user=user, journey=version.journey)
    return version


@transaction.atomic
def discard_draft(*, version: JourneyVersion) -> None:
    """Remove a draft. Raises JourneyError for a published version, which is kept, and ConflictError for one gone."""
    found = locked_version(version, "journey")
    _draft_only(found)
    found.delete()

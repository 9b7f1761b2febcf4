"""Segments: the only code that writes them. Who is a member is worked out by `journey.services.memberships`."""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from segmentation.engine.documents import rule_problems
from segmentation.engine.memberships import PARTS, segment_name
from segmentation.errors import ConflictError, InvalidValueError, ProblemError, closest
from segmentation.models import Job, Segment, SegmentMembership, SegmentReview, SegmentVersion
from segmentation.selectors.dependencies import loop_of, rules_that_read
from segmentation.selectors.segments import find_segment, rules_of, version_in_force
from segmentation.services.columns import checked_note
from segmentation.services.jobs import request_job
from segmentation.services.keys import new_key_problem
from segmentation.services.users import Actor, author

_LOCK = 73_002
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
DETAILS = ("name", "description", "color", "purpose", "order", "active", "review_days")

# The questions of the health checklist, by key; all are healthy when answered yes.
QUESTIONS: dict[str, Any] = {
    "distinct": _("Does the segment differ from the others in a way that matters to what you offer?"),
    "large_enough": _("Is it large enough to be worth campaigns of its own?"),
    "covering": _("Does every target account clearly belong to one of your segments?"),
    "resources": _("Do you have the people and the budget to reach all its accounts?"),
    "best_chance": _("Is it among your best chances?"),
    "different_offer": _("Does your offer stand out from what competitors offer these accounts?"),
    "profitable": _("Can you serve it at a profit?"),
    "growing": _("Is there growth in it?"),
    "can_expand": _("Could it be widened later, by industry, by kind of company or inside its accounts?"),
    "research": _("Do you go on researching its pains and challenges? Yes is the healthy answer here, too."),
    "needs_known": _("Are the goals, needs and motives of its buyers known, and how you help?"),
    "proven": _("Is there proof that the product suits it: do you have customers in it?"),
    "sales_agree": _("Has sales leadership gone through it and agreed that it is worth the effort?"),
    "revised": _("Is there a process to revise the segment regularly?"),
}


def _one_writer() -> None:
    """One change of segments at a time, so that two of them cannot make a loop, or use what is being deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_LOCK])


def clean_document(document: Any) -> Any:
    """The parts that have criteria, without what the database knows them by; other things as they are."""
    if not isinstance(document, Mapping):
        return document
    return {
        part: {name: value for name, value in rule.items() if name != "ref"} if isinstance(rule, Mapping) else rule
        for part, rule in document.items()
        if rule and not (isinstance(rule, Mapping) and not rule.get("criteria") and not rule.get("scope"))
    }


def segment_problems(key: str, parent: str, document: Any) -> list[ProblemError]:
    """Everything that keeps a document of parts from being the rules of a segment, each with its path.

    key: of the segment, empty for a new one.
    """
    document = clean_document(document)
    if not isinstance(document, Mapping):
        return [
            InvalidValueError(
                _("The rules are not an object."),
                code="wrong_type",
                field="rules",
                value=document,
                remedy=_("Give {“base”: …, “fit”: …, “trigger”: …}, each a rule or nothing."),
            )
        ]
    problems: list[ProblemError] = []
    for part, rule in document.items():
        if part not in PARTS:
            problems.append(
                InvalidValueError(
                    _("A segment has no part “%(value)s”."),
                    code="unknown_part",
                    field="rules",
                    value=part,
                    remedy=_("There are: %(known)s."),
                    params={"known": ", ".join(PARTS)},
                )
            )
            continue
        problems += rule_problems(rule, part)
        if isinstance(rule, Mapping) and rule.get("scope"):
            problems.append(
                InvalidValueError(
                    _("Rules of a segment have no scope: a segment is meant for all accounts."),
                    code="no_scope",
                    field=f"{part}.scope",
                    remedy=_("Put these conditions among the criteria."),
                )
            )
    if not document:
        problems.append(
            InvalidValueError(
                _("The segment has no criterion, so it would hold every account or none."),
                code="empty_rule",
                field="base",
                remedy=_("Add a criterion to one of its parts."),
            )
        )
    if parent and not Segment.objects.filter(key=parent).exists():
        known = list(Segment.objects.values_list("key", flat=True))
        problems.append(
            InvalidValueError(
                _("There is no segment “%(value)s” it could be part of."),
                code="unknown_segment",
                field="parent",
                value=parent,
                remedy=_("There are: %(known)s."),
                params={"known": closest(parent, known) or ", ".join(known[:25]) or "–"},
            )
        )
    if problems or not key:
        return problems
    return [*_loops(key, parent, document)]


def _loops(key: str, parent: str, document: Any) -> list[ProblemError]:
    """Where the segment would need itself."""
    rules = rules_of(key, parent, document)
    name = segment_name(key)
    found: list[ProblemError] = []
    if parent and (loop := loop_of(name, [segment_name(parent)])):
        found.append(_loop_error(loop, "parent"))
    for part, rule in rules.parts.items():
        for i, term in enumerate(rule.terms):
            for other in term.criterion.depends_on():
                loop = loop_of(name, [other])
                found += [_loop_error(loop, f"{part}.criteria.{i}")] if loop else []
    return found


def _loop_error(loop: list[str], field: str) -> ProblemError:
    return InvalidValueError(
        _("The segment would contain itself: %(path)s."),
        code="rule_loop",
        field=field,
        value=" → ".join(loop),
        remedy=_("Choose another segment, or take out one of the criteria along this path."),
        params={"path": " → ".join(loop)},
    )


def key_problems(key: Any) -> list[ProblemError]:
    """What keeps a key from being that of a new segment."""
    problem = new_key_problem(Segment, key)
    return [problem] if problem else []


@transaction.atomic
def create_segment(
    *,
    key: str,
    name: str,
    rules: Any,
    parent: str = "",
    user: Actor = None,
    note: str = "",
    build: bool = True,
    **details: Any,
) -> SegmentVersion:
    """A new segment with its first version, in force at once.

    Args:
        key: up to 60 small letters, digits and hyphens; never changes, since rules name it.
        rules: the parts, see `SegmentVersion`.
        parent: key of the segment it is part of.
        build: ask for its memberships in the background.
        details: description, color, order, active, review_days.

    Raises:
        ConflictError: the key is taken.
        ProblemError: the key or the rules cannot be used; nothing is stored then.
    """
    _one_writer()
    _refuse(key_problems(key))
    _refuse(detail_problems({"name": name or key, **details}))
    _refuse(segment_problems("", parent, rules))
    segment = Segment.objects.create(key=key, name=name or key, created_by=author(user), **details)
    return _add_version(segment, parent, rules, note, user, build)


@transaction.atomic
def save_rules(
    *,
    segment: Segment,
    rules: Any,
    parent: str = "",
    note: str = "",
    user: Actor = None,
    expected: int | None = None,
    build: bool = True,
) -> SegmentVersion:
    """Put new rules, or another place in the tree, in force as a new version. The same again changes nothing.

    expected: number of the version the change was made from; refused when somebody else saved meanwhile.

    Raises:
        ConflictError: changed meanwhile.
        ProblemError: the rules cannot be used, or the segment would contain itself; nothing is stored then.
    """
    _one_writer()
    present = version_in_force(segment)
    if expected is not None and expected != present.number:
        raise ConflictError(
            _("Somebody else has saved this segment since you opened it: version %(value)s is in force."),
            code="changed_meanwhile",
            field="version",
            value=present.number,
            remedy=_("Save again to put yours in the place of theirs, or reload the page to see theirs."),
        )
    _refuse(segment_problems(segment.key, parent, rules))
    if clean_document(rules) == present.rules and parent == present.parent:
        return present
    return _add_version(segment, parent, rules, note, user, build)


def detail_problems(details: Mapping[str, Any]) -> list[ProblemError]:
    """Everything that keeps name, description, colour, order, active and review_days from being stored."""
    problems: list[ProblemError] = []
    for name, value in details.items():
        if name not in DETAILS:
            problems.append(
                InvalidValueError(
                    _("A segment has no “%(field)s”."),
                    code="unknown_key",
                    field=name,
                    value=value,
                    remedy=_("There are: %(known)s."),
                    params={"known": ", ".join(DETAILS)},
                )
            )
            continue
        try:
            field = Segment._meta.get_field(name)
            if name == "active" and not isinstance(value, bool):
                raise ValidationError(_("Use true or false."))
            if name in ("order", "review_days") and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValidationError(_("Enter a whole number."))
            if name == "color" and not _COLOUR.fullmatch(str(value)):
                raise ValidationError(_("Write it like #16a34a."))
            field.clean(" ".join(value.split()) if isinstance(value, str) else value, None)  # type: ignore[union-attr]
        except ValidationError as error:
            problems.append(
                InvalidValueError(
                    _("“%(value)s” cannot be used here."),
                    code="invalid",
                    field=name,
                    value=value,
                    remedy=" ".join(error.messages),
                )
            )
    return problems


@transaction.atomic
def change_details(*, segment: Segment, **details: Any) -> Segment:
    """Change name, description, colour, order, whether it is active, and how often it is reviewed.

    Raises ProblemError for a value that cannot be stored; nothing is changed then.
    """
    _refuse(detail_problems(details))
    changed = {name: value for name, value in details.items() if getattr(segment, name) != value}
    for name, value in changed.items():
        setattr(segment, name, value)
    if changed:
        segment.save(update_fields=list(changed))
    return segment


def _refuse(problems: list[ProblemError]) -> None:
    if problems:
        raise problems[0]


def _add_version(segment: Segment, parent: str, rules: Any, note: str, user: Actor, build: bool) -> SegmentVersion:
    last = segment.versions.aggregate(most=Max("number"))["most"] or 0
    most: int = SegmentVersion._meta.get_field("note").max_length  # type: ignore[assignment]
    version = SegmentVersion.objects.create(
        segment=segment,
        number=last + 1,
        parent=parent,
        rules=clean_document(rules),
        note=" ".join(note.split())[:most],
        made_by=author(user),
    )
    if build:
        request_memberships(version=version, user=user)
    return version


def request_memberships(*, version: SegmentVersion | None = None, user: Actor = None) -> Job:
    """Queue the work that brings memberships up to date: of one version and what reads it, or of all segments."""
    return request_job(
        kind="segments",
        title=f"{Segment._meta.verbose_name_plural}: {version or '*'}"[:200],
        params={"segment": version.segment.key if version else None},
        user=user,
        unique_key=f"segments:{version.pk if version else '*'}",
    )


@transaction.atomic
def delete_segment(*, key: str) -> None:
    """Remove a segment with its versions and memberships.

    Raises ConflictError when other rules read it, saying which.
    """
    _one_writer()
    segment = find_segment(key)
    readers = rules_that_read(segment_name(key))
    if readers:
        raise ConflictError(
            _("The segment “%(value)s” is used by %(readers)s."),
            code="in_use",
            field="segment",
            value=key,
            remedy=_("Take it out of their rules first."),
            params={"readers": ", ".join(f"{rules.label} ({rules.name})" for rules in readers)},
        )
    for history in segment.histories.all():
        SegmentMembership.objects.filter(build_id=history.build, history_id=history.pk)._raw_delete(DEFAULT_DB_ALIAS)
    segment.delete()


@transaction.atomic
def review_segment(
    *, segment: Segment, answers: Mapping[str, Any], note: str = "", user: Actor = None
) -> SegmentReview:
    """Keep that a segment was reviewed, with answers (True or False) to questions of the checklist.

    Raises InvalidValueError for a question that does not exist or an answer that is neither yes nor no.
    """
    for question, answer in answers.items():
        if question not in QUESTIONS or not isinstance(answer, bool):
            raise InvalidValueError(
                _("“%(value)s” is no answer to “%(question)s”."),
                code="bad_answer",
                field=question,
                value=answer,
                remedy=_("Answer true or false; the questions are: %(known)s."),
                params={"question": question, "known": ", ".join(QUESTIONS)},
            )
    note = checked_note(SegmentReview, note)
    return SegmentReview.objects.create(segment=segment, answers=dict(answers), note=note, reviewed_by=author(user))

"""What checklists make of the accounts now: of one that is being edited, and of two versions side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db.models import Count
from django.utils import timezone

from journey.selectors.checklists import Evaluation, checklist_of, evaluate_fit
from journey.selectors.edited_checklists import evaluate_edited
from segmentation.engine.fit import GRADES, MOST, NO_ANSWER, NO_VERDICT, WHOLE, Fits
from segmentation.models import Account, IcpAssessment, IcpVersion
from segmentation.selectors.profiles import items_of, published_profile_versions

BINS = 20  # of the distribution of scores, each five points wide


def preview_checklist(document: Mapping[str, Any], version: IcpVersion) -> dict[str, Any]:
    """How many accounts meet each item of a document now, and the grades they would have. Stores nothing.

    document: as `profile_document` gives it. version: whose profile it belongs to: the answers of people come from
    there, and the grades published there are what these are compared with.

    Returns `{"accounts", "items": [{"met", "partly", "unmet", "unknown"}], "grades": {grade: accounts}, "published",
    "mean", "coverage"}`; the grade `""` is none, `published` None before the first assessment, `mean` None where there
    is no verdict, `coverage` the mean in per cent. Raises RuleError for a rule that cannot be used.
    """
    found = evaluate_edited(checklist_of(version, items_of(version, document)), timezone.now())
    return {
        "accounts": len(found.ids),
        "items": item_counts(found),
        "grades": _grades(found.fits),
        "published": published_grades(version),
        "mean": _mean(found.fits),
        "coverage": round(float(found.fits.coverage.mean()) / 100, 1) if len(found.ids) else 0.0,
    }


def item_counts(evaluation: Evaluation) -> list[dict[str, int]]:
    """For how many accounts each item is met, partly met, unmet and unknown."""
    return [
        {
            "met": int((row == MOST).sum()),
            "partly": int(((row > 0) & (row < MOST)).sum()),
            "unmet": int((row == 0).sum()),
            "unknown": int((row == NO_ANSWER).sum()),
        }
        for row in evaluation.points
    ]


def published_grades(version: IcpVersion) -> dict[str, int] | None:
    """How many accounts have which grade by the published version of the same profile, None before it assessed any."""
    published = published_profile_versions(version.profile)
    rows = IcpAssessment.objects.filter(version__in=published, ended_at__isnull=True).order_by()
    found = dict(rows.values_list("grade").annotate(rows=Count("pk")))
    return {grade: found.get(grade, 0) for grade in GRADES} if found else None


def compare_profile_versions(
    one: IcpVersion, other: IcpVersion, account_ids: Sequence[int] | None = None, most: int | None = 20
) -> dict[str, Any]:
    """Two versions, drafts too, on the same accounts at the same moment. Stores nothing.

    Returns `{"accounts", "grades": {grade of one: {grade of other: accounts}}, "changed", "mean": [one, other],
    "scores": [one, other], "items", "examples"}`. The grade `""` is none. `scores` are accounts by score, each
    `BINS` numbers. `items`: for each key of either version `{"key", "text", "weights", "met"}`, the latter two for
    one and other, None where it has no such item. Examples are the accounts whose score moves most; `most` None gives
    all of them, also those that do not move. Raises RuleError.
    """
    left, right = evaluate_fit([one, other], timezone.now(), account_ids)
    grades = {
        a: {b: int(((left.fits.grade == i) & (right.fits.grade == j)).sum()) for j, b in enumerate(GRADES)}
        for i, a in enumerate(GRADES)
    }
    changed = left.fits.grade != right.fits.grade
    both = (left.fits.score != NO_VERDICT) & (right.fits.score != NO_VERDICT)
    moved = np.where(both, np.abs(left.fits.score - right.fits.score), 0)
    # A score that appears or disappears says more than one that moves.
    moved[(left.fits.score != NO_VERDICT) != (right.fits.score != NO_VERDICT)] = WHOLE + 1
    rows = [i for i in np.argsort(-moved, kind="stable")[:most] if most is None or moved[i] or changed[i]]
    names = dict(Account.objects.filter(pk__in=[int(left.ids[i]) for i in rows]).values_list("pk", "name"))
    return {
        "accounts": len(left.ids),
        "grades": grades,
        "changed": int(changed.sum()),
        "mean": [_mean(left.fits), _mean(right.fits)],
        "scores": [_bins(left.fits), _bins(right.fits)],
        "items": _items(left, right),
        "examples": [
            {
                "id": int(left.ids[i]),
                "name": names.get(int(left.ids[i]), ""),
                "one": [_shown(left.fits, i), GRADES[left.fits.grade[i]]],
                "other": [_shown(right.fits, i), GRADES[right.fits.grade[i]]],
            }
            for i in rows
        ],
    }


def _items(left: Evaluation, right: Evaluation) -> list[dict[str, Any]]:
    sides = [
        {
            item.key: (str(item), item.weight, counts["met"] + counts["partly"])
            for item, counts in zip(side.checklist.items, item_counts(side), strict=True)
        }
        for side in (left, right)
    ]
    return [
        {
            "key": key,
            "text": (sides[1].get(key) or sides[0][key])[0],
            "weights": [side[key][1] if key in side else None for side in sides],
            "met": [side[key][2] if key in side else None for side in sides],
        }
        for key in dict.fromkeys([*sides[1], *sides[0]])
    ]


def _grades(fits: Fits) -> dict[str, int]:
    numbers = np.bincount(fits.grade, minlength=len(GRADES))
    return {grade: int(numbers[i]) for i, grade in enumerate(GRADES)}


def _bins(fits: Fits) -> list[int]:
    known = fits.score[fits.score != NO_VERDICT]
    bins = np.minimum(known * BINS // WHOLE, BINS - 1)  # 100 belongs to the last
    return [int(number) for number in np.bincount(bins, minlength=BINS)]


def _shown(fits: Fits, i: Any) -> float | None:
    score = int(fits.score[i])
    return None if score == NO_VERDICT else score / 100


def _mean(fits: Fits) -> float | None:
    known = fits.score[fits.score != NO_VERDICT]
    return round(float(known.mean()) / 100, 2) if len(known) else None

"""The picture and the tables of an account's time line."""

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext, ngettext, pgettext

from journey.admin.opportunities import MEANING_COLOURS
from journey.models import EntryRule, Grade, OpportunityChange, StageMeaning
from journey.selectors.explanations import TermResult, stay_reasons
from journey.selectors.timeline import ActivityPoint, FieldChange, Stay, Timeline, Track
from scoring.admin.activities import SIDE_COLOURS
from scoring.models import Activity, Side
from segmentation.admin.base import GREY, HEX_COLOUR
from segmentation.engine.errors import RuleError
from segmentation.errors import ProblemError
from segmentation.models import Account, SalesTeam

LANE = 48  # pixels
TITLE = 0.36  # of a lane: the text above its content
HOT = "#dc2626"
NAMED = 5  # activities behind a criterion, the latest
Why = Mapping[int, list[dict[str, Any]]]  # by version, see `stay_reasons`
DAY = dt.timedelta(days=1)


def when(moment: dt.datetime | None) -> str:
    """Return a moment as people read it, to the day."""
    return formats.date_format(timezone.localtime(moment), "DATE_FORMAT") if moment else ""


def _iso(moment: dt.datetime) -> str:
    return timezone.localtime(moment).replace(tzinfo=None).isoformat(timespec="seconds")


def _colour(colour: str) -> str:
    return colour if HEX_COLOUR.fullmatch(colour or "") else GREY


def safe(text: Any) -> str:
    """Return text that Plotly shows as it is: it would read tags in it."""
    return html.escape(str(text), quote=False)


def days_text(days: float) -> str:
    """Return a duration in days as people read it."""
    rounded = round(days, 1) if days < 10 and round(days, 1) % 1 else round(days)
    number = formats.number_format(rounded, use_l10n=True)
    return ngettext("%(number)s day", "%(number)s days", round(rounded)) % {"number": number}


def stay_days(stay: Stay, now: dt.datetime) -> float | None:
    """Return how long a stay lasts (so far, for the present one); nothing for a last one that has not begun."""
    end = stay.end_at if stay.end_at and (stay.is_future or stay.end_at <= now) else (None if stay.is_future else now)
    return (end - stay.start_at) / DAY if end else None


class _Canvas:
    """Lanes from top to bottom, each with a title above its left end, and the traces drawn into them."""

    def __init__(self) -> None:
        self.traces: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.height = 0.0  # in lanes

    def lane(self, title: str, height: float = 1.0) -> float:
        """Open a lane and return where its content is centred: the title has its upper part."""
        top = -self.height
        self.height += height
        self.annotations.append(
            {
                "text": safe(title),
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": top,
                "yref": "y",
                "yanchor": "top",
                "showarrow": False,
                "font": {"size": 11},
            }
        )
        return top - (TITLE + height) / 2


def figure(timeline: Timeline) -> dict[str, Any]:
    """Return the picture: stays as bars, deals as diamonds, activities as points, side by side over time."""
    canvas = _Canvas()
    end = _horizon(timeline)
    for track in timeline.tracks:
        if track.stays:
            _draw_stays(canvas, canvas.lane(str(track.shown.journey)), track, timeline.now, end)
    if timeline.changes:
        _draw_changes(canvas, canvas.lane(gettext("Opportunities")), timeline.changes)
    for side in Side:
        points = [point for point in timeline.points if point.side == side]
        if points:
            _draw_points(canvas, canvas.lane(str(side.label), 1.5), points, SIDE_COLOURS[side], timeline.grouped_by)
    return {"data": canvas.traces, "layout": _layout(canvas, timeline, end)}


def _moments(timeline: Timeline) -> list[dt.datetime]:
    return [
        *(stay.start_at for track in timeline.tracks for stay in track.stays),
        *(point.at for point in timeline.points),
        *(change.occurred_at or change.recorded_at for change in timeline.changes),
    ]


def _horizon(timeline: Timeline) -> dt.datetime:
    """Where the picture ends: somewhat after now, and after the last stay that is sure to begin."""
    moments = [*_moments(timeline), timeline.now]
    return max(moments) + max((timeline.now - min(moments)) / 25, 14 * DAY)


def _layout(canvas: _Canvas, timeline: Timeline, end: dt.datetime) -> dict[str, Any]:
    start = min([*_moments(timeline), timeline.now - 30 * DAY])
    buttons = [
        {"count": 3, "step": "month", "stepmode": "backward", "label": gettext("3 months")},
        {"count": 1, "step": "year", "stepmode": "backward", "label": gettext("1 year")},
        {"step": "all", "label": pgettext("period", "All")},
    ]
    return {
        "height": round(LANE * max(canvas.height, 1)) + 76,
        "margin": {"l": 4, "r": 4, "t": 40, "b": 28},
        "barmode": "overlay",
        "bargap": 0,
        "hovermode": "closest",
        "showlegend": False,
        "dragmode": "pan",
        "uniformtext": {"mode": "hide", "minsize": 10},
        "xaxis": {
            "type": "date",
            "range": [_iso(start - (end - start) / 60), _iso(end)],
            "rangeselector": {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
            "tickformatstops": [
                {"dtickrange": [None, 3_600_000], "value": "%H:%M"},
                {"dtickrange": [3_600_000, 86_400_000], "value": "%m-%d %H:%M"},
                {"dtickrange": [86_400_000, "M1"], "value": "%m-%d"},
                {"dtickrange": ["M1", "M12"], "value": "%Y-%m"},
                {"dtickrange": ["M12", None], "value": "%Y"},
            ],
            "nticks": 8,
        },
        "yaxis": {"range": [-max(canvas.height, 1) - 0.1, 0.05], "fixedrange": True, "visible": False},
        "annotations": [
            *canvas.annotations,
            {
                "text": gettext("today"), "x": _iso(timeline.now), "xref": "x", "y": 1, "yref": "paper",
                "yanchor": "bottom", "showarrow": False, "font": {"size": 10},
            },
        ],
        "shapes": [
            {
                "type": "line", "x0": _iso(timeline.now), "x1": _iso(timeline.now), "y0": 0, "y1": 1, "yref": "paper",
                "line": {"width": 1, "dash": "dot", "color": "#6b7280"},
            }
        ],
    }  # fmt: skip


def _draw_stays(canvas: _Canvas, y: float, track: Track, now: dt.datetime, end: dt.datetime) -> None:
    """Bars; what comes by itself is hatched and pale. The present stay is cut at now."""
    pieces: list[tuple[Stay, dt.datetime, dt.datetime, bool]] = []
    for stay in track.stays:
        until = stay.end_at or end
        if stay.is_future or until <= now:
            pieces.append((stay, stay.start_at, until, stay.is_future))
        else:
            pieces += [(stay, stay.start_at, now, False), (stay, now, until, True)]
    # Half a pixel of a stay is no bar: Plotly would draw nothing at all for zero width.
    drawn = [(stay, a, b, future) for stay, a, b, future in pieces if b > a]
    canvas.traces.append(
        {
            "type": "bar",
            "orientation": "h",
            "y": [y] * len(drawn),
            "width": 0.5,
            "base": [_iso(a) for _stay, a, _b, _f in drawn],
            "x": [int((b - a).total_seconds() * 1000) for _stay, a, b, _f in drawn],
            "text": [safe(stay.stage) for stay, *_ in drawn],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "textangle": 0,
            "hovertext": [_stay_hover(stay, now, future) for stay, _a, _b, future in drawn],
            "hoverinfo": "text",
            "marker": {
                "color": [_colour(stay.stage.color) for stay, *_ in drawn],
                "opacity": [0.35 if future else 1 for *_, future in drawn],
                "pattern": {"shape": ["/" if future else "" for *_, future in drawn], "size": 6, "solidity": 0.3},
                "line": {"width": 0},
            },
        }
    )


def _stay_hover(stay: Stay, now: dt.datetime, future: bool) -> str:
    lines = [f"<b>{safe(stay.stage)}</b>"]
    if future:
        lines.append(safe(gettext("if nothing else happens")))
    end = when(stay.end_at) if stay.end_at else ("…" if future else gettext("today"))
    lines.append(safe(f"{when(stay.start_at)} – {end}"))
    days = stay_days(stay, now)
    if days is not None:
        lines.append(safe(days_text(days)))
    return "<br>".join(lines)


def _draw_changes(canvas: _Canvas, y: float, changes: Sequence[OpportunityChange]) -> None:
    """Diamonds in the colour of the stage's meaning; the changes of one deal hang on a line."""
    deals = {pk: row for row, pk in enumerate(dict.fromkeys(change.opportunity_id for change in reversed(changes)))}
    rows = min(max(len(deals), 1), 4)
    height = {pk: y + (0.36 * (row % rows) / (rows - 1) - 0.18 if rows > 1 else 0.0) for pk, row in deals.items()}
    ordered = sorted(changes, key=lambda change: change.occurred_at or change.recorded_at)
    line_x: list[str | None] = []
    line_y: list[float | None] = []
    for pk in deals:
        for change in ordered:
            if change.opportunity_id == pk:
                line_x.append(_iso(change.occurred_at or change.recorded_at))
                line_y.append(height[pk])
        line_x.append(None)
        line_y.append(None)
    canvas.traces.append(
        {"type": "scatter", "mode": "lines", "x": line_x, "y": line_y, "hoverinfo": "skip",
         "line": {"color": GREY, "width": 1}}
    )  # fmt: skip
    canvas.traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [_iso(change.occurred_at or change.recorded_at) for change in ordered],
            "y": [height[change.opportunity_id] for change in ordered],
            "hovertext": [_change_hover(change) for change in ordered],
            "hoverinfo": "text",
            "marker": {
                "symbol": "diamond",
                "size": [13 if _meaning(c) in (StageMeaning.WON, StageMeaning.LOST) else 10 for c in ordered],
                "color": [MEANING_COLOURS.get(_meaning(change), GREY) for change in ordered],
                "line": {"width": 0},
            },
        }
    )


def _meaning(change: OpportunityChange) -> str:
    return change.crm_stage.meaning if change.crm_stage else ""


def _change_hover(change: OpportunityChange) -> str:
    lines = [f"<b>{safe(change.opportunity)}</b>", safe(when(change.occurred_at or change.recorded_at))]
    if change.crm_stage:
        lines.append(safe(change.crm_stage))
    if change.amount is not None:
        lines.append(safe(f"{formats.number_format(change.amount, 0)} {change.opportunity.currency}"))
    return "<br>".join(lines)


def _draw_points(canvas: _Canvas, y: float, points: list[ActivityPoint], colour: str, grouped_by: str) -> None:
    """Points, one row for each type within the lane, larger with engaged time; hot ones are red stars."""
    types = sorted({point.type_name for point in points})
    rows = min(len(types), 5)
    row_of = {name: 0.25 * (i % rows) - 0.125 * (rows - 1) for i, name in enumerate(types)}
    for hot in (False, True):
        shown = [point for point in points if point.is_hot == hot]
        if not shown:
            continue
        canvas.traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [_iso(point.at) for point in shown],
                "y": [round(y + row_of[point.type_name], 3) for point in shown],
                "hovertext": [_point_hover(point, grouped_by) for point in shown],
                "hoverinfo": "text",
                "marker": {
                    "symbol": "star" if hot else "circle",
                    "size": [round(min((9 if hot else 4) + (point.seconds / 60) ** 0.5, 16), 1) for point in shown],
                    "color": HOT if hot else colour,
                    "opacity": 0.95 if hot else 0.65,
                    "line": {"width": 0},
                },
            }
        )


def _point_hover(point: ActivityPoint, grouped_by: str) -> str:
    name = gettext(point.type_name)
    if point.number > 1:
        name = f"{point.number} × {name}"
    period = {
        "day": gettext("day of %(date)s"),
        "week": gettext("week from %(date)s"),
        "month": gettext("month from %(date)s"),
    }.get(grouped_by)
    date = (
        period % {"date": when(point.at)}
        if period
        else formats.date_format(timezone.localtime(point.at), "DATETIME_FORMAT")
    )
    minutes = gettext("%(minutes)s minutes") % {"minutes": formats.number_format(round(point.seconds / 60, 1))}
    lines = [f"<b>{safe(name)}</b>", safe(date), safe(minutes)]
    if point.what:
        lines.append(safe(point.what[:80]))
    return "<br>".join(lines)


GRADE_CLASSES = {Grade.EXACT: "aj-exact", Grade.DERIVED: "aj-derived", Grade.ASSUMED: "aj-assumed"}


def stay_rows(track: Track, now: dt.datetime, why: Why, activities: Mapping[int, Activity]) -> list[dict[str, Any]]:
    """Return the stays for the table, the newest first, each with why it began.

    Args:
        why: what `reasons` found; activities: those the criteria name and the user may see, by primary key.
    """
    reasons = {row["start_at"]: row for row in why.get(track.shown.version.pk, ())}
    names = {
        rule.pk: rule.name or str(rule)
        for rule in EntryRule.objects.filter(
            pk__in={stay.rule_id for stay in track.stays if stay.rule_id}
        ).select_related("stage")
    }
    rows = []
    for stay in reversed(track.stays):
        reason = reasons.get(stay.start_at, {})
        days = stay_days(stay, now)
        rows.append(
            {
                "stage": stay.stage,
                "start_at": stay.start_at,
                "end_at": stay.end_at,
                "days": days_text(days) if days is not None else "",
                "grade": str(Grade(stay.grade).label).partition(":")[0],
                "grade_text": Grade(stay.grade).label,
                "grade_class": GRADE_CLASSES[Grade(stay.grade)],
                "is_future": stay.is_future,
                "is_current": stay is track.current,
                "reason": reason.get("reason_text") or _plain_reason(stay, names),
                "terms": _evidence(reason.get("terms", ()), activities),
                "missing": reason.get("missing_text", "") if stay is track.current else "",
            }
        )
    return rows


def _evidence(terms: Sequence[TermResult], activities: Mapping[int, Activity]) -> list[dict[str, Any]]:
    """Return the criteria with the latest activities behind their figures; nothing where the reason says all of it."""
    found = [
        {
            "line": term.line(),
            "activities": [activities[pk] for pk in term.activities[-NAMED:] if pk in activities],
            "more": max(len(term.activities) - NAMED, 0) if activities else 0,
        }
        for term in terms
    ]
    return found if any(term["activities"] for term in found) or not all(term.held for term in terms) else []


def _plain_reason(stay: Stay, names: dict[int, str]) -> str:
    if stay.is_first:
        return gettext("The history begins here.")
    if stay.rule_id is None:
        return gettext("No rule of another stage held any more.")
    return gettext("The rule “%(rule)s” held.") % {"rule": names.get(stay.rule_id, stay.rule_id)}


def reasons(account: Account, tracks: Sequence[Track]) -> Why:
    """Return what the engine says about each stay, by version; nothing where the rules cannot be read."""
    versions = [track.shown.version for track in tracks]
    try:
        return stay_reasons(account, versions)
    except (RuleError, ProblemError):  # a name the rules of one read is gone; the page of the version says which
        found: dict[int, list[dict[str, Any]]] = {}
        for version in versions:
            with suppress(RuleError, ProblemError):
                found |= stay_reasons(account, [version])
        return found


def named_activities(why: Why) -> dict[int, Activity]:
    """Return the activities behind the figures of all stays."""
    keys = {pk for rows in why.values() for row in rows for term in row["terms"] for pk in term.activities[-NAMED:]}
    return Activity.objects.select_related("type", "contact").in_bulk(keys)


def _with_names(change: FieldChange) -> FieldChange:
    """Return the change with names where it has keys of other rows."""
    model = {"team": SalesTeam, "parent": Account}.get(change.field)
    if model is None:
        return change
    rows = model._default_manager.in_bulk({change.before, change.after} - {None})  # type: ignore[attr-defined]
    return replace(
        change,
        before=str(rows.get(change.before, change.before or "")),
        after=str(rows.get(change.after, change.after or "")),
    )


def change_rows(changes: list[FieldChange]) -> list[dict[str, Any]]:
    """Return field changes with the names and values people know."""

    def shown(field: Any, value: Any) -> str:
        if value in (None, "", [], {}):
            return "–"
        if field.choices:
            return str(dict(field.flatchoices).get(value, value))
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, dict):
            return ", ".join(f"{key}: {item}" for key, item in value.items())
        if isinstance(value, dt.datetime):
            return when(value)
        return str(formats.localize(value))

    fields = {field.name: field for field in Account._meta.concrete_fields}
    changes = [_with_names(change) for change in changes]
    return [
        {
            "at": change.at,
            "field": fields[change.field].verbose_name,
            "before": shown(fields[change.field], change.before),
            "after": shown(fields[change.field], change.after),
            "by": change.by,
        }
        for change in changes
    ]

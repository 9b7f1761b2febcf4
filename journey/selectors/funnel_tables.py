"""Figures as flat rows: what a spreadsheet gets."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from journey.selectors.funnel_report import FunnelReport, Overall, StageFigures
from segmentation.imports.bad_rows import inert

ALL = "(all)"


def funnel_rows(report: FunnelReport) -> Iterator[dict[str, Any]]:
    """A row for each stage, and one for the whole funnel (stage `(all)`), of everything and of each group."""
    fields = [dimension.key for dimension in report.query.by]
    yield from _rows(dict.fromkeys(fields, ALL), report.stages, report.overall)
    for group in report.groups:
        yield from _rows(dict(zip(fields, group.labels, strict=True)), group.stages, group.overall)


def _rows(of: dict[str, str], stages: Sequence[StageFigures], overall: Overall) -> Iterator[dict[str, Any]]:
    for stage in stages:
        begin = {"stage": stage.key, "name": stage.name, "now": stage.now, "share": stage.share}
        counts = {"volume": stage.volume, "accounts": stage.accounts, "began": stage.began}
        yield {**of, **begin, **counts, **_figures(stage)}
    begin = {"stage": ALL, "name": f"{overall.start or '–'} → {overall.target or '–'}", "now": overall.now}
    yield {**of, **begin, "share": None, "volume": None, "accounts": None, "began": None, **_figures(overall)}


def _figures(of: StageFigures | Overall) -> dict[str, Any]:
    velocity, value = of.velocity, of.value
    return {
        "conversion": of.conversion.rate,
        "conversion_direct": of.conversion.direct,
        "conversion_low": of.conversion.low,
        "conversion_high": of.conversion.high,
        "conversion_n": of.conversion.n,
        "converted": of.conversion.converted,
        "immature": of.conversion.immature,
        "velocity_mean_days": velocity.mean_days,
        "velocity_median_days": velocity.median_days,
        "velocity_n": velocity.n,
        "stay_km_median_days": velocity.stay_km_median_days,
        **{f"reached_{days}_days": share for days, share in velocity.reached.items()},
        **{f"reached_or_later_{days}_days": share for days, share in velocity.reached_or_later.items()},
        "pipeline": value.pipeline,
        "revenue": value.revenue,
        "currency": value.currency,
        "investment_per_opportunity": value.investment_per_opportunity,
        "cost_per_entry": value.cost_per_entry,
        **{f"trust_{grade}": n for grade, n in of.trust.items()},
    }


def csv_text(rows: Iterator[dict[str, Any]]) -> str:
    """Rows as CSV with a header; what is not there is empty, and no text is a formula."""
    out = io.StringIO()
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(out, list(row), lineterminator="\r\n")
            writer.writeheader()
        writer.writerow({name: inert(value) if isinstance(value, str) else value for name, value in row.items()})
    return out.getvalue()

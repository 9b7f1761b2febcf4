"""The ready-made journey `extended` by Polars expressions, on the same facts in memory as the engine.

The way of `extended.sql`: rows that enter and leave a window, running sums, the points where a sum crosses its
threshold as +1 and -1 in one bit for each criterion, and the stage from the running sum of all bits. What enters a
window leaves it again, so these sums are zero at the end of every account and need no grouping: one sort and one
running sum over the whole column, which is the fastest way Polars has.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from journey.engine.deals import CUSTOMER_PERIODS, DEALS
from scoring.engine.activities import ACTIVITIES, Classes, Restriction
from segmentation.engine.facts import Facts, Rows
from segmentation.engine.kinds.field import FIELDS
from segmentation.engine.kinds.flag import FLAGS
from segmentation.engine.params import DAY
from segmentation.engine.steps import FAR_FUTURE

Frames = dict[str, pl.DataFrame]

WINDOW = 90 * DAY
STALLED = 30 * DAY
(
    AWARE,
    MINUTES,
    MEETING,
    PEOPLE,
    PERSONAS,
    VP,
    QUALIFIED,
    OPPORTUNITY,
    WON,
    LOST,
    RECYCLE,
    FORMER,
    DISQUALIFIED,
    TIER,
) = (1 << bit for bit in range(14))


def frames_of(batches: Sequence[Facts]) -> Frames:
    """The facts as data frames: by account and time, activities with the number of their class."""
    parts: dict[str, list[dict[str, Any]]] = {}

    def add(name: str, owner: Any, **columns: Any) -> None:
        parts.setdefault(name, []).append({"account": owner, **columns})

    for facts in batches:
        add("accounts", facts.ids, t=facts.start)
        activities = facts.table(ACTIVITIES)
        owner, row = _taken(facts, activities.rows)
        add(
            "activities",
            owner,
            t=activities.time[row],
            seconds=activities.seconds[row],
            contact=activities.contact[row],
            number=activities.number[row],
        )
        deals = facts.table(DEALS)
        owner, row = _taken(facts, deals.rows)
        add("deals", owner, t=deals.time[row], row=row, deal=deals.deal_ids[row], state=deals.state[row])
        periods = facts.table(CUSTOMER_PERIODS)
        owner, row = _taken(facts, periods.rows)
        add("periods", owner, t=periods.start[row], until=periods.end[row])
        flags, keys = facts.table(FLAGS)
        owner, row = _taken(facts, flags.rows)
        of_kind = np.array([key == "disqualified" for key in keys] or [False])[flags.kind[row]]
        add("flags", owner[of_kind], t=flags.start[row][of_kind], until=flags.end[row][of_kind])
        tier = facts.table(FIELDS)["tier"]
        first = np.array([*(value == 1 for value in tier.values), False])
        add("tiers", facts.ids, t=np.full(len(facts), np.iinfo(np.int64).min), held=first[tier.initial])
        owner, row = _taken(facts, tier.rows)
        add("tiers", owner, t=tier.time[row], held=first[tier.code[row]])
    return {name: pl.concat([pl.DataFrame(part) for part in found]) for name, found in parts.items()} | {
        "classes": _classes(batches[0].table(ACTIVITIES).classes)
    }


def _taken(facts: Facts, rows: Rows) -> tuple[Any, Any]:
    """The account of each row and the row's number, for the rows of a batch."""
    counts = rows.end - rows.begin
    row = np.arange(counts.sum()) + np.repeat(rows.begin - (np.cumsum(counts) - counts), counts)
    return np.repeat(facts.ids, counts), row


def _classes(classes: Classes) -> pl.DataFrame:
    """What class numbers mean for the rules."""
    hot = classes.mask(Restriction(hot_only=True))
    return pl.DataFrame(
        {
            "role": classes.role_of(),
            "by_manager": classes.mask(Restriction(sides=("marketing",), min_seniority="manager")),
            "by_vp": classes.mask(Restriction(min_seniority="vp")),
            "is_meeting": classes.mask(Restriction(meetings_only=True, outcomes=("held",))),
            "is_hot": hot,
            "is_movement": hot | classes.mask(Restriction(sides=("sales",))),
        }
    )


def extended_stays(frames: Frames) -> pl.DataFrame:
    """Stays of all accounts: account, stage (key), start, end (null while it lasts), by account and start."""
    activities = frames["activities"].with_columns(
        frames["classes"][column].gather(frames["activities"]["number"]).alias(column)
        for column in frames["classes"].columns
    )
    changes = [
        _whole_account(activities.lazy()),
        _people(activities.lazy()),
        _personas(activities.lazy()),
        *_deals(frames["deals"], activities),
        _former(frames["deals"], frames["periods"].lazy()),
        _flags(frames["flags"].lazy()),
        _tiers(frames["tiers"].lazy()),
    ]
    points = pl.concat(
        [change.select("account", "t", pl.col("step").cast(pl.Int32)) for change in pl.collect_all(changes)]
    )
    return _stages(points.lazy(), frames["accounts"].lazy()).collect()


def _entering_and_leaving(rows: pl.LazyFrame, *amounts: str) -> pl.LazyFrame:
    return pl.concat([rows, rows.with_columns(pl.col("t") + WINDOW, *(-pl.col(amount) for amount in amounts))])


def _crossings(moves: pl.LazyFrame, keys: Sequence[str], above: Mapping[str, tuple[str, int]]) -> pl.LazyFrame:
    """Where running sums cross their thresholds: +1 or -1 in a column for each name of `above` (amount, threshold).

    The sums must be 0 at the end of each key.
    """
    last = pl.any_horizontal(pl.col(key) != pl.col(key).shift(-1) for key in (*keys, "t")).fill_null(True)
    amounts = list(dict.fromkeys(amount for amount, _threshold in above.values()))
    return (
        moves.sort(*keys, "t")
        .with_columns(pl.col(amount).cum_sum() for amount in amounts)
        .filter(last)
        .select(
            *keys,
            "t",
            *((pl.col(amount) > threshold).cast(pl.Int32).alias(name) for name, (amount, threshold) in above.items()),
        )
        .with_columns(pl.col(name) - pl.col(name).shift(1, fill_value=0) for name in above)
        .filter(pl.any_horizontal(pl.col(name) != 0 for name in above))
    )


def _whole_account(activities: pl.LazyFrame) -> pl.LazyFrame:
    rows = activities.filter((pl.col("seconds") > 0) | pl.col("is_meeting")).select(
        "account",
        "t",
        pl.col("seconds").cast(pl.Int64),
        managers=pl.when("by_manager").then("seconds").otherwise(0).cast(pl.Int64),
        meetings=pl.col("is_meeting").cast(pl.Int64),
    )
    moves = _entering_and_leaving(rows, "seconds", "managers", "meetings")
    above = {"aware": ("seconds", 0), "minutes": ("managers", 3600), "meeting": ("meetings", 0)}
    return _crossings(moves, ["account"], above).with_columns(
        step=pl.col("aware") * AWARE + pl.col("minutes") * MINUTES + pl.col("meeting") * MEETING
    )


def _people(activities: pl.LazyFrame) -> pl.LazyFrame:
    rows = activities.filter("by_manager", pl.col("contact") >= 0, pl.col("seconds") > 0).select(
        "account", "contact", "t", pl.col("seconds").cast(pl.Int64)
    )
    people = _crossings(_entering_and_leaving(rows, "seconds"), ["account", "contact"], {"enough": ("seconds", 600)})
    return _crossings(people, ["account"], {"people": ("enough", 1)}).with_columns(step=pl.col("people") * PEOPLE)


def _personas(activities: pl.LazyFrame) -> pl.LazyFrame:
    rows = activities.filter(pl.col("role") > 0, pl.col("contact") >= 0, pl.col("seconds") > 0).select(
        "account",
        "contact",
        "role",
        "t",
        pl.col("seconds").cast(pl.Int64),
        vp=pl.when("by_vp").then("seconds").otherwise(0).cast(pl.Int64),
    )
    moves = _entering_and_leaving(rows, "seconds", "vp")
    people = _crossings(moves, ["account", "contact", "role"], {"any": ("seconds", 0), "enough": ("vp", 3599)})
    roles = _crossings(people, ["account", "role"], {"any": ("any", 0), "enough": ("enough", 0)})
    return _crossings(roles, ["account"], {"personas": ("any", 2), "vp": ("enough", 0)}).with_columns(
        step=pl.col("personas") * PERSONAS + pl.col("vp") * VP
    )


def _is_open(column: str) -> pl.Expr:
    return pl.col(column).is_between(1, 3)


def _steps(held: pl.LazyFrame, bits: Mapping[str, int]) -> pl.LazyFrame:
    """Changes of yes/no columns of rows by account and time (one row for each instant), added up as bits."""
    return (
        held.sort("account", "t")
        .with_columns(
            step=pl.sum_horizontal(
                (pl.col(name).cast(pl.Int32) - pl.col(name).cast(pl.Int32).shift(1, fill_value=0).over("account")) * bit
                for name, bit in bits.items()
            )
        )
        .filter(pl.col("step") != 0)
    )


def _deal_rows(deals: pl.LazyFrame) -> pl.LazyFrame:
    """Changes of deals with the state before and after each, in their order. State: see `journey.engine.deals`."""
    state = pl.col("state")
    return (
        deals.with_columns(pl.when(state >= 0).then(state).alias("state"))
        .sort("deal", "row")
        .with_columns(
            now=state.forward_fill().over("deal"),
            mapped=pl.when(state != 6).then(state).forward_fill().over("deal"),
            open_group=pl.when(state <= 3).then(state).forward_fill().over("deal"),
        )
        .with_columns(before=pl.col("now").shift(1).over("deal"))
    )


def _deals(deals: pl.DataFrame, activities: pl.DataFrame) -> list[pl.LazyFrame]:
    state, before = pl.col("state"), pl.col("before")
    closing = state.is_in([4, 5]) & state.ne_missing(before)
    losing = (state == 5) & before.ne_missing(5)
    deal = (
        _deal_rows(deals.lazy())
        .with_columns(
            closed_row=pl.when(closing).then("row").forward_fill().over("deal"),
            closed_at=pl.when(closing).then("t").forward_fill().over("deal"),
            lost_at=pl.when(losing).then("t").forward_fill().over("deal"),
        )
        .filter(((pl.col("deal") != pl.col("deal").shift(-1)) | (pl.col("t") != pl.col("t").shift(-1))).fill_null(True))
        .with_columns(
            until=pl.col("t").shift(-1, fill_value=FAR_FUTURE).over("deal"),
            was=pl.col("now").shift(1).over("deal"),
            was_mapped=pl.col("mapped").shift(1).over("deal"),
        )
        .with_columns(
            moved_on=((pl.col("now") == 4) & pl.col("was").ne_missing(4))
            | (
                _is_open("now")
                & (pl.col("was_mapped").is_null() | (pl.col("was_mapped") > 3) | (pl.col("now") > pl.col("was_mapped")))
            ),
            lost_late=(pl.col("now") == 5) & (pl.col("lost_at") == pl.col("t")) & (pl.col("open_group") == 3),
        )
    )
    instants = deal.select("account", "t").unique()
    closed = pl.when(pl.col("now").is_in([4, 5]))
    at_once = pl.col("since") == pl.col("t")
    together = (
        instants.join(deal.rename({"t": "since"}), on="account")
        .filter(pl.col("since") <= pl.col("t"), pl.col("t") < pl.col("until"))
        .group_by("account", "t")
        .agg(
            is_open=_is_open("now").any(),
            most=pl.when(_is_open("now")).then("now").max(),
            changed=pl.when(_is_open("now")).then("since").max(),
            unmapped=(pl.col("now") == 6).any(),
            won=(pl.col("now") == 4).any(),
            closed_as=closed.then(pl.col("closed_row") * 8 + pl.col("now")).max() % 8,
            closed_at=closed.then("closed_at").max(),
            moved_on=(pl.col("moved_on") & at_once).any(),
            lost_late=(pl.col("lost_late") & at_once).any(),
        )
        .sort("account", "t")
        .with_columns(next=pl.col("t").shift(-1, fill_value=FAR_FUTURE).over("account"))
        .collect()
    )
    owners = together.select("account").unique()
    moving = (
        activities.lazy()
        .filter("is_movement")
        .select("account", "t", "is_hot")
        .join(owners.lazy(), on="account", how="semi")
        .collect()
    )
    return [_pipeline(together.lazy()), _recycle(together.lazy(), moving.lazy())]


def _pipeline(together: pl.LazyFrame) -> pl.LazyFrame:
    recently = (
        ~pl.col("is_open")
        & ~pl.col("unmapped")
        & (pl.col("closed_as") == 5)
        & (pl.col("t") < pl.col("closed_at") + WINDOW)
    ).fill_null(False)
    held = together.with_columns(
        qualified=(pl.col("most") == 1).fill_null(False),
        opportunity=(pl.col("most") > 1).fill_null(False),
        lost=recently,
    )
    over = held.filter("lost", pl.col("closed_at") + WINDOW < pl.col("next")).with_columns(
        t=pl.col("closed_at") + WINDOW, lost=pl.lit(False)
    )
    return _steps(
        pl.concat([held, over]), {"qualified": QUALIFIED, "opportunity": OPPORTUNITY, "won": WON, "lost": LOST}
    )


def _recycle(together: pl.LazyFrame, moving: pl.LazyFrame) -> pl.LazyFrame:
    # Every open deal stalled, from the last movement on.
    points = pl.concat(
        [
            together.select("account", "t", "changed", "is_open", moved=pl.lit(None, pl.Int64)),
            moving.select("account", "t", changed=pl.lit(None, pl.Int64), is_open=pl.lit(None, pl.Boolean), moved="t"),
        ]
    )
    dated = (
        points.group_by("account", "t")
        .agg(
            pl.col("changed").max(),
            pl.col("is_open").any(ignore_nulls=False),
            pl.col("moved").max(),
            is_deal=pl.col("is_open").is_not_null().any(),
        )
        .sort("account", "t")
        .with_columns(
            part=pl.col("is_deal").cum_sum().over("account"), moved=pl.col("moved").forward_fill().over("account")
        )
        .with_columns(
            changed=pl.col("changed").max().over("account", "part"),
            is_open=pl.col("is_open").any().over("account", "part"),
            next=pl.col("t").shift(-1, fill_value=FAR_FUTURE).over("account"),
        )
        .with_columns(stalls=pl.max_horizontal("changed", "moved") + STALLED)
    )
    held = dated.select("account", "t", held=pl.col("is_open") & (pl.col("stalls") <= pl.col("t")).fill_null(False))
    later = dated.filter("is_open", pl.col("t") < pl.col("stalls"), pl.col("stalls") < pl.col("next")).select(
        "account", t="stalls", held=pl.lit(True)
    )
    stalls = (
        pl.concat([held, later])
        .sort("account", "t")
        .filter("held", ~pl.col("held").shift(1, fill_value=False).over("account"))
    )
    events = pl.concat(
        [
            together.select("account", "t", begins=pl.col("lost_late") & ~pl.col("is_open"), ends="moved_on").filter(
                pl.col("begins") | pl.col("ends")
            ),
            stalls.select("account", "t", begins=pl.lit(True), ends=pl.lit(False)),
            moving.filter("is_hot").select("account", "t", begins=pl.lit(False), ends=pl.lit(True)),
        ]
    )
    holds = (
        events.group_by("account", "t")
        .agg(pl.col("begins").any(), pl.col("ends").any())
        .sort("account", "t")
        .with_columns(ends_at=pl.when("ends").then("t").shift(-1).backward_fill().over("account"))
        .filter(pl.col("begins"), ~pl.col("ends"))
        .with_columns(until=pl.min_horizontal(pl.col("t") + WINDOW, "ends_at"))
    )
    moves = pl.concat([holds.select("account", "t", n=pl.lit(1)), holds.select("account", t="until", n=pl.lit(-1))])
    return _crossings(moves, ["account"], {"held": ("n", 0)}).with_columns(step=pl.col("held") * RECYCLE)


def _former(deals: pl.DataFrame, periods: pl.LazyFrame) -> pl.LazyFrame:
    rows = (
        _deal_rows(deals.lazy()).join(periods.select("account").unique(), on="account", how="semi").sort("deal", "row")
    )
    not_won = pl.when(pl.col("state").is_not_null() & (pl.col("state") != 4)).then("t")
    wins = rows.with_columns(lost_again=not_won.shift(-1).backward_fill().over("deal").fill_null(FAR_FUTURE)).filter(
        pl.col("state") == 4, pl.col("before").ne_missing(4)
    )
    instants = (
        pl.concat(
            [
                periods.select("account", "t"),
                periods.select("account", t="until"),
                wins.select("account", "t"),
                wins.select("account", t="lost_again"),
            ]
        )
        .filter(pl.col("t") < FAR_FUTURE)
        .unique()
    )
    ended = (
        instants.join(periods.rename({"t": "since"}), on="account")
        .group_by("account", "t")
        .agg(
            ended=pl.when(pl.col("until") <= pl.col("t")).then("until").max(),
            in_force=((pl.col("since") <= pl.col("t")) & (pl.col("t") < pl.col("until"))).any(),
        )
    )
    bought = (
        ended.join(wins.select("account", "lost_again", won_at="t"), on="account")
        .filter(
            pl.col("ended") <= pl.col("won_at"), pl.col("won_at") <= pl.col("t"), pl.col("t") < pl.col("lost_again")
        )
        .select("account", "t", bought=pl.lit(True))
        .unique()
    )
    held = ended.join(bought, on=["account", "t"], how="left").with_columns(
        held=pl.col("ended").is_not_null() & ~pl.col("in_force") & pl.col("bought").is_null()
    )
    return _steps(held, {"held": FORMER})


def _flags(flags: pl.LazyFrame) -> pl.LazyFrame:
    moves = pl.concat([flags.select("account", "t", n=pl.lit(1)), flags.select("account", t="until", n=pl.lit(-1))])
    return (
        _crossings(moves, ["account"], {"held": ("n", 0)})
        .filter(pl.col("t") < FAR_FUTURE)
        .with_columns(step=pl.col("held") * DISQUALIFIED)
    )


def _tiers(tiers: pl.LazyFrame) -> pl.LazyFrame:
    return _steps(tiers.unique(["account", "t"], keep="last", maintain_order=True), {"held": TIER})


def _stages(points: pl.LazyFrame, accounts: pl.LazyFrame) -> pl.LazyFrame:
    begun = points.join(accounts.rename({"t": "begin"}), on="account").select(
        "account", pl.max_horizontal("t", "begin").alias("t"), "step"
    )
    bits = pl.col("bits")

    def held(bit: int) -> pl.Expr:
        return bits & bit == bit

    qualified = pl.when(held(TIER)).then(held(MINUTES | PEOPLE)).otherwise(held(PERSONAS | VP))
    stage = (
        pl.when(held(DISQUALIFIED)).then(pl.lit("disqualified"))
        .when(held(WON) & ~held(FORMER)).then(pl.lit("customer"))
        .when(held(RECYCLE)).then(pl.lit("recycle"))
        .when(held(OPPORTUNITY)).then(pl.lit("opportunity"))
        .when(held(QUALIFIED)).then(pl.lit("qualified"))
        .when(held(LOST)).then(pl.lit("lost"))
        .when(held(MEETING)).then(pl.lit("meeting"))
        .when(qualified).then(pl.lit("mqa"))
        .when(held(AWARE)).then(pl.lit("aware"))
        .otherwise(pl.lit("none"))
    )  # fmt: skip
    return (
        pl.concat([begun, accounts.select("account", "t", step=pl.lit(0, pl.Int32))])
        .group_by("account", "t")
        .agg(pl.col("step").sum())
        .sort("account", "t")
        .with_columns(bits=pl.col("step").cum_sum().over("account"))
        .select("account", start="t", stage=stage.cast(pl.Enum(STAGES)))
        .filter(
            pl.col("stage").ne_missing(pl.col("stage").shift(1))
            | pl.col("account").ne_missing(pl.col("account").shift(1))
        )
        .with_columns(end=pl.col("start").shift(-1).over("account"))
        .select("account", "stage", "start", "end")
    )


STAGES = ["none", "aware", "mqa", "meeting", "lost", "qualified", "opportunity", "recycle", "customer", "disqualified"]

"""All that is measured, by name, and the history all is compared with."""

from benchmarks.alternatives import Polars, SqlWindowFunctions
from benchmarks.fit import Assess, Assess100Changed, ChecklistCounts
from benchmarks.funnels import FunnelBreakdown, FunnelCold, FunnelFirstTime, FunnelNewHeatMap
from benchmarks.identity import FindDuplicates, MatchFile
from benchmarks.imports import ImportActivities, ImportMore
from benchmarks.item import Item, extended, stored_stays
from benchmarks.race import ProposeRace
from benchmarks.replays import (
    ReadActivities,
    Replay1000Changed,
    ReplayCached,
    ReplayCachedCompute,
    ReplayFull,
    ReplayInMemory,
)
from benchmarks.reports import (
    Goals,
    IntentOfTexts,
    Lookalikes,
    Markets,
    MarketsCold,
    NearMissesOfAll,
    SegmentsPerformance,
    SegmentsPerformanceCold,
    SegmentsPriority,
    SegmentsPriorityCold,
)
from benchmarks.scratch import Scratch
from benchmarks.segments import SegmentCount, SegmentsRebuild
from benchmarks.stays import save
from journey.services.replay import replay_version

ITEMS: dict[str, type[Item]] = {
    item.name: item
    for item in (
        ReadActivities,
        ReplayFull,
        ReplayCached,
        ReplayCachedCompute,
        ReplayInMemory,
        Replay1000Changed,
        ImportActivities,
        ImportMore,
        Assess,
        Assess100Changed,
        ChecklistCounts,
        SqlWindowFunctions,
        Polars,
        ProposeRace,
        FunnelCold,
        FunnelBreakdown,
        FunnelFirstTime,
        FunnelNewHeatMap,
        NearMissesOfAll,
        Markets,
        MarketsCold,
        SegmentsPerformance,
        SegmentsPerformanceCold,
        SegmentsPriority,
        SegmentsPriorityCold,
        Goals,
        Lookalikes,
        IntentOfTexts,
        SegmentsRebuild,
        SegmentCount,
        FindDuplicates,
        MatchFile,
    )
}


def make_reference(scratch: Scratch) -> int:
    """Replay in whole once: everything is compiled then, and there is a history to compare with. Returns its stays."""
    replay_version(extended(), full=True)
    found = stored_stays()
    save(found, scratch.reference)
    return len(found)

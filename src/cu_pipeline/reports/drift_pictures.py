"""Pictures of what is new beside what models learned from: from the capture store, where the service keeps requests."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.paths import to_stored
from cu_pipeline.drift.options import HistoryOptions
from cu_pipeline.ingest.capture_store import Captured, CaptureStore
from cu_pipeline.reports.cards import Card, Cards, ReportOptions, pictures, spread
from cu_pipeline.reports.drift_told import CauseTold, DriftTold

MOST_CAUSES: Final = 3
"""Causes that get pictures, the strongest ones."""

OFF: Final = (
    "No pictures: the service keeps nothing of its requests on this machine, so that there is nothing to show of them. "
    "Start it with CU_PIPELINE_CAPTURE set to a folder to keep media and captions for a while."
)
GONE: Final = (
    "No pictures: the service keeps requests, but none of the typical clips of these causes are kept any more."
)


@dataclass(frozen=True)
class DriftPictures:
    """Clips of causes, and of what models learned from.

    Attributes:
        now: place of the cause among the told ones -> its clips.
        before: clips that models learned from.
        uris: media hash -> data URI of the picture.
        note: why there are none; "" where there are.
    """

    now: dict[int, list[Card]] = field(default_factory=dict)
    before: list[Card] = field(default_factory=list)
    uris: dict[str, str] = field(default_factory=dict)
    note: str = ""


def drift_pictures(
    told: DriftTold,
    references: Mapping[str, pd.DataFrame],
    clips: pd.DataFrame,
    captures: Path,
    thumbnails: Path,
    options: HistoryOptions,
    mapper: Mapper,
) -> DriftPictures:
    """Show typical clips of the strongest causes beside some that models learned from.

    Args:
        told: the decision and its causes.
        references: capability -> clips that its served model learned from.
        clips: the table of clips.
        captures: folder of the capture store; absent: the service keeps nothing.
        thumbnails: folder that keeps pictures between runs.
        options: how many, and how large.
        mapper: makes them.
    """
    wanted = [cause for cause in told.causes if cause.request_ids][:MOST_CAUSES]
    if not wanted or not options.thumbnails:
        return DriftPictures()
    if not captures.is_dir():
        return DriftPictures(note=OFF)
    kept = _kept(captures, {name for cause in wanted for name in cause.request_ids})
    media: dict[str, str] = {}
    now: dict[int, list[Card]] = {}
    for place, cause in enumerate(told.causes):
        if found := _cards(cause, kept, options.thumbnails, media):
            now[place] = found
    if not now:
        return DriftPictures(note=GONE)
    cards = Cards(clips)
    before = [cards.card(name) for name in _learned_from(references, clips, options.thumbnails)]
    media |= cards.section(None).media
    shown = ReportOptions(
        thumbnail_height=options.thumbnail_height, timeout_s=options.timeout_s, memory_mb=options.memory_mb
    )
    return DriftPictures(now, before, pictures(media, thumbnails, shown, mapper))


def _kept(captures: Path, wanted: set[str]) -> dict[str, Captured]:
    return {one.request_id: one for one in CaptureStore(captures).entries() if one.request_id in wanted}


def _cards(cause: CauseTold, kept: Mapping[str, Captured], most: int, media: dict[str, str]) -> list[Card]:
    """Cards of a cause's clips that are kept, each content once; their media are noted."""
    found: dict[str, Card] = {}
    for name in cause.request_ids:
        one = kept.get(name)
        if one is None or one.content in found or len(found) == most:
            continue
        sha = one.media_sha256 if one.media is not None and one.media.is_file() else ""
        if one.media is not None and sha:
            media[sha] = to_stored(one.media)
        found[one.content] = Card(one.clip_id, one.caption, sha, (f"{one.time:%Y-%m-%d %H:%M}",))
    return list(found.values())


def _learned_from(references: Mapping[str, pd.DataFrame], clips: pd.DataFrame, most: int) -> Sequence[str]:
    """Clips that any served model learned from, of as many creators as can be; those with media first."""
    known: set[str] = set()
    for table in references.values():
        known |= set(_ids(table))
    at_hand = clips[clips["clip_id"].isin(known)]
    with_media = at_hand[at_hand["media_sha256"] != ""]
    return list(spread(with_media if len(with_media) else at_hand, "group", most))


def _ids(table: pd.DataFrame) -> Iterable[str]:
    return table["clip_id"].astype(str) if "clip_id" in table else ()

"""Nodes that read a feed, and set aside what cannot be used of it."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Final

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import Reason
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.rows import Rows
from cu_pipeline.core.spool import Spool, spooled
from cu_pipeline.ingest.admission import addresses, admit_rows, check_rows, place, sort_by_name
from cu_pipeline.ingest.annotations import annotations_of_people
from cu_pipeline.ingest.columns import capability_columns
from cu_pipeline.ingest.feed_change import SAMPLE as GENERATED
from cu_pipeline.ingest.feed_change import check_feed_change
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.ingest.fetching import Fetched, fetch_files
from cu_pipeline.ingest.language import odd_tags
from cu_pipeline.ingest.manifest import in_frames, manifest_table
from cu_pipeline.ingest.media_store import FOLDER as MEDIA_STORE
from cu_pipeline.ingest.opinions import foreign_columns
from cu_pipeline.ingest.options import FetchOptions, LanguageOptions
from cu_pipeline.ingest.probing import Probed, probe_new, without_facts
from cu_pipeline.ingest.served_feedback import ServedFeedback
from cu_pipeline.ingest.tombstones import REMEDY, Tombstones, drop_copies, names_content, without_erased
from cu_pipeline.media.options import Limits
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.sample.options import SampleOptions

SAMPLE: Final = "data/01_raw/sample"
"""Where the generated feed lies."""

OWN: Final = (SAMPLE, MEDIA_STORE.as_posix())
"""Folders with media that the project made or unpacked itself."""

_SHOWN: Final = 200
"""Characters of a reason that are shown."""

_log = logging.getLogger(__name__)


def read_feed(
    options: CollectOptions,
    compute: ComputeOptions,
    earlier_manifest: Rows,
    earlier_clips: Rows,
    tombstones: Tombstones,
) -> Rows:
    """Read the rows of all feeds as text, and generate the sample if that is among them.

    Args:
        options: of the collect pipeline.
        compute: what it runs on.
        earlier_manifest: what an earlier run read; may be empty.
        earlier_clips: what an earlier run made of it; may be empty.
        tombstones: what was erased: its rows say no more than that they are refused.

    Raises:
        ManifestError: a feed cannot be read at all.
        ForeignFeedError: no row is a clip of the earlier run, and nobody asked to replace those.
    """
    rows = read_feeds(options.manifest, options.limits, {GENERATED: partial(_plan_sample, options=options.sample)})
    check_feed_change(rows, earlier_manifest, earlier_clips, options.manifest, replace=options.replace)
    _render_sample(options, mapper_of(compute), tombstones)
    return _without_erased(rows, tombstones)


def _without_erased(rows: Rows, tombstones: Tombstones) -> Rows:
    """Put rows that say no more than that they are refused in the place of what was erased, and remove its copies."""
    if not tombstones.entries:
        return rows
    spool, gone = Spool(), set()
    for batch in rows.batches():
        left = without_erased(batch, tombstones)
        spool.add(left)
        if "path" in batch:
            gone |= set(batch.loc[batch["path"] != left["path"], "path"])
    left_rows = spool.rows()
    for batch in left_rows.batches(["path"]) if gone else ():
        gone -= set(batch["path"])
    drop_copies(gone, OWN)
    return left_rows


def fetch_media(
    raw_manifest: Rows,
    fetch_cache: dict[str, Fetched],
    options: FetchOptions,
    limits: Limits,
    tombstones: Tombstones,
) -> Iterator[list[Fetched]]:
    """Fetch the media behind addresses that were not fetched before or have changed, and yield what is done.

    Args:
        raw_manifest: the feed's rows as text.
        fetch_cache: what earlier runs fetched.
        options: of fetching.
        limits: what a file may cost.
        tombstones: what was erased: of such a content no copy is kept.
    """
    yield []
    for found in fetch_files(addresses(raw_manifest), fetch_cache, options, limits):
        yield [_without_copy(one, tombstones) for one in found]


def _without_copy(fetched: Fetched, tombstones: Tombstones) -> Fetched:
    if not (tombstones.entries and names_content(fetched.path, tombstones)):
        return fetched
    from_stored(fetched.path).unlink(missing_ok=True)
    return Fetched(fetched.address, reason=Reason.ERASED, detail=REMEDY)


def place_media(raw_manifest: Rows, fetched: dict[str, Fetched]) -> tuple[Rows, pd.DataFrame]:
    """Put the copies on this machine in the place of addresses.

    Args:
        raw_manifest: the feed's rows as text.
        fetched: what was fetched, by address.

    Returns:
        Rows with local media, and rejects.
    """
    return place(raw_manifest, fetched)


def check_feed(
    placed_rows: Rows, capabilities: Capabilities, limits: Limits, language: LanguageOptions
) -> tuple[Rows, pd.DataFrame]:
    """Divide the feed's rows into those that make sense and those that do not.

    Args:
        placed_rows: the feed's rows as text, with local media.
        capabilities: what to recognise.
        limits: what a media file may cost.
        language: of captions.

    Returns:
        Checked rows, and rejects.
    """
    placed_rows = capability_columns(placed_rows, capabilities.root)
    if foreign := foreign_columns(placed_rows.names, capabilities):
        known = ", ".join(capabilities.root)
        _log.warning("columns %s belong to no capability and are kept as metadata; capabilities: %s", foreign, known)
    tags = placed_rows.batches(["lang"]) if "lang" in placed_rows.names else ()
    if odd := odd_tags(tag for batch in tags for tag in batch["lang"]):
        shown = ", ".join(f"{tag!r} {number}" for tag, number in odd.most_common(5))
        _log.warning("%d rows have a `lang` that is no BCP 47 tag, kept as metadata: %s", odd.total(), shown)
    return check_rows(placed_rows, capabilities, limits, language)


def probe_media(
    checked_rows: Rows,
    probe_cache: dict[str, Probed],
    limits: Limits,
    compute: ComputeOptions,
    tombstones: Tombstones,
) -> Iterator[list[Probed]]:
    """Probe the media files that were not probed before, a chunk at a time.

    Args:
        checked_rows: rows that make sense.
        probe_cache: what earlier runs found.
        limits: what a media file may cost.
        compute: what it runs on.
        tombstones: what was erased: of such a content nothing is kept but that it is refused.
    """
    yield []
    for found in probe_new(checked_rows.columns("probe_key", "path"), probe_cache, limits, mapper_of(compute)):
        yield [without_facts(one, tombstones) for one in found]


def admit_clips(checked_rows: Rows, probes: dict[str, Probed], tombstones: Tombstones) -> tuple[Rows, pd.DataFrame]:
    """Divide rows by what probing found.

    Args:
        checked_rows: rows that make sense.
        probes: what probing found, by key.
        tombstones: what was erased, and does not come back under another name.

    Returns:
        Rows of usable clips, sorted by their names, and rejects.
    """
    admitted, refused = admit_rows(checked_rows, probes, tombstones)
    return sort_by_name(admitted), refused


def list_rejects(*refused: pd.DataFrame) -> pd.DataFrame:
    """Gather the refused rows of all checks, sorted."""
    rejects = pd.concat(refused).sort_values(["clip_id", "path", "reason", "detail"])
    count("clips_rejected", len(rejects))
    for reason, some in rejects.groupby("reason"):
        first = some.iloc[0]
        which = first["clip_id"] or first["path"] or "a row"
        _log.warning("%d refused: %s (%s: %s)", len(some), reason, which, first["detail"][:_SHOWN])
    return rejects.reset_index(drop=True)


def collect_annotations(admitted_rows: Rows, served_feedback: list[ServedFeedback], capabilities: Capabilities) -> Rows:
    """List what people said about usable clips, in the feed and to the service, and check the classes that they named.

    Args:
        admitted_rows: rows of usable clips.
        served_feedback: what people said to the service.
        capabilities: what to recognise.

    Raises:
        ConfigurationError: labels that are no configured class, or classes that differ only in case or form.
    """
    return annotations_of_people(admitted_rows, served_feedback, capabilities)


def _plan_sample(place: str, limits: Limits, options: SampleOptions) -> Rows:  # noqa: ARG001 - Feed
    """Tell the rows of the generated feed, a `Feed`, whose media need not be there yet."""
    from cu_pipeline.sample.generate import manifest_rows

    return manifest_table(spooled(in_frames(manifest_rows(options))), GENERATED, str(from_stored(place or SAMPLE)))


def _render_sample(options: CollectOptions, mapper: Mapper, tombstones: Tombstones) -> None:
    """Render what of the generated feed is not there yet, if it is among the feeds."""
    from cu_pipeline.sample.generate import generate

    for name, _, folder in (one.partition(":") for one in options.manifest):
        if name == GENERATED:
            generate(from_stored(folder or SAMPLE), options.sample, mapper, tombstones.names)

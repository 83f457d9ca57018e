import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cu_pipeline.core import records
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.labeling.people.batches import answered_clips, review_batches
from cu_pipeline.labeling.people.records import Decided, Opened, PersonAnswer
from cu_pipeline.media.fetch_log import Fetched
from cu_pipeline.media.hash_log import Hashed
from cu_pipeline.media.probe_log import Probed
from cu_pipeline.pipelines.collect.admission import admit_rows, check_rows
from cu_pipeline.pipelines.collect.data_checks import checks_in_words, data_checks
from cu_pipeline.pipelines.collect.duplicates.groups import duplicate_groups
from cu_pipeline.pipelines.collect.fetching.fetch import fetch_files
from cu_pipeline.pipelines.collect.hashing import hash_files, hash_key
from cu_pipeline.pipelines.collect.language import name_languages
from cu_pipeline.pipelines.collect.language_tags import odd_tags
from cu_pipeline.pipelines.collect.late import late_units
from cu_pipeline.pipelines.collect.leakage import SHOWN, find_leakage, let_go_in_words
from cu_pipeline.pipelines.collect.ledger import assign, entries, placed_splits, read_ledger, write_ledger
from cu_pipeline.pipelines.collect.opinions import foreign_columns
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.placing import addresses, place
from cu_pipeline.pipelines.collect.probing import probe_files
from cu_pipeline.pipelines.collect.sources.table import read_sources
from cu_pipeline.pipelines.collect.straddling import leave_out, straddled
from cu_pipeline.pipelines.collect.ties import find_ties, sets_of_copies
from cu_pipeline.pipelines.collect.units import form_units, size_limit

_log = logging.getLogger(__name__)


def read_feed(options: CollectOptions, workers: int) -> pd.DataFrame:
    """Read the rows of all sources as text, after generating the sample if that is among them.

    Args:
        options: of the collect pipeline.
        workers: processes for what takes long; 0: one per core.
    """
    return read_sources(options, workers)


def fetch_media(
    raw_manifest: pd.DataFrame, fetch_cache: dict[str, Fetched], options: CollectOptions
) -> Iterator[list[Fetched]]:
    """Fetch the media behind addresses that were not fetched before or have changed, and yield what is done.

    Args:
        raw_manifest: the feed's rows as text.
        fetch_cache: what earlier runs fetched.
        options: of the collect pipeline.
    """
    yield []
    yield from fetch_files(addresses(raw_manifest), fetch_cache, options.fetch, options.limits)


def place_media(raw_manifest: pd.DataFrame, fetched: dict[str, Fetched]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give rows whose media lie behind addresses the copies on this machine.

    Args:
        raw_manifest: the feed's rows as text.
        fetched: what was fetched, by address.

    Returns:
        Rows with local media, and rejects.
    """
    return place(raw_manifest, fetched)


def check_feed(
    placed_rows: pd.DataFrame, capabilities: Capabilities, options: CollectOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the feed's rows into those that make sense and those that do not.

    Args:
        placed_rows: the feed's rows as text, with local media.
        capabilities: what to recognise.
        options: of the collect pipeline.

    Returns:
        Checked rows, and rejects.
    """
    if foreign := foreign_columns(placed_rows.columns, capabilities):
        known = ", ".join(capabilities.root)
        _log.warning("columns %s belong to no capability and are kept as metadata; capabilities: %s", foreign, known)
    if odd := odd_tags(placed_rows.get("lang", ())):
        shown = ", ".join(f"{tag!r} {number}" for tag, number in odd.most_common(5))
        _log.warning("%d rows have a `lang` that is no BCP 47 tag, kept as metadata: %s", odd.total(), shown)
    checked, refused = check_rows(_rows(placed_rows), capabilities, options.limits)
    return name_languages(checked, options.language), refused


def probe_media(
    checked_rows: pd.DataFrame, probe_cache: dict[str, Probed], options: CollectOptions, workers: int
) -> Iterator[list[Probed]]:
    """Probe the media files that were not probed before, a chunk at a time.

    Args:
        checked_rows: rows that make sense.
        probe_cache: what earlier runs found.
        options: of the collect pipeline.
        workers: processes; 0: one per core.
    """
    with_media = checked_rows[checked_rows["probe_key"] != ""]
    files = dict(zip(with_media["probe_key"], with_media["path"], strict=True))
    new = {key: path for key, path in files.items() if key not in probe_cache}
    count("clips_probed", len(new))
    count("clips_probe_cached", len(files) - len(new))
    yield []
    yield from probe_files(new, options.limits, workers)


def admit_clips(checked_rows: pd.DataFrame, probes: dict[str, Probed]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give rows what probing found.

    Args:
        checked_rows: rows that make sense.
        probes: what probing found, by key.

    Returns:
        Rows of usable clips, and rejects.
    """
    return admit_rows(_rows(checked_rows), probes)


def list_rejects(*refused: pd.DataFrame) -> pd.DataFrame:
    """Give all refused rows, sorted."""
    rejects = pd.concat(refused).sort_values(["clip_id", "path", "reason", "detail"])
    count("clips_rejected", len(rejects))
    for reason, number in rejects["reason"].value_counts().sort_index().items():
        _log.warning("%d refused: %s", number, reason)
    return rejects.reset_index(drop=True)


def hash_media(
    admitted_rows: pd.DataFrame, hash_cache: dict[str, Hashed], options: CollectOptions, workers: int
) -> Iterator[list[Hashed]]:
    """Hash the frames of media files that were not hashed before, a chunk at a time.

    Args:
        admitted_rows: rows of usable clips.
        hash_cache: what earlier runs hashed.
        options: of the collect pipeline.
        workers: processes; 0: one per core.
    """
    with_media = admitted_rows[admitted_rows["media_sha256"] != ""].drop_duplicates("media_sha256")
    files = dict(zip(map(hash_key, with_media["media_sha256"]), with_media["path"], strict=True))
    new = {key: path for key, path in files.items() if key not in hash_cache}
    count("clips_hashed", len(new))
    count("clips_hash_cached", len(files) - len(new))
    yield []
    yield from hash_files(new, options.limits, workers)


def find_duplicates(
    admitted_rows: pd.DataFrame, frame_hashes: dict[str, Hashed], options: CollectOptions
) -> pd.DataFrame:
    """Find groups of clips that show the same."""
    duplicates = duplicate_groups(admitted_rows, frame_hashes, options.duplicates)
    groups = duplicates["duplicate_group"].nunique()
    count("clips_duplicated", len(duplicates) - groups)
    _log.info("%d clips repeat others, in %d groups", len(duplicates) - groups, groups)
    return duplicates


def split_clips(
    admitted_rows: pd.DataFrame, duplicates: pd.DataFrame, earlier_splits: pd.DataFrame, options: CollectOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide clips so that neither a creator nor a duplicate is in two splits, and no clip moves.

    Args:
        admitted_rows: rows of usable clips.
        duplicates: groups of clips that show the same.
        earlier_splits: what earlier runs gave; may be empty.
        options: of the collect pipeline.

    Returns:
        Rows with `split`, and why it is `left_out` in `apart`; and what was given so far.
    """
    ledger = records.table(earlier_splits, records.SPLITS)
    given = read_ledger(ledger, options.split)
    ties = find_ties(admitted_rows, duplicates, options.split.common_caption)
    copies = sets_of_copies(ties)
    limit = size_limit(len(admitted_rows), options.split.largest_unit)
    units = form_units(ties, copies, placed_splits(copies, given), limit)
    late = late_units(units.names, admitted_rows["posted_at"], options.split.test_from)
    assigned = assign(units, given, options.split, late)
    now = entries(units, assigned, given, late)
    apart = straddled(ties, units, assigned, now)
    splits = leave_out([assigned[unit].split.value for unit in units.names], apart)
    rows = admitted_rows.assign(group=units.names, split=splits, apart=apart)
    return rows, write_ledger(ledger, now, options.split)


def keep_clips(split_rows: pd.DataFrame, rejects: pd.DataFrame, options: CollectOptions) -> pd.DataFrame:
    """Give the table of clips.

    Args:
        split_rows: rows of usable clips with their splits.
        rejects: refused rows.
        options: of the collect pipeline.

    Raises:
        ManifestError: there is no usable clip.
    """
    if split_rows.empty:
        reasons = rejects["reason"].value_counts().sort_index()
        refused = ", ".join(f"{reason} {number}" for reason, number in reasons.items()) or "none"
        remedy = "Remedy: data/08_reporting/rejects.csv says why each row was refused"
        raise ManifestError(f"{'; '.join(options.manifest)!r} holds no usable clip; refused: {refused}. {remedy}")
    count("clips_collected", len(split_rows))
    _tell_sizes(Counter(split_rows["split"]))
    return records.table(split_rows, records.CLIPS).sort_values("clip_id").reset_index(drop=True)


def check_leakage(
    clips: pd.DataFrame, duplicates: pd.DataFrame, split_rows: pd.DataFrame, options: CollectOptions
) -> dict[str, Any]:
    """Count the creators, duplicates and captions that stand in more than one split, and what is left out for them."""
    leakage = find_leakage(clips, duplicates, options.split.common_caption)
    shared = {kind: leakage[kind]["shared"] for kind in ("creators", "duplicate_groups", "captions", "common_captions")}
    told = ", ".join(f"{kind.replace('_', ' ')} {number}" for kind, number in shared.items())
    leaks = shared["creators"] or shared["duplicate_groups"]
    _log.log(logging.ERROR if leaks else logging.INFO, "shared between splits: %s", told)
    apart = split_rows.loc[split_rows["apart"] != "", ["clip_id", "apart"]].sort_values("clip_id")
    if let_go := let_go_in_words(leakage["captions"], len(apart), len(clips), options.split):
        _log.warning(let_go)
    return leakage | {"left_out": {"clips": len(apart), "examples": dict(apart.head(SHOWN).to_numpy().tolist())}}


def check_data(
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Capabilities,
    options: CollectOptions,
) -> dict[str, Any]:
    """Describe the splits, languages and classes, and warn of what keeps them from being good."""
    found = data_checks(clips, duplicates, annotations, capabilities, options)
    for warning in checks_in_words(found, len(clips), options):
        _log.warning(warning)
    return found


def keep_people_work() -> tuple[list[Opened | Decided], list[PersonAnswer]]:
    """Add nothing to the logs of people's work, which `kedro labels` writes: as outputs they come under DVC."""
    return [], []


def collect_annotations(
    admitted_rows: pd.DataFrame, people_batches: list[Opened | Decided], people_annotations: list[PersonAnswer]
) -> pd.DataFrame:
    """Give one row for each thing that a person said about a usable clip, in the feed or in an accepted batch.

    Args:
        admitted_rows: rows of usable clips.
        people_batches: batches of clips that people got, and decisions on them.
        people_annotations: people's answers.
    """
    rows: list[dict[str, object]] = [
        {
            "clip_id": clip_id,
            "capability": capability,
            "annotator": annotator,
            "kind": AnnotatorKind.HUMAN.value,
            "label": label,
            "probability": float("nan"),
            "probabilities": "",
            "price": 0.0,
            "version": "",
            "draw": "",
        }
        for clip_id, opinions in zip(admitted_rows["clip_id"], admitted_rows["opinions"], strict=True)
        for capability, labels in json.loads(opinions).items()
        for annotator, label in labels.items()
    ]
    answered = answered_clips(review_batches(people_batches, people_annotations), admitted_rows["clip_id"])
    annotations = pd.concat([records.table(rows, records.ANNOTATIONS), answered], ignore_index=True)
    annotations = annotations.drop_duplicates(["clip_id", "capability", "annotator"], keep="last")
    return annotations.sort_values(["clip_id", "capability", "annotator"]).reset_index(drop=True)


def _tell_sizes(sizes: Counter[str]) -> None:
    shown = ", ".join(f"{split.value} {sizes[split.value]}" for split in Split)
    left_out = f", left out {sizes[records.LEFT_OUT]}" if sizes[records.LEFT_OUT] else ""
    _log.log(
        logging.INFO if all(sizes[one.value] for one in Split) else logging.WARNING,
        "clips by split: %s%s",
        shown,
        left_out,
    )


def _rows(frame: pd.DataFrame) -> Iterator[dict[str, str]]:
    names = frame.columns.tolist()
    for values in frame.itertuples(index=False, name=None):
        yield dict(zip(names, values, strict=True))

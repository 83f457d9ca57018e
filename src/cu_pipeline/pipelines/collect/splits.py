"""Nodes that find copies, divide the clips, and tell what the splits are like."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.core import records
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.records import Split
from cu_pipeline.core.rows import Rows, rows_of
from cu_pipeline.dedup.frame_hashes import hash_new
from cu_pipeline.dedup.hash_table import Hashed, HashTable
from cu_pipeline.dedup.matching import DuplicateOptions, duplicate_groups
from cu_pipeline.media.options import Limits
from cu_pipeline.pipelines.collect.options import CheckOptions, CollectOptions
from cu_pipeline.splitting.assignment import divide
from cu_pipeline.splitting.checks import SHOWN, balance_in_words, check_balance, find_leakage, let_go_in_words
from cu_pipeline.splitting.options import SplitOptions

_log = logging.getLogger(__name__)


def hash_media(
    admitted_rows: Rows, hash_cache: HashTable, limits: Limits, compute: ComputeOptions
) -> Iterator[list[Hashed]]:
    """Hash the frames of media files that were not hashed before, a chunk at a time.

    Args:
        admitted_rows: rows of usable clips.
        hash_cache: what earlier runs hashed.
        limits: what a media file may cost.
        compute: what it runs on.
    """
    yield []
    yield from hash_new(admitted_rows.columns("media_sha256", "path"), hash_cache, limits, mapper_of(compute))


def find_duplicates(admitted_rows: Rows, frame_hashes: HashTable, options: DuplicateOptions) -> pd.DataFrame:
    """Find groups of clips that show the same."""
    duplicates = duplicate_groups(admitted_rows.columns("clip_id", "media_sha256", "text"), frame_hashes, options)
    groups = duplicates["duplicate_group"].nunique()
    count("clips_duplicated", len(duplicates) - groups)
    _log.info("%d clips repeat others, in %d groups", len(duplicates) - groups, groups)
    return duplicates


def split_clips(
    admitted_rows: Rows, duplicates: pd.DataFrame, earlier_splits: pd.DataFrame, options: SplitOptions
) -> tuple[Rows, pd.DataFrame]:
    """Divide clips so that neither a creator nor a duplicate is in two splits, and no clip moves.

    Args:
        admitted_rows: rows of usable clips.
        duplicates: groups of clips that show the same.
        earlier_splits: what earlier runs gave; may be empty.
        options: how clips are divided.

    Returns:
        Of each row its `clip_id`, `group` and `split`, and why it is `left_out` in `apart`; and what was given so far.
    """
    shared = admitted_rows.columns("clip_id", "creator", "text", "posted_at", "media_sha256", "text_sha256")
    rows, splits = divide(shared, duplicates, earlier_splits, options)
    return rows_of(rows[["clip_id", "group", "split", "apart"]]), splits


def keep_clips(
    admitted_rows: Rows, split_rows: Rows, rejects: pd.DataFrame, options: CollectOptions
) -> tuple[Rows, Rows]:
    """Make the table of clips.

    Args:
        admitted_rows: rows of usable clips.
        split_rows: their splits.
        rejects: refused rows.
        options: of the collect pipeline.

    Returns:
        The table, to be stored, and to be looked at.

    Raises:
        ManifestError: there is no usable clip.
    """
    if not len(split_rows):
        reasons = rejects["reason"].value_counts().sort_index()
        refused = ", ".join(f"{reason} {number}" for reason, number in reasons.items()) or "none"
        remedy = "Remedy: data/08_reporting/rejects.csv says why each row was refused"
        raise ManifestError(f"{'; '.join(options.manifest)!r} holds no usable clip; refused: {refused}. {remedy}")
    count("clips_collected", len(split_rows))
    given = split_rows.columns("group", "split")
    _tell_sizes(Counter(_counts(given["split"])))
    clips = admitted_rows.beside(given).only(list(records.CLIPS))
    return clips, clips


def check_leakage(
    kept_clips: Rows, duplicates: pd.DataFrame, split_rows: Rows, options: SplitOptions
) -> dict[str, Any]:
    """Count the creators, duplicates and captions that stand in more than one split, and what is left out for them."""
    clips = kept_clips.columns("clip_id", "creator", "text", "split")
    leakage = find_leakage(clips, duplicates, options.common_caption)
    shared = {kind: leakage[kind]["shared"] for kind in ("creators", "duplicate_groups", "captions", "common_captions")}
    told = ", ".join(f"{kind.replace('_', ' ')} {number}" for kind, number in shared.items())
    leaks = shared["creators"] or shared["duplicate_groups"]
    _log.log(logging.ERROR if leaks else logging.INFO, "shared between splits: %s", told)
    reasons = split_rows.columns("clip_id", "apart")
    apart = reasons[reasons["apart"] != ""]
    if let_go := let_go_in_words(leakage["captions"], len(apart), len(clips), options):
        _log.warning(let_go)
    return leakage | {"left_out": {"clips": len(apart), "examples": dict(apart.head(SHOWN).to_numpy().tolist())}}


def check_splits(
    kept_clips: Rows, duplicates: pd.DataFrame, options: SplitOptions, checks: CheckOptions
) -> dict[str, Any]:
    """Describe splits and languages, and warn of what keeps the splits from being as asked.

    What the classes are like is told where all that people said is known; `least` says what is asked of them.
    """
    clips = kept_clips.columns("clip_id", "creator", "group", "split", "lang", "lang_source")
    found = check_balance(clips, duplicates, options)
    for warning in balance_in_words(found, len(clips), options):
        _log.warning(warning)
    languages = {"languages": _counts(clips["lang"]), "language_sources": _counts(clips["lang_source"])}
    return found | languages | {"least": checks.rare_class}


def _tell_sizes(sizes: Counter[str]) -> None:
    shown = ", ".join(f"{split.value} {sizes[split.value]}" for split in Split)
    left_out = f", left out {sizes[records.LEFT_OUT]}" if sizes[records.LEFT_OUT] else ""
    _log.log(
        logging.INFO if all(sizes[one.value] for one in Split) else logging.WARNING,
        "clips by split: %s%s",
        shown,
        left_out,
    )


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(n) for value, n in values.value_counts().sort_index().items()}

"""Clips in a Hugging Face dataset on disk."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.addresses import is_address, suffix_of
from cu_pipeline.core.caption_text import folded_name
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, ManifestError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.core.progress import each
from cu_pipeline.ingest.columns import known_columns
from cu_pipeline.ingest.manifest import PROBLEM, REASON, Record
from cu_pipeline.ingest.media_store import extract_once, keep, sweep
from cu_pipeline.media.options import Limits

COLUMNS = ("path", "video", "media", "mp4", "bytes")
"""Columns that hold the media where none has the type Video: a path, bytes, or both."""


def read_huggingface(place: str, limits: Limits) -> pd.DataFrame:
    """Read a dataset that was written by `save_to_disk`, with all its splits.

    The media are the first column of type Video, else the first that `COLUMNS` names. Classes (ClassLabel, and lists of
    them) become their names. All other columns keep their names; a split's name goes into the column `hf_split`. Bytes
    are unpacked once.

    Args:
        place: the dataset's folder, seen from the project's root; relative media paths start there.
        limits: `max_bytes` holds for each media file.

    Raises:
        ManifestError: there is no such dataset, it has neither media nor text, or `datasets` is not installed.
    """
    folder = from_stored(str(Path(place).expanduser()))
    sweep()
    frames = [
        extract_once(
            [str(folder), split, _versions(dataset), limits.max_bytes, *_lists_of_classes(dataset.features)],
            partial(_read, dataset, split, folder, limits.max_bytes),
        )
        for split, dataset in _open(place, folder).items()
    ]
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    rows = pd.concat([frame.reindex(columns=columns, fill_value="") for frame in frames], ignore_index=True)
    if rows.empty:
        raise ManifestError(f"huggingface {place!r} has no rows")
    return known_columns(rows, f"huggingface {place!r}")


def _open(place: str, folder: Path) -> dict[str, Any]:
    try:
        from datasets import Dataset, load_from_disk
    except ImportError as error:
        remedy = "Remedy: pip install 'cu-pipeline[hf]'"
        raise ManifestError(f"huggingface {place!r} needs the package `datasets`. {remedy}") from error
    try:
        found = load_from_disk(str(folder))
    except Exception as error:  # of Arrow, JSON and the file system
        remedy = "Remedy: name a folder that Dataset.save_to_disk or DatasetDict.save_to_disk wrote"
        raise ManifestError(
            f"huggingface {place!r} cannot be read: {type(error).__name__}: {error}. {remedy}"
        ) from error
    splits = {"": found} if isinstance(found, Dataset) else dict(found)
    for dataset in splits.values():
        if _media_column(dataset.features) is None and "text" not in map(folded_name, dataset.column_names):
            remedy = f"Remedy: rename_column to one of {', '.join(COLUMNS)}, or to text"
            raise ManifestError(
                f"huggingface {place!r} has neither media nor text, only {dataset.column_names}. {remedy}"
            )
    return splits


def _versions(dataset: Any) -> list[list[object]]:
    files = [Path(file["filename"]) for file in dataset.cache_files]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _media_column(features: Any) -> str | None:
    from datasets import Video

    typed = (name for name, feature in features.items() if isinstance(feature, Video))
    return next(typed, next((name for name in COLUMNS if name in features), None))


def _read(dataset: Any, split: str, folder: Path, max_bytes: int) -> Iterator[Record]:
    from datasets import ClassLabel, Video

    media = _media_column(dataset.features)
    for name, feature in dataset.features.items():
        if isinstance(feature, Video):
            dataset = dataset.cast_column(name, Video(decode=False))
    inner = {name: _innermost(feature) for name, feature in dataset.features.items()}
    names = {name: feature for name, feature in inner.items() if isinstance(feature, ClassLabel)}
    for row in each(iter(dataset), f"reading {folder.name} {split}".rstrip(), len(dataset), "row"):
        record = {name: value for name, value in row.items() if name != media and not isinstance(value, bytes)}
        record |= {name: _named(feature, record[name]) for name, feature in names.items()}
        record |= {"hf_split": split} if split else {}
        try:
            yield record | {"path": _media(row[media], folder, max_bytes) if media else ""}
        except BadClipError as error:
            yield record | {"path": "", PROBLEM: error.detail, REASON: error.reason.value}


def _innermost(feature: Any) -> Any:
    """Find what lists are of; they are written as `List(ClassLabel)`, `Sequence(…)` or `[…]`."""
    while isinstance(feature, list) or hasattr(feature, "feature"):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    return feature


def _lists_of_classes(features: Any) -> list[str]:
    """Name the columns of lists of classes, which earlier versions listed by their numbers."""
    from datasets import ClassLabel

    inner = {name: _innermost(feature) for name, feature in features.items()}
    return [name for name, one in inner.items() if isinstance(one, ClassLabel) and one is not features[name]]


def _named(feature: Any, value: Any) -> Any:
    """Put classes' names in the place of their numbers, in lists too."""
    if isinstance(value, list):
        return [_named(feature, one) for one in value]
    return None if value is None or value < 0 else feature.int2str(value)


def _media(value: Any, folder: Path, max_bytes: int) -> str:
    """Find the place of a row's media: its bytes are put into the media store, else its path is taken."""
    parts = value if isinstance(value, dict) else {"bytes" if isinstance(value, bytes) else "path": value}
    path, content = parts.get("path") or "", parts.get("bytes")
    if content is not None:
        count("media_extracted")
        return keep([content], suffix_of(path), max_bytes)
    return path if not path or is_address(path) else to_stored(folder / path)

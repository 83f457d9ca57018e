"""The feed `capture`: clips that the service was asked about."""

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.caption_text import folded_name
from cu_pipeline.core.errors import ManifestError, StoreError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.core.scope import metadata_text
from cu_pipeline.ingest.capture_index import INDEX
from cu_pipeline.ingest.capture_store import Captured, CaptureStore
from cu_pipeline.ingest.columns import COLUMNS, LABEL, VOTES
from cu_pipeline.ingest.manifest import PROBLEM
from cu_pipeline.media.options import Limits

CAPTURES: Final = "data/01_raw/capture"
"""Where the service of a project keeps them."""

METADATA: Final = "metadata"
"""The fact that holds a client's other facts, a JSON object."""

MOST_KEYS: Final = 100
"""Keys of the metadata that become columns: clients may name as many as they like."""

_log = logging.getLogger(__name__)


def read_capture(place: str, limits: Limits) -> pd.DataFrame:  # noqa: ARG001 - Feed
    """Read what a capture store keeps, each content once, as the first request about it told.

    What clients told as `metadata` becomes columns, except what would stand for a manifest's own columns or for labels:
    a client is no annotator.

    Args:
        place: folder of the store; "" for the project's own.
        limits: unused: the service has held media to its own.

    Raises:
        ManifestError: there is no such store, or it cannot be read.
    """
    folder = from_stored(str(Path(place or CAPTURES).expanduser()))
    if not (folder / INDEX).is_file():
        raise ManifestError(
            f"capture {place or CAPTURES!r} holds nothing. Remedy: run a service with CU_PIPELINE_CAPTURE={folder}, "
            "and ask it about clips"
        )
    rows: dict[str, dict[str, str]] = {}
    try:
        for one in CaptureStore(folder).entries():
            if one.content not in rows:
                rows[one.content] = capture_row(one)
    except StoreError as error:
        raise ManifestError(str(error)) from error
    return capture_frame(rows.values())


def capture_frame(rows: Collection[Mapping[str, str]]) -> pd.DataFrame:
    """Make the table of a feed: the columns of a manifest, and the commonest keys of the metadata."""
    frame = pd.DataFrame(list(rows), columns=[*COLUMNS, PROBLEM, *_keys(rows)]).fillna("")
    return frame.astype(str)


def capture_row(one: Captured) -> dict[str, str]:
    """Make the row of a clip that was kept: what its client told, and what a manifest has."""
    return _told(one) | {
        "clip_id": one.clip_id,
        "path": "" if one.media is None else to_stored(one.media),
        "text": one.caption,
        "creator": one.facts.get("creator", ""),
        "posted_at": one.time.isoformat(timespec="seconds"),
        "lang": one.facts.get("lang", ""),
        PROBLEM: "",
    }


def _told(one: Captured) -> dict[str, str]:
    """The metadata that a client told."""
    given = json.loads(one.facts.get(METADATA, "{}"))
    return {key: metadata_text(value) for key, value in given.items() if not _is_own(key)}


def _is_own(key: str) -> bool:
    """Whether a manifest's column of this name means something to the product."""
    name = folded_name(key)
    return not name or name in {*COLUMNS, LABEL, VOTES} or name.startswith(("_", f"{LABEL}_", f"{VOTES}_"))


def _keys(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The commonest keys of the metadata, sorted."""
    often = Counter(key for row in rows for key in row if key not in {*COLUMNS, PROBLEM})
    chosen = sorted(often, key=lambda key: (-often[key], key))[:MOST_KEYS]
    if len(often) > MOST_KEYS:
        _log.warning("of %d keys of metadata that clients named, the %d commonest are kept", len(often), MOST_KEYS)
    return sorted(chosen)

"""The feed `capture`: clips that the service was asked about."""

from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.errors import ManifestError, StoreError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.ingest.capture_store import INDEX, Captured, CaptureStore
from cu_pipeline.ingest.manifest import PROBLEM
from cu_pipeline.media.options import Limits

CAPTURES: Final = "data/01_raw/capture"
"""Where the service of a project keeps them."""

_NAME: Final = 16


def read_capture(place: str, limits: Limits) -> pd.DataFrame:  # noqa: ARG001 - Feed
    """Read what a capture store keeps, each content once.

    A clip is called as the client called it, or else by its content, so that its name stays. Where two contents have
    the same name, the later ones have the content's beside it.

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
    try:
        entries = list(CaptureStore(folder).entries())
    except StoreError as error:
        raise ManifestError(str(error)) from error
    rows: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for one in entries:
        content = f"{one.media_sha256}/{text_sha256(one.caption)}"
        if content not in rows:
            rows[content] = _row(one, _name(one, content, names))
    return pd.DataFrame(rows.values(), columns=["clip_id", "path", "text", "creator", "posted_at", "lang", PROBLEM])


def _row(one: Captured, name: str) -> dict[str, str]:
    return {
        "clip_id": name,
        "path": "" if one.media is None else to_stored(one.media),
        "text": one.caption,
        "creator": one.facts.get("creator", ""),
        "posted_at": one.time.isoformat(timespec="seconds"),
        "lang": one.facts.get("lang", ""),
        PROBLEM: "",
    }


def _name(one: Captured, content: str, names: dict[str, str]) -> str:
    """A name that is the content's alone."""
    short = text_sha256(content)[:_NAME]
    wanted = one.facts.get("clip_id", "") or f"capture-{short}"
    name = wanted if names.get(wanted, content) == content else f"{wanted}-{short}"
    names[name] = content
    return name

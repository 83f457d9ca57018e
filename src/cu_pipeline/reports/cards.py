import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.paths import from_stored
from cu_pipeline.reports.options import ReportOptions


@dataclass(frozen=True)
class Card:
    """One clip as the page shows it.

    Attributes:
        clip_id: of the clip.
        text: its caption.
        media_sha256: "" for text only.
        notes: lines below the picture.
        good: whether the notes are good news; None if neither.
    """

    clip_id: str
    text: str
    media_sha256: str
    notes: tuple[str, ...]
    good: bool | None = None


class Cards:
    """Makes cards, and remembers which pictures they need.

    Args:
        clips: the table of clips.
    """

    def __init__(self, clips: pd.DataFrame) -> None:
        self._clips = clips.set_index("clip_id", drop=False)
        self._wanted: dict[str, str] = {}

    def card(self, clip_id: str, *notes: str, good: bool | None = None) -> Card:
        """Give the card of a clip."""
        text, sha, path = (str(self._clips.loc[clip_id, name]) for name in ("text", "media_sha256", "path"))
        if sha:
            self._wanted[sha] = path
        return Card(clip_id, text, sha, notes, good)

    def pictures(self, folder: Path, options: ReportOptions, mapper: Mapper) -> dict[str, str]:
        """Give the pictures of all cards made so far; media hash -> data URI.

        Each is decoded once, in a worker that may crash, and kept in `folder`. A clip that cannot be decoded has
        no picture.

        Args:
            folder: keeps pictures between runs.
            options: their size, and limits of the workers.
            mapper: makes them.
        """
        files = {sha: folder / f"{sha}-{options.thumbnail_height}.jpg" for sha in self._wanted}
        self._make([sha for sha, file in files.items() if not file.is_file()], files, options, mapper)
        pictures = {sha: file.read_bytes() for sha, file in files.items()}
        return {sha: data_uri(content, "image/jpeg") for sha, content in pictures.items() if content}

    def _make(self, missing: list[str], files: dict[str, Path], options: ReportOptions, mapper: Mapper) -> None:
        from cu_pipeline.core.atomic import atomic_path
        from cu_pipeline.media.pictures import thumbnail

        count("thumbnails_made", len(missing))
        outcomes = mapper.map(
            partial(thumbnail, height=options.thumbnail_height),
            [from_stored(self._wanted[sha]) for sha in missing],
            timeout_s=options.timeout_s,
            memory_mb=options.memory_mb,
            description="thumbnails",
        )
        for sha, outcome in zip(missing, outcomes, strict=True):
            with atomic_path(files[sha]) as temporary:
                temporary.write_bytes(outcome.value or b"")


def data_uri(content: bytes, kind: str) -> str:
    """Give the text that stands for a file inside a page.

    >>> data_uri(b"a", "image/png")
    'data:image/png;base64,YQ=='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def spread(frame: pd.DataFrame, by: str, most: int) -> Iterable[Any]:
    """Choose clips evenly over the values of a column: the ids of at most `most` rows, the same in every run."""
    order = frame.assign(turn=frame.groupby(by).cumcount()).sort_values(["turn", by, "clip_id"])
    return order["clip_id"].head(most)

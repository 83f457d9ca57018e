import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.options import Options
from cu_pipeline.core.paths import from_stored


class ReportOptions(Options):
    """What the report shows.

    Attributes:
        title: of the page.
        thumbnails: clips in the strip that shows the data.
        duplicate_groups: groups of near-duplicates on the data card, at most.
        examples: the surest mistakes on test clips of each capability, at most.
        thumbnail_height: in pixels.
        timeout_s: seconds for one picture.
        memory_mb: of a worker that makes pictures.
    """

    title: str = "Content understanding"
    thumbnails: int = Field(default=24, ge=0)
    duplicate_groups: int = Field(default=12, ge=0)
    examples: int = Field(default=12, ge=0)
    thumbnail_height: int = Field(default=200, ge=16, le=1080)
    timeout_s: float = Field(default=30.0, gt=0)
    memory_mb: int = Field(default=2048, ge=256)


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
    """Makes cards of clips, and remembers which pictures they need.

    Args:
        clips: the table of clips.
    """

    def __init__(self, clips: pd.DataFrame) -> None:
        self._clips = clips.set_index("clip_id", drop=False)
        self._wanted: dict[str, str] = {}

    def card(self, clip_id: str, *notes: str, good: bool | None = None) -> Card:
        """The card of a clip, with lines below its picture."""
        text, sha, path = (str(self._clips.loc[clip_id, name]) for name in ("text", "media_sha256", "path"))
        if sha:
            self._wanted[sha] = path
        return Card(clip_id, text, sha, notes, good)

    def section(self, shown: Any) -> "Section":
        """Close a part of a page, with the media of all cards made so far.

        Args:
            shown: what its template reads.
        """
        return Section(shown, dict(self._wanted))


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        shown: what its template reads.
        media: hash -> path, as tables keep it, of the media whose pictures it shows.
    """

    shown: Any
    media: dict[str, str]


def pictures(media: Mapping[str, str], folder: Path, options: ReportOptions, mapper: Mapper) -> dict[str, str]:
    """Pictures of media: hash -> data URI.

    Each is decoded once, in a worker that may crash, and kept in `folder`. A clip that cannot be decoded has
    no picture.

    Args:
        media: hash -> path.
        folder: keeps pictures between runs.
        options: their size, and limits of the workers.
        mapper: makes them.
    """
    from cu_pipeline.core.atomic import atomic_path
    from cu_pipeline.media.pictures import thumbnail

    files = {sha: folder / f"{sha}-{options.thumbnail_height}.jpg" for sha in media}
    missing = [sha for sha, file in files.items() if not file.is_file()]
    count("thumbnails_made", len(missing))
    outcomes = mapper.map(
        partial(thumbnail, height=options.thumbnail_height),
        [from_stored(media[sha]) for sha in missing],
        timeout_s=options.timeout_s,
        memory_mb=options.memory_mb,
        description="thumbnails",
    )
    for sha, outcome in zip(missing, outcomes, strict=True):
        with atomic_path(files[sha]) as temporary:
            temporary.write_bytes(outcome.value or b"")
    contents = {sha: file.read_bytes() for sha, file in files.items()}
    return {sha: data_uri(content, "image/jpeg") for sha, content in contents.items() if content}


def data_uri(content: bytes, kind: str) -> str:
    """The text that stands for a file inside a page.

    >>> data_uri(b"a", "image/png")
    'data:image/png;base64,YQ=='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def spread(frame: pd.DataFrame, by: str, most: int) -> Iterable[Any]:
    """Choose clips evenly over the values of a column: the ids of at most `most` rows, the same in every run."""
    order = frame.assign(turn=frame.groupby(by).cumcount()).sort_values(["turn", by, "clip_id"])
    return order["clip_id"].head(most)

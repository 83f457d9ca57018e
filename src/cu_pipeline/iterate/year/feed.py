"""The clips of a window, with their truth, as the platform's users would upload them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.paths import to_stored
from cu_pipeline.iterate.year.calendar import Window
from cu_pipeline.sample.generate import TRUTH, generate
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.truth import keep_truth

ORIGINALS_OF_COPIES: Final = 4
"""How many clips are uploaded again and again in a burst."""

_ACCOUNTS: Final = 12
_ADDED: Final = ("🔥", "part 2", "watch till the end", "repost", "full video in bio", "so good", "again!!", "must see")


@dataclass(frozen=True)
class Upload:
    """One request that the service gets.

    Attributes:
        clip_id: what the client calls the clip.
        creator: who posted it.
        path: the media file, as tables keep paths.
        text: the caption that arrives.
        topic: what is in it, which nobody but the simulation knows.
    """

    clip_id: str
    creator: str
    path: str
    text: str
    topic: str


def window_uploads(folder: Path, window: Window, before: SampleOptions, clips: int, mapper: Mapper) -> list[Upload]:
    """Render a window's clips and tell how they arrive.

    Args:
        folder: of all windows' clips; those of an earlier window are removed, and their truth is kept.
        window: what happens in it.
        before: the part of the endless feed that came just before.
        clips: that are posted, copies not counted.
        mapper: renders.
    """
    options = before.following(clips, window.drift).model_copy(update={"broken": 0, "near_duplicates": 0.0})
    manifest = pd.read_csv(generate(folder, options, mapper), dtype=str, keep_default_na=False)
    keep_truth(folder)
    truth = pd.read_csv(folder / TRUTH, dtype=str, keep_default_na=False).set_index("clip_id")["topic"]
    uploads = [
        Upload(row["clip_id"], row["creator"], to_stored(folder / row["path"]), row["text"], truth[row["clip_id"]])
        for row in manifest.to_dict("records")
    ]
    uploads += _copies(uploads, window)
    return uploads if window.captions else [replace(upload, text="") for upload in uploads]


def _copies(uploads: list[Upload], window: Window) -> list[Upload]:
    """The same few clips once more, by accounts that post nothing else."""
    return [
        replace(
            original,
            creator=f"best.clips.{place % _ACCOUNTS:02d}",
            text=f"{original.text} {_ADDED[place % len(_ADDED)]} {place}",
        )
        for place in range(window.copies)
        for original in [uploads[place % ORIGINALS_OF_COPIES]]
    ]


def as_clips(uploads: list[Upload], root: Path) -> pd.DataFrame:
    """Uploads as rows of the table of clips, as far as features and models need them.

    Args:
        uploads: of a window.
        root: that stored paths start from.

    Returns:
        clip_id, another one for each upload, creator, path, text, media_sha256, text_sha256 and `topic`, the truth.
    """
    rows = pd.DataFrame([vars(upload) for upload in uploads])
    copies = rows.groupby("clip_id").cumcount()
    media = {path: file_sha256(root / path) for path in rows["path"].unique()}
    return rows.assign(
        clip_id=rows["clip_id"].where(copies == 0, rows["clip_id"] + "#" + copies.astype(str)),
        media_sha256=rows["path"].map(media),
        text_sha256=[text_sha256(text) if text else "" for text in rows["text"]],
    )

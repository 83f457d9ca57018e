import numpy as np
import pandas as pd

from cu_pipeline.core.lean import beside, numbered, places, ranks, rows_where
from cu_pipeline.core.records import AnnotatorKind


def originals(clips: pd.DataFrame) -> "pd.Series[str]":
    """Say of which clip each clip is an exact copy: one with the same media and the same caption.

    Args:
        clips: the table of clips.

    Returns:
        By `clip_id`: the first `clip_id` of those with the same content, so its own if there is no other.
    """
    clip_ids = clips["clip_id"]
    contents = (clips[name] for name in ("media_sha256", "text_sha256"))
    media, text = (one.fillna("") if one.isna().any() else one for one in contents)
    number = numbered(media) * (len(clips) + 1) + numbered(text)
    alone = ((media == "") & (text == "")).to_numpy(dtype=bool)
    number[alone] = -1 - np.flatnonzero(alone)
    _, content = np.unique(number, return_inverse=True)
    order = np.lexsort((ranks(clip_ids), content))
    first = order[np.diff(content[order], prepend=-1) > 0][content]
    return pd.Series(clip_ids.array.take(first), index=pd.Index(clip_ids), dtype=clip_ids.dtype)


def without_copies(clips: pd.DataFrame) -> pd.DataFrame:
    """Leave only the clips that are no copy of another: what has to be labelled."""
    return rows_where(clips, clips["clip_id"].isin(originals(clips)))


def on_originals(annotations: pd.DataFrame, original_of: "pd.Series[str]") -> pd.DataFrame:
    """Count what was said of a copy as said of its original; opinions on clips that are gone are left out."""
    row = places(annotations["clip_id"], original_of.index)
    known = rows_where(annotations, row >= 0)
    return beside(known, clip_id=original_of.array.take(row[row >= 0]))


def by_people(annotations: pd.DataFrame) -> pd.DataFrame:
    """Leave only the answers that people gave."""
    return rows_where(annotations, (annotations["kind"] == AnnotatorKind.HUMAN) & (annotations["label"] != ""))

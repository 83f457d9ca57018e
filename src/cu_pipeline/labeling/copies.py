import pandas as pd

from cu_pipeline.core.records import AnnotatorKind


def originals(clips: pd.DataFrame) -> "pd.Series[str]":
    """Say of which clip each clip is an exact copy: one with the same media and the same caption.

    Args:
        clips: the table of clips.

    Returns:
        By `clip_id`: the first `clip_id` of those with the same content, so its own if there is no other.
    """
    contents = clips["media_sha256"].fillna("") + "/" + clips["text_sha256"].fillna("")
    clip_ids = clips["clip_id"].tolist()
    keys = [content if content != "/" else clip for clip, content in zip(clip_ids, contents, strict=True)]
    first = dict(sorted(zip(keys, clip_ids, strict=True), reverse=True))
    return pd.Series([first[key] for key in keys], index=pd.Index(clip_ids, dtype=object), dtype=object)


def without_copies(clips: pd.DataFrame) -> pd.DataFrame:
    """Leave only the clips that are no copy of another: what has to be labelled."""
    return clips[clips["clip_id"].isin(originals(clips))]


def on_originals(annotations: pd.DataFrame, original_of: "pd.Series[str]") -> pd.DataFrame:
    """Count what was said of a copy as said of its original; opinions on clips that are gone are left out."""
    known = annotations[annotations["clip_id"].isin(original_of.index)]
    return known.assign(clip_id=known["clip_id"].map(original_of).to_numpy())


def by_people(annotations: pd.DataFrame) -> pd.DataFrame:
    """Leave only the answers that people gave."""
    return annotations[(annotations["kind"] == AnnotatorKind.HUMAN) & (annotations["label"] != "")]

"""What clips share: contents, creators, captions and copies, as numbers."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cu_pipeline.core.text_columns import (
    Mask,
    Numbers,
    as_arrow,
    as_mask,
    encoded,
    joined,
    mapped,
    numbered,
    places_among,
    stand_for,
)

CREATOR: Final = "creator:"
CONTENT: Final = "content:"
CAPTION: Final = "caption:"


@dataclass(frozen=True)
class Keys:
    """The keys that clips may share, numbered in the order of their names: captions, then contents, then creators.

    Attributes:
        names: of the keys, sorted, shape (keys,).
        first_content: number of the first key that is a content.
        first_creator: number of the first key that is a creator.
        content: of each clip its media, else its text; where that says nothing, together with its creator; (clips,).
        creator: of each clip its account; -1 for none.
        caption: of each clip what it says, if that says something and another clip says it; -1 for none.
        copies: what stands for each key, (keys,): the first of contents that are copies of one another; other keys
            stand for themselves.
    """

    names: pa.Array
    first_content: int
    first_creator: int
    content: Numbers
    creator: Numbers
    caption: Numbers
    copies: Numbers


def find_keys(clips: pd.DataFrame, duplicates: pd.DataFrame, common_caption: int) -> Keys:
    """Find what each clip may share with others.

    Args:
        clips: with `clip_id`, `creator`, `text`, `media_sha256` and `text_sha256`.
        duplicates: `clip_id` and `duplicate_group`.
        common_caption: how many clips have a caption that says nothing, which joins nothing.
    """
    caption, captions, common = _shared_captions(as_arrow(clips["text"]), common_caption)
    creators = as_arrow(clips["creator"])
    content, contents = numbered(_contents(clips, creators, common))
    named = as_mask(pc.not_equal(creators, ""))
    creator, accounts = np.full(len(clips), -1, dtype=np.int64), creators.filter(pa.array(named))
    creator[named], accounts = numbered(accounts)
    first_content, first_creator = len(captions), len(captions) + len(contents)
    content += first_content
    creator[creator >= 0] += first_creator
    names = pa.concat_arrays([captions, joined(CONTENT, contents), joined(CREATOR, accounts)])
    copies = stand_for(copied_contents(clips, duplicates, content), len(names))
    return Keys(names, first_content, first_creator, content, creator, caption, copies)


def number_names(names: pa.Array) -> Numbers:
    """Number names in order of appearance, shape (clips,); -1 for ""."""
    return encoded(pc.replace_with_mask(names, pc.equal(names, ""), pa.scalar(None, names.type)))[0]


def number_captions(texts: pa.Array) -> tuple[Numbers, pa.Array]:
    """Number what captions say: what differs but in case and in blanks is the same, as told by SHA-256.

    Returns:
        Of each clip, shape (clips,), -1 for no caption; and the hashes that differ, in order of appearance.
    """
    return encoded(mapped(texts, _caption_digest, pa.binary(32)))


def _caption_digest(text: str) -> bytes | None:
    folded = " ".join(text.casefold().split())
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).digest() if folded else None


def _shared_captions(texts: pa.Array, common_caption: int) -> tuple[Numbers, pa.Array, Mask]:
    """Number the captions that tie clips: those of several clips, but not of very many.

    Returns:
        The number of each clip's caption, -1 where it ties nothing; their names; and whose caption says nothing.
    """
    caption, digests = number_captions(texts)
    uses = np.bincount(caption[caption >= 0], minlength=len(digests))
    ties = (uses > 1) & (uses < common_caption)
    number = np.full(len(digests), -1)
    said = mapped(digests.filter(pa.array(ties)), lambda digest: CAPTION + digest.hex(), pa.large_string())
    number[ties], names = numbered(said)
    silent = np.count_nonzero(caption < 0)
    # what follows the last caption stands for -1, no caption
    return np.append(number, -1)[caption], names, np.append(uses, silent)[caption] >= common_caption


def _contents(clips: pd.DataFrame, creators: pa.Array, common: Mask) -> pa.Array:
    texts, media = as_arrow(clips["text_sha256"]), as_arrow(clips["media_sha256"])
    own = pa.array(common & as_mask(pc.not_equal(creators, "")))
    texts = pc.replace_with_mask(texts, own, joined(texts.filter(own), ":", creators.filter(own)))
    return pc.if_else(pc.not_equal(media, ""), media, texts)


def copied_contents(clips: pd.DataFrame, duplicates: pd.DataFrame, content: Numbers) -> Numbers:
    """List the contents that copy others: that of a clip, and of the first clip of its group.

    Args:
        clips: with `clip_id`.
        duplicates: `clip_id` and `duplicate_group`.
        content: of each clip.

    Returns:
        Pairs of contents, shape (duplicates among the clips, 2).
    """
    clip_ids = as_arrow(clips["clip_id"])
    group, first_ids = numbered(as_arrow(duplicates["duplicate_group"]))
    first = _row_of(clip_ids, first_ids)
    row = _row_of(clip_ids, as_arrow(duplicates["clip_id"]))
    here = (row >= 0) & (first[group] >= 0) if len(row) else np.zeros(0, dtype=bool)
    return np.stack([content[row[here]], content[first[group[here]]]], axis=1)


def _row_of(clip_ids: pa.Array, wanted: pa.Array) -> Numbers:
    """Find the rows of clips by name; -1 for those that are not there."""
    found = places_among(clip_ids, wanted)
    rows = np.full(len(wanted), -1, dtype=np.int64)
    rows[found[found >= 0]] = np.flatnonzero(found >= 0)
    return rows

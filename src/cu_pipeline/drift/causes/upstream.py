"""Parts of clips that no longer arrive: captions, videos or sounds missing, pictures all alike, broken files."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd

from cu_pipeline.core.errors import Reason
from cu_pipeline.drift.causes.evidence import Evidence, Floats, Mask
from cu_pipeline.drift.causes.finding import CauseKind, Finding

_PARTS = {"caption": "captions", "video": "videos", "sound": "sound"}
_EXPLAINS = frozenset({"missing", "fact", "embedding", "novelty", "label", "confidence", "abstention", "language"})
_OF_ONE = 0.8
"""Share of faulty clips that must be of one client or creator for it to be named."""

_OF_COPIES = 0.5
"""Different lengths and captions, as a share of clips, up to which they are copies of each other."""

_CREATORS = 5
"""Creators of whose clips pictures are alike, at least: one's own may be."""


def missing_parts(evidence: Evidence) -> Finding | None:
    """Look for a part that more clips lack than before; the one whose share rose most."""
    found: list[tuple[float, str, Floats, float]] = []
    for part in _PARTS:
        before, recent = (_lacks(evidence, side, part) for side in (evidence.before, evidence.recent))
        higher, z = evidence.rise(before, recent)
        if higher >= evidence.options.least_share and z >= evidence.options.least_z:
            found.append((higher, part, recent, float(np.nanmean(before))))
    if not found:
        return None
    share, part, lacks, usual = max(found, key=lambda one: one[0])
    involved = evidence.of_window(lacks == 1) & evidence.left_of_window
    now = float(np.nanmean(lacks[evidence.left]))
    words = f"{_PARTS[part]} are missing in {now:.0%} of clips ({usual:.0%} of those that the models learned from)"
    return _fault(words + _of_whom(evidence, involved), share, involved, lacks)


def equal_pictures(evidence: Evidence) -> Finding | None:
    """Look for many clips of several creators with one and the same picture: a decoder or a client gives nothing."""
    for one in evidence.novelties:
        if one.modality != "frames":
            continue
        before, recent = evidence.vectors(one.part)
        common = _most_common(recent[evidence.left & np.isfinite(one.recent)])
        if common is None:
            continue
        same = (recent == common).all(axis=1).astype(np.float64)
        higher, z = evidence.rise((before == common).all(axis=1).astype(np.float64), same)
        involved = evidence.of_window(same == 1) & evidence.left_of_window
        creators = len(set(evidence.of_window(evidence.units)[involved]))
        if _are_copies(evidence, involved):
            continue
        if higher >= evidence.options.least_share and z >= evidence.options.least_z and creators >= _CREATORS:
            words = f"the pictures of {higher:.0%} of clips, by {creators} creators, are all the same: they are empty"
            return _fault(words + _of_whom(evidence, involved), higher, involved, same)
    return None


def broken_files(evidence: Evidence) -> Finding | None:
    """Look for requests that are refused more often than before: for any reason where a test says so, else files."""
    refused, tested, start = evidence.traffic.refusals, "rejected" in evidence.drifted, evidence.start_of("rejected")
    media = refused if tested else refused[refused["reason"].isin([reason.value for reason in Reason])]
    late = media["time"] >= start.floor("min") if len(media) else pd.Series(dtype=bool)
    answered = evidence.traffic.answers["time"] >= start
    now, then = int(media.loc[late, "requests"].sum()), int(media.loc[~late, "requests"].sum())
    share, usual = now / max(1, now + int(answered.sum())), then / max(1, then + int((~answered).sum()))
    if not tested and (share < max(evidence.options.least_share, 3 * usual) or answered.all()):
        return None
    reasons = Counter(dict(media[late].groupby("reason")["requests"].sum())).most_common(1)
    words = f"{share:.0%} of requests are refused ({usual:.0%} before), most of them for the reason {reasons[0][0]!r}"
    none = np.zeros(len(evidence.now), dtype=np.bool_)
    return _fault(words, share, none, np.full(len(evidence.recent), np.nan), of_kinds=frozenset({"rejected"}))


def _fault(
    words: str,
    share: float,
    involved: Mask,
    indicator: Floats,
    of_kinds: frozenset[str] = _EXPLAINS,
) -> Finding:
    return Finding(
        CauseKind.UPSTREAM_FAULT, words, share, involved, involved.astype(np.float64), indicator, kinds=of_kinds
    )


def _lacks(evidence: Evidence, side: object, part: str) -> Floats:
    """Which clips lack a part, 1 or 0; NaN where nobody tells."""
    has = evidence.numbers(side, f"has_{part}")  # type: ignore[arg-type]
    return np.where(np.isnan(has), np.nan, (has == 0).astype(np.float64))


def _most_common(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """The vector that most clips share; None where no two are the same."""
    rows = Counter(row.tobytes() for row in vectors)
    if not rows:
        return None
    row, count = rows.most_common(1)[0]
    return np.frombuffer(row, dtype=np.float32) if count > 1 else None


def _are_copies(evidence: Evidence, involved: Mask) -> bool:
    """Whether clips are one clip, sent again and again: then they are as long, and have the same caption, too."""
    others = [evidence.of_window(evidence.numbers(evidence.recent, name)) for name in ("duration_s", "text_length")]
    distinct = {tuple(row) for row in np.nan_to_num(np.column_stack(others)[involved], nan=-1).round(2).tolist()}
    return len(distinct) <= _OF_COPIES * involved.sum()


def _of_whom(evidence: Evidence, involved: Mask) -> str:
    """Say of which client or creator nearly all of some clips of the window are, where not all clips are."""
    for column, what in (("client", "the client"), ("group", "")):
        told = evidence.of_window(evidence.texts(evidence.recent, column))
        common = Counter(told[involved]).most_common(1)
        if not common or not common[0][0]:
            continue
        name, count = common[0]
        if count >= _OF_ONE * involved.sum() and (told == name).mean() < _OF_ONE:
            return f", nearly all of them of {what} {name.removeprefix('creator:')}".replace("  ", " ")
    return ""

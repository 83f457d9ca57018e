"""Clips that look or read like none that the models learned from: of a new topic, or in a new style."""

from collections import Counter

import numpy as np
import pandas as pd

from cu_pipeline.drift.causes.answers import capability_that_tells, told_apart
from cu_pipeline.drift.causes.evidence import Evidence, Floats, Mask, Novelty
from cu_pipeline.drift.causes.finding import CauseKind, Finding

_FEW = 8
"""Clips that are surely novel, at least; fewer tell nothing of what they are."""

_SHOWN = {"frames": "pictures", "motion": "motion", "caption": "words", "sound": "sound"}
_KINDS = frozenset({"novelty", "embedding", "label", "confidence", "abstention", "fact", "language"})


def new_topic(evidence: Evidence) -> Finding | None:
    """Look for novel clips that the models do not tell apart: they are unsure, or take all for one class."""
    found = _novel(evidence)
    if found is None:
        return None
    parts, surely = found
    ratio, words = _told(evidence, surely)
    if ratio is None or ratio >= evidence.options.topic_below:
        return None
    return _finding(evidence, CauseKind.NEW_TOPIC, parts, surely, f"a new topic: {{share}} lie {{where}}{words}")


def new_style(evidence: Evidence) -> Finding | None:
    """Look for novel clips of many classes, or for clips of all classes that have moved a little."""
    found = _novel(evidence)
    if found is None:
        return None
    parts, surely = found
    _, words = _told(evidence, surely)
    return _finding(evidence, CauseKind.NEW_STYLE, parts, surely, f"a new style: {{share}} lie {{where}}{words}")


def _novel(evidence: Evidence) -> tuple[list[Novelty], Mask] | None:
    """The parts in which more clips are novel than by chance, and which of the window's clips surely are."""
    parts = []
    for one in evidence.novelties:
        for limit in one.limits:
            higher, z = evidence.rise(_beyond(one.before, limit), _beyond(one.recent, limit))
            if z >= evidence.options.least_z and higher >= evidence.options.least_share:
                parts.append(one)
                break
    if not parts:
        return None
    surely = np.any([one.recent > one.limits[1] for one in parts], axis=0)
    surely = evidence.of_window(surely) & evidence.left_of_window
    return (parts, surely) if surely.sum() >= _FEW else None


def _beyond(far: Floats, limit: float) -> Floats:
    return np.where(np.isnan(far), np.nan, (far > limit).astype(np.float64))


def _told(evidence: Evidence, surely: Mask) -> tuple[float | None, str]:
    """How much models tell apart among novel clips, as a share of what they tell apart among others, and in words."""
    known = capability_that_tells(evidence)
    if known is None:
        return None, ""
    name, before, recent = known
    asked = evidence.of_window(recent)
    novel = asked[surely & np.isfinite(asked).all(axis=1)]
    usual = told_apart(before)
    if len(novel) < _FEW or not usual:
        return None, ""
    labels = pd.Series(novel.argmax(axis=1))
    share = float(labels.value_counts(normalize=True).iloc[0])
    sure, normal = float(novel.max(axis=1).mean()), float(before.max(axis=1).mean())
    words = f"; models are {sure:.0%} sure of their {name} ({normal:.0%} usually) and give {share:.0%} the same class"
    return told_apart(novel) / usual, words


def _finding(evidence: Evidence, kind: CauseKind, parts: list[Novelty], surely: Mask, words: str) -> Finding:
    """Put together what is told of novel clips; those that are less surely novel count by how many are too many."""
    shares = [evidence.rise(_beyond(one.before, one.limits[0]), _beyond(one.recent, one.limits[0]))[0] for one in parts]
    share = float(max(shares) / 0.95)
    shown = Counter(_SHOWN.get(one.modality, one.modality) for one in parts)
    where = f"far from all that the models learned from in {' and '.join(shown)}"
    far = np.max([np.nan_to_num(one.recent / one.limits[1]) for one in parts], axis=0)
    known = np.any([np.isfinite(one.recent) for one in parts], axis=0)
    novel = np.any([one.recent > one.limits[0] for one in parts], axis=0)
    indicator = np.where(known, novel.astype(np.float64), np.nan)
    return Finding(
        kind,
        words.format(share=f"{share:.0%} of clips", where=where),
        share,
        evidence.of_window(novel) & evidence.left_of_window,
        np.where(surely, evidence.of_window(far), 0.0),
        indicator,
        kinds=_KINDS,
    )

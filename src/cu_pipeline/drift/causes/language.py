"""Captions in a language that was rare or absent."""

from collections import Counter

import numpy as np

from cu_pipeline.drift.causes.evidence import Evidence, Floats
from cu_pipeline.drift.causes.finding import CauseKind, Finding

_MAIN = 0.5
"""A language of more than this share of the clips that were learned from is not new, however many more it gets."""


def new_language(evidence: Evidence) -> Finding | None:
    """Look for the language whose share of the captions that have one rose most, where languages drifted."""
    if not evidence.drifted.get("language"):
        return None
    before = evidence.texts(evidence.before, "language")
    recent = evidence.texts(evidence.recent, "language")
    common = Counter(recent[evidence.left & (recent != "")]).most_common(8)
    found = []
    for name, _ in common:
        is_it = [np.where(told == "", np.nan, (told == name).astype(np.float64)) for told in (before, recent)]
        if _usual(is_it[0]) > _MAIN:
            continue
        higher, z = evidence.rise(is_it[0], is_it[1])
        if higher >= evidence.options.least_share and z >= evidence.options.least_z:
            found.append((higher, name, is_it))
    if not found:
        return None
    higher, name, is_it = max(found, key=lambda one: one[0])
    usual, involved = _usual(is_it[0]), evidence.of_window(recent == name) & evidence.left_of_window
    words = f"captions in the language {name!r}: {usual:.0%} → {usual + higher:.0%} of those whose language is known"
    share = float(involved.mean())
    kinds = frozenset({"language", "embedding", "novelty", "fact", "label", "confidence", "abstention"})
    return Finding(CauseKind.NEW_LANGUAGE, words, share, involved, involved.astype(np.float64), is_it[1], kinds=kinds)


def _usual(is_it: Floats) -> float:
    """The language's share of the clips of before whose language is known."""
    known = is_it[np.isfinite(is_it)]
    return float(known.mean()) if len(known) else 0.0

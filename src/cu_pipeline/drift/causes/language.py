"""Captions in a language that was rare or absent."""

from collections import Counter

import numpy as np

from cu_pipeline.drift.causes.evidence import Evidence
from cu_pipeline.drift.causes.finding import CauseKind, Finding


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
        higher, z = evidence.rise(is_it[0], is_it[1])
        if higher >= evidence.options.least_share and z >= evidence.options.least_z:
            found.append((higher, name, is_it))
    if not found:
        return None
    higher, name, is_it = max(found, key=lambda one: one[0])
    usual, involved = float(np.nanmean(is_it[0])), evidence.of_window(recent == name) & evidence.left_of_window
    words = f"captions in the language {name!r}: {usual:.0%} → {usual + higher:.0%} of those whose language is known"
    share = float(involved.mean())
    kinds = frozenset({"language", "embedding", "novelty", "fact", "label", "confidence", "abstention"})
    return Finding(CauseKind.NEW_LANGUAGE, words, share, involved, involved.astype(np.float64), is_it[1], kinds=kinds)

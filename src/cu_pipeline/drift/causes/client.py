"""A client's or a decoder's version whose clips differ from all others."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from cu_pipeline.drift.causes.evidence import Evidence, Floats, Mask, rise
from cu_pipeline.drift.causes.finding import CauseKind, Finding

_FEW = 20
"""Clips that tell, of a version and of the others."""

_OTHERS = 0.25
"""Share of a version's change that others may show, at most."""

_FACTS = ("duration_s", "width", "height", "fps", "bytes", "text_length")
_WHAT = {"client": "the client", "decoder": "the decoder"}


def other_version(evidence: Evidence) -> Finding | None:
    """Look for a version whose clips have moved while those of the others have not."""
    found = []
    for column in _WHAT:
        told = evidence.texts(evidence.recent, column)
        for name, count in Counter(told[evidence.left & (told != "")]).most_common(8):
            its, others = evidence.left & (told == name), (told != name) & (told != "")
            if count < max(_FEW, evidence.options.least_share * evidence.left.sum()) or others.sum() < _FEW:
                continue
            for what, before, recent in _indicators(evidence):
                moved, z = _size(evidence, before, recent, its)
                rest, _ = _size(evidence, before, recent, others)
                if z >= evidence.options.least_z + 1 and rest <= _OTHERS * moved:
                    found.append((z, column, name, what, its, told))
    if not found:
        return None
    _, column, name, what, its, told = max(found, key=lambda one: one[0])
    involved = evidence.of_window(its)
    words = f"clips of {_WHAT[column]} {name} differ from all others in {what}: {involved.mean():.0%} of clips"
    indicator = np.where(told == "", np.nan, (told == name).astype(np.float64))
    kinds = frozenset({"fact", "embedding", "novelty", "label", "confidence", "abstention", "missing", "latency"})
    return Finding(
        CauseKind.CLIENT,
        words,
        float(involved.mean()),
        involved,
        involved.astype(np.float64),
        indicator,
        kinds=kinds,
    )


def _indicators(evidence: Evidence) -> Iterator[tuple[str, Floats, Floats]]:
    """Numbers whose rise or fall tells that clips differ: ranks of facts that drifted, and being novel."""
    drifted = evidence.drifted.get("fact", ())
    for fact in (one for one in _FACTS if any(name.startswith(f"fact_{one}") for name in drifted)):
        before, recent = evidence.numbers(evidence.before, fact), evidence.numbers(evidence.recent, fact)
        if np.isfinite(before).sum() >= _FEW and np.isfinite(recent).sum() >= _FEW:
            yield fact.replace("_", " "), *_ranks(before, recent)
    for one in evidence.novelties:
        limit = one.limits[0]
        flags = [np.where(np.isnan(far), np.nan, (far > limit).astype(float)) for far in (one.before, one.recent)]
        yield f"how they look in {one.part.partition('@')[0]}", flags[0], flags[1]


def _ranks(before: Floats, recent: Floats) -> tuple[Floats, Floats]:
    """Where values lie among those of before, 0 to 1; ties count half."""
    known = np.sort(before[np.isfinite(before)])
    places = [
        (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / (2 * len(known))
        for values in (before, recent)
    ]
    return (
        np.where(np.isnan(before), np.nan, places[0]),
        np.where(np.isnan(recent), np.nan, places[1]),
    )


def _size(evidence: Evidence, before: Floats, recent: Floats, chosen: Mask) -> tuple[float, float]:
    moved, z = rise(before, evidence.units_before, recent[chosen], evidence.units[chosen])
    return abs(moved), abs(z)

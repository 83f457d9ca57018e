"""The same kinds of clips in other shares."""

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.causes.answers import labelled_answers, probabilities_of
from cu_pipeline.drift.causes.evidence import Evidence, Floats
from cu_pipeline.drift.causes.finding import CauseKind, Finding
from cu_pipeline.drift.label_shift import class_weights
from cu_pipeline.drift.principal import leading_components

_LEAST_MOVED = 0.05
"""Share of clips that changed class, at least."""

_COMPONENTS = 16
_LEAST_CLIPS = 50


def other_mix(evidence: Evidence) -> Finding | None:
    """Look for a capability whose classes come in other shares, and see whether that explains the rest."""
    found = [moved for name in evidence.references if (moved := _moved(evidence, name)) is not None]
    if not found:
        return None
    share, _, finding = max(found, key=lambda one: one[0])
    return finding if share >= _LEAST_MOVED else None


def _moved(evidence: Evidence, name: str) -> tuple[float, float, Finding] | None:
    """How many clips changed class, how much of the clips' distance that explains, and what would be found."""
    known = labelled_answers(evidence.references[name].table, name)
    if known is None or len(known.truth) < _LEAST_CLIPS:
        return None
    recent, _ = probabilities_of(evidence.recent.table, name, known.names)
    asked = evidence.left & np.isfinite(recent).all(axis=1)
    if asked.sum() < _LEAST_CLIPS:
        return None
    z = [
        evidence.rise_of(known.probabilities[:, place], known.units, recent[:, place], asked)[1]
        for place in range(recent.shape[1])
    ]
    if max(map(abs, z)) < evidence.options.least_z:
        return None
    weights = class_weights(known.probabilities, known.truth, recent[asked])
    shares = np.bincount(known.truth, minlength=len(weights)) / len(known.truth)
    gained = shares * weights - shares
    explained = _explained(evidence, name, weights)
    if explained < evidence.options.mix_explains:
        return None
    most, least = int(np.argmax(gained)), int(np.argmin(gained))
    words = f"other shares of {name}: " + ", ".join(
        f"{known.classes[one]} {shares[one]:.0%} → {shares[one] * weights[one]:.0%}" for one in (most, least)
    )
    grown = recent @ np.maximum(gained[: recent.shape[1]], 0) / max(1e-9, float(np.maximum(gained, 0).max()))
    typical = np.nan_to_num(evidence.of_window(grown))
    involved = (typical >= 0.5) & evidence.left_of_window
    kinds = frozenset({"label", "embedding", "fact", "confidence", "abstention", "novelty"})
    share = float(np.maximum(gained, 0).sum())
    return share, explained, Finding(CauseKind.MIX, words, share, involved, typical, grown, kinds=kinds)


def _explained(evidence: Evidence, name: str, weights: Floats) -> float:
    """Share of the squared distance of the embeddings' means that goes when old clips get the new shares; 1: all."""
    known = labelled_answers(evidence.references[name].table, name)
    if known is None:
        return 0.0
    of_clip = dict(zip(known.clip_ids, weights[known.truth], strict=True))
    factor = np.array([of_clip.get(clip, np.nan) for clip in evidence.before.table["clip_id"]], dtype=np.float64)
    plain, weighted = 0.0, 0.0
    for one in evidence.novelties:
        before, recent = evidence.vectors(one.part)
        use = [np.isfinite(one.before) & np.isfinite(factor), np.isfinite(one.recent) & evidence.left]
        if min(mask.sum() for mask in use) < _LEAST_CLIPS:
            continue
        components = leading_components(np.concatenate([before[use[0]], recent[use[1]]]), _COMPONENTS)
        sides = components[: use[0].sum()], components[use[0].sum() :]
        units = evidence.units_before[use[0]], evidence.units[use[1]]
        plain += _distance(sides, units, np.ones(len(sides[0])))
        weighted += _distance(sides, units, factor[use[0]])
    if plain <= 0:
        return 1.0
    return float(np.clip(1 - weighted / plain, 0, 1))


def _distance(
    sides: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    units: tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]],
    weights: Floats,
) -> float:
    """The squared distance of two means, without what chance adds to it, clips of a unit counting together."""
    means, noise = [], 0.0
    for values, names, factor in zip(sides, units, (weights, np.ones(len(sides[1]))), strict=True):
        total = float(factor.sum())
        mean = (values * factor[:, None]).sum(axis=0) / max(total, 1e-9)
        apart = (values - mean) * factor[:, None]
        _, unit = np.unique(names.astype(str), return_inverse=True)
        sums = np.stack([np.bincount(unit, column) for column in apart.T])
        noise += float((sums**2).sum()) / max(total, 1e-9) ** 2
        means.append(mean)
    return max(0.0, float(((means[1] - means[0]) ** 2).sum()) - noise)

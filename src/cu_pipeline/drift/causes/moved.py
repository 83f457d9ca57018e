"""Clips of all classes that have moved a little, none of them far from what the models learned from."""

import numpy as np

from cu_pipeline.drift.causes.evidence import Evidence
from cu_pipeline.drift.causes.finding import CauseKind, Finding
from cu_pipeline.drift.principal import leading_components

_COMPONENTS = 16
_SHOWN = {"frames": "pictures", "motion": "motion", "caption": "words", "sound": "sound"}


def moved_style(evidence: Evidence) -> Finding | None:
    """Look for the direction in which the clips of a part have moved most."""
    best: tuple[float, Finding] | None = None
    for one in evidence.novelties:
        name = one.part.partition("@")[0]
        if not any(test.startswith(f"embedding_{name}") for test in evidence.drifted.get("embedding", ())):
            continue
        use = np.isfinite(one.before), np.isfinite(one.recent)
        before, recent = evidence.vectors(one.part)
        components = leading_components(np.concatenate([before[use[0]], recent[use[1]]]), _COMPONENTS)
        ours, theirs = components[: use[0].sum()], components[use[0].sum() :]
        chosen = evidence.left[use[1]]
        direction = theirs[chosen].mean(axis=0) - ours.mean(axis=0)
        scores = np.full(len(recent), np.nan)
        scores[use[1]] = theirs @ direction
        usual = ours @ direction
        moved, z = evidence.rise_of(usual, evidence.units_before[use[0]], scores, evidence.left)
        if z < evidence.options.least_z:
            continue
        middle = float(np.median(usual))
        window = evidence.of_window(scores)
        share = float(np.clip(2 * ((window[np.isfinite(window)] > middle).mean() - 0.5), 0, 1))
        shown = _SHOWN.get(one.modality, one.modality)
        words = f"the {shown} of all clips have moved, by {moved / usual.std():.1f} standard deviations"
        typical = np.maximum(np.nan_to_num(window) - middle, 0) * evidence.left_of_window
        finding = Finding(
            CauseKind.NEW_STYLE,
            words,
            share,
            typical > 0,
            typical,
            scores,
            kinds=frozenset({"embedding", "novelty", "label", "confidence", "abstention", "fact"}),
        )
        if best is None or z > best[0]:
            best = z, finding
    return None if best is None else best[1]

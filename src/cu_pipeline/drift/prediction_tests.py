"""Tests of what the models answer: the mix of classes, how sure they are, and how often they abstain."""

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.clip_tests import DriftTest, Sides, class_test, number_test, share_test
from cu_pipeline.drift.samples import ClipSample


def prediction_tests(sides: Sides) -> Iterator[DriftTest]:
    """Tests of each capability's answers."""
    reference, current = sides.reference, sides.current
    for name, kind in sides.capabilities.items():
        classes = sorted(reference.classes(name, kind) | current.classes(name, kind))
        present = [side.present(name, kind, classes) for side in (reference, current)]
        shares = np.concatenate([side.probabilities(name) for side in (reference, current)])
        yield class_test(f"label_{name}", "label", classes, present[0], present[1], shares)
        sure = [side.confidence(name, kind) for side in (reference, current)]
        yield number_test(f"confidence_{name}", "confidence", sure[0], sure[1])
        silent = [_abstained(side, name) for side in (reference, current)]
        if silent[0] is not None and silent[1] is not None:
            yield share_test(f"abstained_{name}", "abstention", silent[0], silent[1])


def _abstained(side: ClipSample, capability: str) -> npt.NDArray[np.bool_] | None:
    """Of which clips a model said nothing; None where the table does not tell."""
    told = side.optional("abstained")
    if told is None:
        return None
    return np.array([bool(json.loads(row or "{}").get(capability, False)) for row in told], dtype=np.bool_)

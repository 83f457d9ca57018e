"""Tests of what the models answer: the mix of classes, how sure they are, and how often they abstain."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.clip_tests import DriftTest, Sides, Untested, class_test, number_test, share_test
from cu_pipeline.drift.input_tests import who_is_silent
from cu_pipeline.drift.samples import ClipSample

LEAST_SHARE: Final = 0.01
"""Of the clips, in which a class must be expected to be tested."""

SURER: Final = 0.1
"""Gap of the distributions of confidence that is no drift: models of other folds have learned from fewer clips than the
served one, and how sure a model is differs from one to the next besides."""


def prediction_tests(sides: Sides) -> Iterator[DriftTest | Untested]:
    """Tests of each capability's answers."""
    reference, current = sides.reference, sides.current
    for name, kind in sides.capabilities.items():
        classes = sorted(reference.classes(name, kind) | current.classes(name, kind))
        present = [side.present(name, kind, classes) for side in (reference, current)]
        shares = np.concatenate([side.probabilities(name) for side in (reference, current)])
        yield class_test(f"label_{name}", "label", classes, present[0], present[1], _of_some_weight(shares))
        sure = [side.confidence(name, kind) for side in (reference, current)]
        yield replace(number_test(f"confidence_{name}", "confidence", sure[0], sure[1]), margin=SURER)
        silent = [_abstained(side, name) for side in (reference, current)]
        if silent[0] is None or silent[1] is None:
            yield Untested(f"abstained_{name}", f"{who_is_silent(sides, 'abstained')} whether it did")
        else:
            yield share_test(f"abstained_{name}", "abstention", silent[0], silent[1])


def _of_some_weight(shares: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The classes that are expected in a share of the clips that counts; all where none is.

    What models say of unseen clips comes from models of other folds. How far below any use they put a class that they
    have hardly seen differs from model to model, always in the same direction, and says nothing of the clips.

    Args:
        shares: probabilities, shape (clips, classes).
    """
    common = shares.mean(axis=0) >= LEAST_SHARE
    return shares[:, common] if common.any() else shares


def _abstained(side: ClipSample, capability: str) -> npt.NDArray[np.bool_] | None:
    """Of which clips a model said nothing; None where the table does not tell."""
    told = side.optional("abstained")
    if told is None:
        return None
    return np.array([bool(json.loads(row or "{}").get(capability, False)) for row in told], dtype=np.bool_)

"""What modalities add, from answers whose rightness is known."""

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.modality_parts import modality_parts

TRUTH = np.zeros(12, dtype=int)


def answers(right):
    """Answers of which the first `right` are right."""
    said = np.where(np.arange(12) < right, 0, 1)
    return ScoredClips.decide(Kind.SINGLE, np.eye(2, dtype=bool)[TRUTH], np.eye(2)[said])


def test_the_part_is_what_is_lost_and_the_dearest_stands_first():
    hidden = {"motion": answers(9), "caption": answers(3), "sound": answers(10)}
    parts = modality_parts(answers(9), hidden, np.arange(12))
    assert [(one["modality"], one["accuracy_without"], one["part"]) for one in parts] == [
        ("caption", 0.25, 0.5),
        ("motion", 0.75, 0.0),
        ("sound", pytest.approx(10 / 12), pytest.approx(-1 / 12)),
    ]
    low, high = parts[0]["ci95"]
    assert 0 < low < 0.5 < high <= 1


def test_the_interval_counts_units_not_clips():
    apart, together = (
        modality_parts(answers(9), {"caption": answers(3)}, np.array(units))
        for units in (range(12), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    )
    widths = [np.ptp(one[0]["ci95"]) for one in (apart, together)]
    assert widths[0] < widths[1]
    alone = modality_parts(answers(9), {"caption": answers(3)}, np.zeros(12))
    assert alone[0]["ci95"] == [-1, 1], "a single unit tells nothing"

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.selective import risk_by_coverage


def of(*clips):
    """Answers for the first of two classes, from pairs of certainty and whether they are right."""
    sure, right = (np.array(column) for column in zip(*clips, strict=True))
    truth = np.stack([right, ~right], axis=1)
    return ScoredClips.decide(Kind.SINGLE, truth, np.stack([sure, 1 - sure], axis=1))


def test_the_surest_clips_come_first_and_equally_sure_ones_together():
    points = risk_by_coverage(of((0.6, False), (0.9, True), (0.7, True), (0.7, False)))
    assert points == [
        {"coverage": 0.25, "risk": 0.0, "threshold": 0.9},
        {"coverage": 0.75, "risk": pytest.approx(1 / 3), "threshold": 0.7},
        {"coverage": 1.0, "risk": 0.5, "threshold": 0.6},
    ]


def test_of_many_clips_fifty_points_are_told_the_last_of_all_clips():
    random = np.random.default_rng(0)
    answers = of(*zip(random.uniform(0.5, 1, 1000), random.random(1000) < 0.7, strict=True))
    points = risk_by_coverage(answers)
    assert [point["coverage"] for point in points] == pytest.approx(np.arange(1, 51) / 50)
    assert points[-1]["risk"] == pytest.approx(1 - answers.correct().mean())
    chosen = answers.probabilities.max(axis=1) >= points[9]["threshold"]
    assert (chosen.mean(), 1 - answers.correct()[chosen].mean()) == pytest.approx((0.2, points[9]["risk"]))


def test_of_several_classes_all_have_to_be_sure():
    truth = np.array([[True, False], [True, False]])
    answers = ScoredClips.decide(Kind.MULTI, truth, np.array([[0.9, 0.4], [0.8, 0.1]]))
    assert [point["threshold"] for point in risk_by_coverage(answers)] == pytest.approx([0.8 * 0.9, 0.9 * 0.6])


def test_no_clips_make_no_points():
    nothing = np.zeros((0, 2))
    assert risk_by_coverage(ScoredClips.decide(Kind.SINGLE, nothing.astype(bool), nothing)) == []

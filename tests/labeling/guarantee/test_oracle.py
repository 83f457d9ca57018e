"""The guarantee beside MAPIE's risk control, on the same calibration clips."""

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController, control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

from cu_pipeline.labeling.guarantee.statistics import binomial_p_values, fixed_sequence
from cu_pipeline.labeling.guarantee.thresholds import Target, certify, threshold_paths

ALPHA, DELTA = 0.05, 0.05


def _source(seed: int, clips: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([seed, 61])
    sure = random.beta(4.5, 0.5, clips)
    return sure, random.random(clips) < sure


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.1])
def test_p_values_are_mapies_for_losses_of_0_or_1_and_smaller_than_its_general_ones(alpha: float) -> None:
    """Bentkus' bound is then the exact tail, which Hoeffding's never beats; in general it is e times that."""
    accepted = np.repeat([60, 150, 400], 12)
    wrong = np.tile(np.arange(12), 3)
    ours = binomial_p_values(wrong, accepted, alpha)
    # MAPIE rounds the number of mistakes up after a division, which may make it one more
    share = np.nextafter(wrong / accepted, 0)
    exact = compute_hoeffding_bentkus_p_value(share, accepted, alpha, binary=True)[:, 0]
    general = compute_hoeffding_bentkus_p_value(share, accepted, alpha)[:, 0]
    assert exact == pytest.approx(ours, rel=1e-6)
    assert (ours <= general + 1e-12).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_path_is_tested_as_mapie_tests_a_fixed_sequence(seed: int) -> None:
    p_values = np.random.default_rng(seed).beta(0.2, 2, 30)
    assert (
        control_fwer(p_values, DELTA, "fixed_sequence").tolist()
        == np.flatnonzero(fixed_sequence(p_values, 0, DELTA)).tolist()
    )


@pytest.mark.filterwarnings("ignore:Fixed sequence testing requires a monotonic risk")
@pytest.mark.parametrize("seed", range(10))
def test_the_thresholds_that_are_certified_are_valid_for_mapie(seed: int) -> None:
    """Of the thresholds that MAPIE's p-values and its sequence find valid ours is the cheapest, the most lenient.

    Its controller of the precision of "this answer is right" finds no more than these: its p-values are those for
    losses in general, and so larger.
    """
    (sure, right), (pool, _) = _source(seed, 600), _source(seed + 1000, 2000)
    ours = certify(sure[:, None], right[:, None], pool[:, None], Target(ALPHA, DELTA, {"llm": 0.0}, 0.04))
    path = threshold_paths(pool[:, None])[0].ravel()
    shares = (pool[None] >= path[:, None]).mean(axis=1)
    tried = path[shares * len(sure) >= max(1.2 * 59, min(2.5 * 59, len(sure) / 5))]
    taken = sure[None] >= tried[:, None]
    wrong = np.nextafter((taken & ~right).sum(axis=1) / taken.sum(axis=1), 0)
    p_values = compute_hoeffding_bentkus_p_value(wrong, taken.sum(axis=1), ALPHA, binary=True)[:, 0]
    valid = tried[control_fwer(p_values, DELTA, "fixed_sequence")]
    assert ours.certified == bool(len(valid))
    if ours.certified:
        assert ours.thresholds["llm"] == valid.min()
    assert set(_controlled(tried, sure, right)) <= set(valid)


def _controlled(tried: np.ndarray, sure: np.ndarray, right: np.ndarray) -> np.ndarray:
    controller = BinaryClassificationController(
        lambda given: np.column_stack([1 - given[:, 0], given[:, 0]]),
        risk="precision",
        target_level=1 - ALPHA,
        confidence_level=1 - DELTA,
        list_predict_params=tried,
        fwer_method="fixed_sequence",
    )
    controller.calibrate(sure[:, None], right.astype(int))
    return np.asarray(controller.valid_predict_params)

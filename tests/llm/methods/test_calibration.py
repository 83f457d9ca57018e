import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.llm.methods.interpret import calibrated, probabilities

LOGPROBS = st.lists(st.floats(-60, 0), min_size=3, max_size=3)


@given(st.lists(LOGPROBS, min_size=1, max_size=4), st.lists(LOGPROBS, min_size=1, max_size=3))
def test_rows_are_probabilities(clips: list[list[float]], nothing: list[list[float]]) -> None:
    result = calibrated(np.array(clips), np.array(nothing))
    assert np.allclose(result.sum(axis=1), 1)
    assert (result >= 0).all()


@given(LOGPROBS, LOGPROBS, st.floats(-20, 20))
def test_a_constant_added_to_all_answers_changes_nothing(clip: list[float], nothing: list[float], shift: float) -> None:
    free = np.array([nothing])
    assert np.allclose(calibrated(np.array([clip]), free), calibrated(np.array([clip]) + shift, free), atol=1e-9)


def test_what_the_model_says_of_nothing_is_taken_out() -> None:
    nothing = np.log([[0.7, 0.2, 0.1], [0.9, 0.06, 0.04]])
    clip = np.log([[0.75, 0.2, 0.05]])
    assert probabilities(clip).argmax() == 0
    expected = np.array([0.75 / 0.8, 0.2 / 0.13, 0.05 / 0.07])
    assert np.allclose(calibrated(clip, nothing), expected / expected.sum())

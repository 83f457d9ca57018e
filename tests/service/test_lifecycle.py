import numpy as np

from cu_pipeline.service.lifecycle import record


def test_an_answer_is_kept_without_the_caption(predictor):
    kept = record("r1", predictor.predict(None, "a secret caption"))
    assert kept.request_id == "r1"
    assert kept.probabilities == {"topic": {"cooking": 0.25, "sport": 0.75}}
    assert kept.facts == {"text_length": 16.0, "fps": None}
    np.testing.assert_array_equal(kept.vector(), np.arange(1664, dtype=np.float32))
    assert "secret" not in kept.model_dump_json()

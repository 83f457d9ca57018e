import numpy as np

from cu_pipeline.core import counters
from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.service.lifecycle import log_prediction


def test_an_answer_is_kept_without_the_caption(tmp_path, predictor):
    assert log_prediction(tmp_path, "r1", predictor.predict(None, "a secret caption"))
    (record,) = read_log(tmp_path).records
    assert record.request_id == "r1"
    assert record.probabilities == {"topic": {"cooking": 0.25, "sport": 0.75}}
    assert record.facts == {"text_length": 16.0, "fps": None}
    np.testing.assert_array_equal(record.vector(), np.arange(1664, dtype=np.float32))
    assert "secret" not in next(tmp_path.iterdir()).read_text()


def test_a_log_that_cannot_be_written_is_counted_and_not_raised(tmp_path, predictor, caplog):
    (tmp_path / "log").write_text("a file where the folder should be")
    before = counters.counts().get("prediction_log_failures", 0)
    assert not log_prediction(tmp_path / "log", "r1", predictor.predict(None, "x"))
    assert counters.counts()["prediction_log_failures"] == before + 1
    assert "r1" in caplog.text

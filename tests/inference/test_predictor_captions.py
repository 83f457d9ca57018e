import contextlib

from cu_pipeline.inference.predictor import Predictor


class Reading(Predictor):
    """Notes the caption that the extractors get."""

    def __init__(self):
        self.seen = None

    def _features(self, media, text):
        self.seen = text
        raise InterruptedError


def test_requests_are_cleaned_like_the_feed():
    predictor = Reading()
    with contextlib.suppress(InterruptedError):
        predictor.predict(None, " Tom &amp; Jerry\u200b ")
    assert predictor.seen == "Tom & Jerry"

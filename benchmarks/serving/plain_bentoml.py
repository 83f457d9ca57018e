"""The predictor behind BentoML with its defaults: `bentoml serve serving.plain_bentoml:Plain`."""

import os
from pathlib import Path

import bentoml

from cu_pipeline.inference.predictor import Predictor


@bentoml.service
class Plain:
    """Its one route takes a clip and a caption."""

    def __init__(self) -> None:
        self.predictor = Predictor.load(Path(os.environ["CU_PIPELINE_BUNDLES"]))

    @bentoml.api
    def classify(self, video: Path, caption: str = "") -> dict[str, dict[str, dict[str, float]]]:
        return {"probabilities": self.predictor.predict(video, caption).probabilities}

"""The log's interface over the present one."""

from pathlib import Path

from pydantic import BaseModel

from cu_pipeline.inference.predictor import Prediction
from cu_pipeline.service.lifecycle import log_prediction


class SimpleLog:
    """The log's interface over the present one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()

    def record(self, request_id: str, prediction: Prediction) -> None:
        log_prediction(self._folder, request_id, prediction)
        self._known.add(request_id)

    def feedback(self, told: BaseModel) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "feedback.jsonl").open("a") as stream:
            stream.write(told.model_dump_json() + "\n")

    def knows(self, request_id: str) -> bool:
        return request_id in self._known

"""Clips as a transformers video classifier reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from cu_pipeline.features.clip_processor import ClipProcessor
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.models.family import Weights
from cu_pipeline.models.network_weights import pretrained
from cu_pipeline.models.video_batches import (
    EvaluationViews,
    TrainingViews,
    VideoInput,
    centre_frames,
    random_frames,
    read_clips,
)

_CLIPS: Final = "clips"


class VideoTask:
    """Fits a video classifier.

    Args:
        checkpoint: its folder.
        options: `VideoOptions`.
    """

    def __init__(self, checkpoint: Path, options: Any) -> None:
        self._checkpoint = checkpoint
        self._views = options.views
        self._processor = ClipProcessor.load(checkpoint)
        self._training = TrainingViews(self._processor, options.augment)
        self._evaluation = EvaluationViews(self._processor)
        self._input: VideoInput | None = None

    def network(self, classes: int) -> Any:
        """The checkpoint with a new head, unless it has one for so many classes."""
        from transformers import AutoModelForVideoClassification

        network = pretrained(AutoModelForVideoClassification, self._checkpoint, classes)
        self._input = VideoInput.of(network)
        return network

    def read(self, content: Sequence[bytes], drawn: torch.Generator | None) -> Tensor:
        """Decode as many frames as the network takes: uint8 (frames, 3, height, width)."""
        wanted = self._known.frames

        def choose(stored: int, wanted: int) -> list[int]:
            return centre_frames(stored, wanted) if drawn is None else random_frames(stored, wanted, drawn)

        jpegs = tuple(content)
        return read_clips(Pictures([jpegs], (len(jpegs), 0, 0, 3)), [0], wanted, choose)[0]

    def batch(self, contents: Sequence[Tensor]) -> dict[str, Any]:
        """The clips, whose sides differ."""
        return {_CLIPS: list(contents)}

    def inputs(self, batch: dict[str, Any], *, training: bool) -> dict[str, Tensor]:
        """Views of the clips: cut and coloured by chance in training, else their middle."""
        views = self._training if training else self._evaluation
        return {self._known.name: views(batch[_CLIPS])}

    def kept(self) -> tuple[dict[str, Any], Weights]:
        """How frames are prepared, and how many views of a clip are looked at."""
        return {"processor": self._processor.model_dump(mode="json"), "views": self._views}, {}

    @property
    def _known(self) -> VideoInput:
        if self._input is None:
            raise RuntimeError("the network is made before its batches")
        return self._input

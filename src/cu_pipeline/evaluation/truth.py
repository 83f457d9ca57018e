import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability, indicators
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.evaluation.metrics import Answers


@dataclass(frozen=True)
class Judged:
    """The clips that people labelled for one capability.

    Attributes:
        capability: with its classes.
        clips: split -> rows of the table of clips, with what people said in `label`.
    """

    capability: Capability
    clips: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, name: str, capability: Capability, clips: pd.DataFrame, labels: pd.DataFrame) -> "Judged":
        """Join clips with people's labels of the capability `name`."""
        own = labels[(labels["capability"] == name) & (labels["source"] == AnnotatorKind.HUMAN.value)]
        joined = clips.merge(own[["clip_id", "label"]], on="clip_id", validate="one_to_one")
        return cls(capability, {split.value: joined[joined["split"] == split.value] for split in Split})

    def answers(self, split: str, predicted: pd.DataFrame) -> Answers:
        """Hold predictions of a split's clips against what people said.

        Args:
            split: whose clips.
            predicted: rows of the table of predictions, of this capability, these clips among them.
        """
        clips = self.clips[split]
        own = predicted.set_index("clip_id").loc[clips["clip_id"]]
        given = [json.loads(text) for text in own["probabilities"]]
        classes = self.capability.classes
        probabilities = np.array([[values[name] for name in classes] for values in given], dtype=np.float64)
        return Answers(
            self.capability.kind,
            indicators(clips["label"], self.capability),
            probabilities.reshape(-1, len(classes)),
            indicators(own["label"], self.capability),
        )

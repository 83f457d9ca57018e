import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import LEFT_OUT
from cu_pipeline.models.training import training_data


@pytest.mark.parametrize("split", ["test", LEFT_OUT])
def test_neither_test_clips_nor_clips_between_two_splits_are_learned_from(split: str) -> None:
    splits = ["train", "validation", split]
    clips = pd.DataFrame({"clip_id": list("abc"), "split": splits, "media_sha256": list("xyz"), "text_sha256": ""})
    labels = pd.DataFrame({"clip_id": list("abc"), "capability": "topic", "label": "pets", "probabilities": "{}"})
    data = training_data("topic", Capability(classes=("pets", "cars")), clips, labels)
    assert data is not None
    assert data.clips["clip_id"].tolist() == ["a", "b"]

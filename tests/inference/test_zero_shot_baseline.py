from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.inference.zero_shot_baseline import zero_shot_answers
from cu_pipeline.models.zero_shot import ZeroShotOptions

CAPABILITY = Capability(classes=("猫", "dog"), class_descriptions={"dog": "a puppy that barks"})


@pytest.fixture
def encoder(tiny_checkpoints: dict[str, Path]) -> ImageText:
    return ImageText({"name": str(tiny_checkpoints["clip"])}, 2, device="cpu")


@pytest.fixture
def store(tmp_path: Path, encoder: ImageText) -> FeatureStore:
    """Features of 20 clips that lie where the sentences of their class do: cats first, dogs second, in turn."""
    sentences = (ZeroShotOptions().sentences(phrase) for phrase in ("猫", "a puppy that barks"))
    places = np.stack([encoder.text_vectors(one).mean(0) for one in sentences])
    values = np.repeat(places[np.arange(20) % 2][:, None], 2, axis=1)
    found = FeatureStore(tmp_path / "features")
    found.append(encoder.identity, [f"m{row}" for row in range(20)], values.astype(np.float32))
    return found


@pytest.fixture
def clips() -> dict[str, pd.DataFrame]:
    rows = pd.DataFrame({"media_sha256": [f"m{row}" for row in range(20)], "label": ["猫", "dog"] * 10})
    return {"train": rows[:10], "test": rows[10:]}


def test_classes_are_told_by_their_words(encoder: ImageText, store: FeatureStore, clips) -> None:
    inputs = {"image_text": FeatureInput.of(encoder)}
    answers = zero_shot_answers(clips, CAPABILITY, inputs, store, 0)
    assert answers is not None
    assert answers.correct().all()
    assert len(answers) == 10


def test_there_is_none_without_such_features(store: FeatureStore, clips) -> None:
    assert zero_shot_answers(clips, CAPABILITY, {}, store, 0) is None


def test_there_is_none_without_the_checkpoint(encoder: ImageText, store: FeatureStore, clips, caplog) -> None:
    read = FeatureInput.of(encoder)
    lost = FeatureInput(
        read.name, read.fingerprint, read.shape, read.parameters | {"checkpoint": {"name": "/gone", "revision": "main"}}
    )
    assert zero_shot_answers(clips, CAPABILITY, {"image_text": lost}, store, 0) is None
    assert "the baseline zero_shot is not measured: reads 'image_text' features, which cannot be made" in caplog.text

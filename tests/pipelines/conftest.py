from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import CLIPS, LABELS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.models.bundle import Bundle

SPLITS = ["train"] * 12 + ["validation"] * 4 + ["test"] * 8
CLASSES = ("cooking", "sport")


@dataclass
class World:
    """24 invented clips; the first dimension of a caption's feature is -1 for cooking and 1 for sport."""

    clips: pd.DataFrame
    labels: pd.DataFrame
    store: FeatureStore
    extracted: FeatureOptions
    resolved: ResolvedCapabilities

    def store_features(self, clips: pd.DataFrame, extracted: FeatureOptions | None = None) -> None:
        """Store invented features of clips."""
        for name, extractor in build_all(extracted or self.extracted).items():
            column = "media_sha256" if name == "frames" else "text_sha256"
            rows = [int(key[1:]) for key in clips[column] if key]
            vectors = [invented(row, extractor.identity.shape) for row in rows]
            self.store.append(extractor.identity, [f"{column[0]}{row}" for row in rows], np.stack(vectors))

    def relabel(self, split: str, **values: object) -> "World":
        """Give a copy in which all labels of a split have other values."""
        chosen = self.labels["clip_id"].isin(self.clips.loc[self.clips["split"] == split, "clip_id"])
        labels = self.labels.copy()
        for name, value in values.items():
            labels.loc[chosen, name] = value
        return replace(self, labels=labels)


def invented(row: int, shape: tuple[int, ...]) -> np.ndarray:
    vector = np.random.default_rng(row).normal(0, 0.1, shape).astype(np.float32)
    vector[..., 0] = 1 if row % 2 else -1
    return vector


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give clips of which one has no video and one no caption, people's labels for all, and an empty store."""
    clips = [
        {"clip_id": f"c{row:02}", "split": split, "text": f"caption {row}", "creator": "", "has_audio": False}
        | {"media_sha256": "" if row == 1 else f"m{row}", "text_sha256": "" if row == 2 else f"t{row}", "bytes": 9}
        | {
            "duration_s": 1.0,
            "width": 64.0,
            "height": 48.0,
            "fps": 25.0,
            "group": f"g{row}",
            "lang": "",
            "feed": "f",
            "posted_at": "",
            "metadata": "{}",
        }
        for row, split in enumerate(SPLITS)
    ]
    label = {"capability": "topic", "source": "human", "probabilities": "", "annotators": 1, "certified": False}
    labels = [label | {"clip_id": f"c{row:02}", "label": CLASSES[row % 2]} for row in range(len(SPLITS))]
    return World(
        table(clips, CLIPS),
        table(labels, LABELS),
        FeatureStore(tmp_path / "features"),
        FeatureOptions(frames={"count": 2, "size": 64}, captions={"max_tokens": 8}),
        ResolvedCapabilities({"topic": Capability(classes=CLASSES)}),
    )


@pytest.fixture
def caption_reader(world: World, make_bundle) -> Bundle:
    """Give a bundle that is always right: it looks at the first dimension of the caption alone."""
    bundle = make_bundle(classes=CLASSES, extracted=world.extracted)
    nothing = {name: np.zeros_like(value) for name, value in bundle.weights.items()}
    scales = {name: np.ones_like(value) for name, value in bundle.weights.items() if name.startswith("scale_")}
    looks = np.zeros_like(bundle.weights["expert.captions.weight"])
    looks[:, 0] = [-1, 1]
    return replace(bundle, weights=nothing | scales | {"expert.captions.weight": looks})

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.family import Examples


def examples(n: int, seed: int, kind: Kind = Kind.SINGLE) -> Examples:
    """Clips whose class shows in the direction of time of one feature, and in nothing else."""
    random = np.random.default_rng(seed)
    rising = random.random(n) < 0.5
    frames = random.normal(scale=0.3, size=(n, 4, 6)).astype(np.float32)
    frames[:, :, 0] += np.where(rising[:, None], 1, -1) * np.linspace(-1, 1, 4)
    caption = random.normal(size=(n, 5)).astype(np.float32)
    return Examples(features_of(frames=frames, captions=caption), _targets(rising, kind))


def told_examples(n: int, seed: int, kind: Kind = Kind.SINGLE) -> Examples:
    """Clips whose class shows in the mean of their frames; half of them have no frames, but a caption that tells it."""
    random = np.random.default_rng(seed)
    yes, seen = random.random(n) < 0.5, random.random(n) < 0.5
    frames = random.normal(scale=0.5, size=(n, 4, 6)).astype(np.float32) + np.where(yes, 1, -1)[:, None, None]
    caption = random.normal(scale=0.5, size=(n, 5)).astype(np.float32) + np.where(yes, 1, -1)[:, None]
    parts = {"frames": (frames, seen), "captions": (caption, ~seen)}
    features = {
        name: Feature(np.where(has.reshape(-1, *[1] * (values.ndim - 1)), values, 0).astype(np.float32), has)
        for name, (values, has) in parts.items()
    }
    return Examples(ClipFeatures(features, n), _targets(yes, kind))


def features_of(**values: np.ndarray) -> ClipFeatures:
    """Features that all clips have."""
    count = len(next(iter(values.values())))
    return ClipFeatures({name: Feature(one, np.ones(count, dtype=bool)) for name, one in values.items()}, count)


def _targets(yes, kind):
    return np.eye(2, dtype=np.float32)[yes.astype(int)] if kind is Kind.SINGLE else yes[:, None].astype(np.float32)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Fit on one thread: on these small nets more of them wait for one another, without end on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(name="examples")
def examples_fixture():
    return examples


@pytest.fixture(name="told_examples")
def told_examples_fixture():
    return told_examples


@pytest.fixture
def bundle(make_bundle) -> Bundle:
    return make_bundle(classes=("a", "b", "c"), extracted=FeatureOptions(frames={}, captions={}))

"""Encoders give what the same weights give in PyTorch, by which features of earlier versions were made."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.frame_encoder import FrameEncoder

CAPTIONS = [
    "a dog runs in the park",
    "",
    "É́t café — naïve",
    "word " * 1000,
    "东北菜的做法 教程",
    "😀🔥 wow",
    "before\0behind",
    "हिन्दी गाना",
    "Tips & tricks: how to cook RICE in 10 minutes!!!",
]


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from encoding import torch_encoders

    yield torch_encoders
    for name in [name for name in sys.modules if name.partition(".")[0] == "encoding"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("size", [64, 97, 224])
def test_frames(peers, size):
    from sklearn.datasets import load_sample_image

    photographs = [load_sample_image(name)[:size, :size] for name in ("china.jpg", "flower.jpg")]
    noise = np.random.default_rng(0).integers(0, 255, (1, size, size, 3), dtype=np.uint8)
    clip = np.concatenate([np.stack(photographs), noise])
    expected = peers.TorchFrames().encode([clip])
    np.testing.assert_allclose(FrameEncoder(count=3, size=size).encode([clip]), expected, atol=1e-4)


def test_captions(peers):
    expected = peers.TorchCaptions().encode(CAPTIONS)
    np.testing.assert_allclose(CaptionEncoder().encode(CAPTIONS), expected, atol=1e-4)

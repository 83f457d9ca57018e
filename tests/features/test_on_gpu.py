"""What only a GPU can show of frozen encoders; skipped where torch finds none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cu_pipeline.features.caption_embeddings import CaptionEmbeddings
from cu_pipeline.features.image_text import ImageText

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")

PRECISIONS = [("float32", 2e-3), ("bfloat16", 0.05), ("float16", 0.01), ("auto", 0.05)]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize(("precision", "near"), PRECISIONS)
def test_frames_and_texts_are_those_of_the_cpu_in_their_order(
    kind: str, precision: str, near: float, tiny_checkpoints: dict[str, Path]
) -> None:
    checkpoint = {"name": str(tiny_checkpoints[kind])}
    clips = list(np.random.default_rng(0).integers(0, 255, (33, 4, 32, 32, 3), dtype=np.uint8))
    texts = [f"text {number}" for number in range(50)]
    here = ImageText(checkpoint, 4, device="cpu", precision="float32")
    there = ImageText(checkpoint, 4, batch=7, device="cuda", precision=precision)
    np.testing.assert_allclose(there.encode(clips), here.encode(clips), atol=near)
    np.testing.assert_allclose(there.text_vectors(texts), here.text_vectors(texts), atol=near)
    assert there.parameters["device"] == "auto"


@pytest.mark.parametrize(("precision", "near"), PRECISIONS)
def test_captions_are_those_of_the_cpu_in_their_order(
    precision: str, near: float, tiny_checkpoints: dict[str, Path]
) -> None:
    checkpoint = {"name": str(tiny_checkpoints["bert"])}
    texts = [f"caption {'word ' * (number % 9)}{number}" for number in range(100)]
    here = CaptionEmbeddings(checkpoint, device="cpu", precision="float32").encode(texts)
    there = CaptionEmbeddings(checkpoint, batch=7, device="cuda", precision=precision).encode(texts)
    np.testing.assert_allclose(there, here, atol=near)


def test_batches_that_are_sent_ahead_are_never_mixed_up(tiny_checkpoints: dict[str, Path]) -> None:
    encoder = ImageText({"name": str(tiny_checkpoints["clip"])}, 1, batch=1, device="cuda", precision="float32")
    clips = list(np.random.default_rng(1).integers(0, 255, (300, 1, 32, 32, 3), dtype=np.uint8))
    backwards = encoder.encode(clips[::-1])[::-1]
    np.testing.assert_allclose(encoder.encode(clips), backwards, atol=1e-5)
    assert len(np.unique(backwards.round(4), axis=0)) == len(clips)
